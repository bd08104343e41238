"""Pins become events: raw edges in from the library's thread, settled changes out.

Invariants
- The library's thread does one thing, `edge`: it appends and wakes. It never waits and never raises.
- An event's time is the time of the edge, not of the moment when it had settled.
- What a pin shows at start is state, not an edge: an event of kind READING. It arms conditions (`equals: true,
  for: 30s` on a door that stands open at boot fires), `edge:` does not take it. Every later change is of kind EDGE.
- The level is looked up once after each burst of edges, because the kernel loses edges of a flooded line.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

from drivers.base import Emit, Reading
from drivers.gpio import Debounce
from edge.clock import Clock
from edge.ids import Minter
from edge.ingest.health import DeviceState, Health
from edge.ingest.readings import OnReading
from edge.model import Event, EventKind, Happened, Incoming
from edge.telemetry import Telemetry

log = logging.getLogger(__name__)

QUEUE: Final = 10_000
"""Raw edges that may wait; the oldest goes, counted, and the look-up after the burst puts the level right."""

LOOK_UP: Final = 0.05
RESTART: Final = 30.0


class PushSensor(Protocol):
    """A device that reports by itself through one channel that is true or false. All calls raise DriverError."""

    @property
    def name(self) -> str: ...

    @property
    def channels(self) -> Mapping[str, str]: ...

    def start(self) -> None: ...

    def sample(self) -> Reading: ...

    def watch(self, emit: Emit) -> None:
        """Have `emit` called at every edge, in the library's thread."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """What is watched, and how long a level must hold to count (seconds)."""

    sensor: PushSensor
    debounce: float = 0.0


class PinWatch:
    """`start` and `step` belong to one thread; `edge` comes from any, `states` may be read from any.

    `wake` is called when `step` has something to do; it must not block.
    """

    def __init__(
        self,
        devices: Sequence[Watching],
        *,
        clock: Clock,
        offer: Callable[[Incoming], object],
        minter: Minter,
        telemetry: Telemetry,
        wake: Callable[[], object],
        on_reading: OnReading,
    ) -> None:
        self._clock = clock
        self._offer = offer
        self._minter = minter
        self._wake = wake
        self._on_reading = on_reading
        self._lost = telemetry.counter("edge_pin_edges_dropped_total")
        self._edges: deque[tuple[_Pin, Reading, float]] = deque(maxlen=QUEUE)
        self._pins = [_Pin(device, Health(device.sensor.name, clock=clock, telemetry=telemetry)) for device in devices]

    @property
    def states(self) -> dict[str, DeviceState]:
        """Device -> how it is doing."""
        return {pin.name: pin.health.state for pin in self._pins}

    def start(self) -> None:
        """Open and watch every pin and tell its state. A pin that fails is tried again in later steps."""
        for pin in self._pins:
            self._begin(pin)

    def step(self) -> float | None:
        """Settle what has come in and offer the changes; returns when to come again (monotonic), None for a wake."""
        now = self._clock.monotonic()
        while self._edges:
            pin, reading, at = self._edges.popleft()
            pin.take(bool(reading.values[pin.channel]), at)
        changes: list[tuple[float, _Pin, bool]] = []
        for pin in self._pins:
            if pin.restart is not None and pin.restart <= now:
                self._begin(pin)
            if pin.look_up is not None and pin.look_up <= now:
                pin.compare(now)
            while pin.settling is not None and (change := pin.settling.due(now)) is not None:
                changes.append((change.at, pin, change.level))
        for at, pin, level in sorted(changes, key=lambda change: change[0]):
            self._tell(pin, EventKind.EDGE, level, at)
        return min((time for pin in self._pins for time in pin.deadlines()), default=None)

    def edge(self, pin: _Pin, reading: Reading, at: float) -> None:
        """One raw edge. Never blocks, never raises."""
        if len(self._edges) == QUEUE:
            self._lost.add()
        self._edges.append((pin, reading, at))
        self._wake()

    def _begin(self, pin: _Pin) -> None:
        sensor = pin.device.sensor
        try:
            sensor.start()
            if not pin.watched:
                sensor.watch(partial(self.edge, pin))
                pin.watched = True
            # after `watch`, so that no edge is missed: one in between at worst repeats this level
            begin = self._clock.monotonic()
            level = bool(sensor.sample().values[pin.channel])
        except Exception as error:  # noqa: BLE001 - told by Health; the other pins must be watched all the same
            pin.health.bad(error, "failed")
            pin.restart = self._clock.monotonic() + RESTART
            return
        pin.restart = None
        pin.health.good()
        pin.begin(level, begin)
        self._tell(pin, EventKind.READING, level, begin)

    def _tell(self, pin: _Pin, kind: EventKind, level: bool, at: float) -> None:
        reading = Reading({pin.channel: level})
        event = Event(
            id=self._minter.mint(),
            source=pin.name,
            kind=kind,
            values=reading.values,
            time=self._clock.wall() - (self._clock.monotonic() - at),
            monotonic=at,
            quality=self._clock.quality(),
        )
        self._offer(Happened(event))
        try:
            self._on_reading(pin.name, reading, "")
        except Exception:
            log.exception("the state of %s could not be shown", pin.name)


class _Pin:
    """One watched pin: its raw level, what has settled of it, and when to look again."""

    __slots__ = ("_begin", "_raw", "channel", "device", "health", "look_up", "name", "restart", "settling", "watched")

    def __init__(self, device: Watching, health: Health) -> None:
        self.device = device
        self.health = health
        self.name = device.sensor.name
        channels = list(device.sensor.channels)
        if len(channels) != 1:
            raise ValueError(f"{self.name} has the channels {', '.join(channels)}: a pin that reports edges has one")
        self.channel = channels[0]
        self.settling: Debounce | None = None
        self.look_up: float | None = None
        self.restart: float | None = None
        self.watched = False
        self._begin = 0.0
        self._raw = False

    def begin(self, level: bool, at: float) -> None:
        self._begin = at
        self._raw = level
        self.settling = Debounce(self.device.debounce, level)

    def take(self, level: bool, at: float) -> None:
        if self.settling is None or at < self._begin:
            return  # older than the state that was told
        self._raw = level
        self.settling.edge(level, at)
        self.look_up = at + max(self.device.debounce, LOOK_UP)

    def compare(self, now: float) -> None:
        """Look whether the pin is where its last edge said."""
        self.look_up = None
        try:
            level = bool(self.device.sensor.sample().values[self.channel])
        except Exception as error:  # noqa: BLE001 - told by Health
            self.health.bad(error, "degraded")
            return
        self.health.good()
        if level != self._raw:
            self.health.count("missed_edge")
            self.take(level, now)

    def deadlines(self) -> list[float]:
        settle = self.settling.deadline if self.settling is not None else None
        return [time for time in (settle, self.look_up, self.restart) if time is not None]
