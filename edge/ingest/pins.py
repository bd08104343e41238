"""Pins become events: raw edges in from the library's thread, what a part's decoder makes of them out.

Invariants
- The library's thread does one thing, `edge`: it appends and wakes. It never waits and never raises.
- An event's time is the time of the edge, not of the moment when it had settled.
- What a part shows at start is state, not an edge: an event of kind READING. It arms conditions (`equals: true,
  for: 30s` on a door that stands open at boot fires), `edge:` does not take it. Every later change is of kind EDGE and
  names only the channels to which something happened.
- The levels are looked up once after each burst of edges, because the kernel loses edges of a flooded line.
- A part whose decoder fails is begun anew later, as one that cannot be opened; the others go on.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

from drivers.base import Decoder, Reading
from drivers.wires.wire import Emit
from edge.clock import Clock
from edge.ids import Minter
from edge.ingest.health import DeviceState, Health
from edge.ingest.readings import OnReading
from edge.model import Event, EventKind, Happened, Incoming
from edge.telemetry import Telemetry

log = logging.getLogger(__name__)

QUEUE: Final = 10_000
"""Raw edges that may wait; the oldest goes, counted, and the look-up after the burst puts the levels right."""

LOOK_UP: Final = 0.05
RESTART: Final = 30.0


class PushSensor(Protocol):
    """A device that reports its edges by itself. All calls raise DriverError."""

    @property
    def name(self) -> str: ...

    def start(self) -> None: ...

    def watch(self, emit: Emit) -> None:
        """Have `emit` called at every edge, in the library's thread."""
        ...

    def levels(self) -> Mapping[str, bool]:
        """Role -> level of its pins, now."""
        ...

    def decoder(self, settle: float) -> Decoder:
        """A new decoder of its edges."""
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
        self._edges: deque[tuple[_Part, str, bool, float]] = deque(maxlen=QUEUE)
        self._parts = [
            _Part(device, Health(device.sensor.name, clock=clock, telemetry=telemetry)) for device in devices
        ]

    @property
    def states(self) -> dict[str, DeviceState]:
        """Device -> how it is doing."""
        return {part.name: part.health.state for part in self._parts}

    def start(self) -> None:
        """Open and watch every part and tell its state. One that fails is tried again in later steps."""
        for part in self._parts:
            self._begin(part)

    def step(self) -> float | None:
        """Settle what has come in and offer the changes; returns when to come again (monotonic), None for a wake."""
        now = self._clock.monotonic()
        for _ in range(len(self._edges)):  # not until none is left: a flooded line would never let go
            part, role, level, at = self._edges.popleft()
            try:
                part.take(role, level, at)
            except Exception as error:  # noqa: BLE001 - told by Health
                part.fail(error, now)
        changes: list[tuple[float, _Part, Reading]] = []
        for part in self._parts:
            if part.restart is not None and part.restart <= now:
                self._begin(part)
            try:
                changes += [(at, part, reading) for reading, at in part.due(now)]
            except Exception as error:  # noqa: BLE001 - told by Health
                part.fail(error, now)
        for at, part, reading in sorted(changes, key=lambda change: change[0]):
            self._tell(part, EventKind.EDGE, reading, at)
        return min((time for part in self._parts for time in part.deadlines()), default=None)

    def edge(self, part: _Part, role: str, level: bool, at: float) -> None:
        """One raw edge. Never blocks, never raises."""
        if len(self._edges) == QUEUE:
            self._lost.add()
        self._edges.append((part, role, level, at))
        self._wake()

    def _begin(self, part: _Part) -> None:
        sensor = part.device.sensor
        try:
            sensor.start()
            if not part.watched:
                sensor.watch(partial(self.edge, part))
                part.watched = True
            # after `watch`, so that no edge is missed: one in between at worst repeats this level
            begin = self._clock.monotonic()
            reading = part.begin(sensor.levels(), begin)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - told by Health; the others are watched all the same
            part.fail(error, self._clock.monotonic())
            return
        part.restart = None
        part.health.good()
        self._tell(part, EventKind.READING, reading, begin)

    def _tell(self, part: _Part, kind: EventKind, reading: Reading, at: float) -> None:
        event = Event(
            id=self._minter.mint(),
            source=part.name,
            kind=kind,
            values=reading.values,
            time=self._clock.wall() - (self._clock.monotonic() - at),
            monotonic=at,
            quality=self._clock.quality(),
        )
        self._offer(Happened(event))
        try:
            self._on_reading(part.name, reading, "")
        except Exception:
            log.exception("the state of %s could not be shown", part.name)


class _Part:
    """One watched part: what its edges mean, and when to look at its pins again."""

    __slots__ = ("_begin", "_missed", "decoder", "device", "health", "look_up", "name", "restart", "watched")

    def __init__(self, device: Watching, health: Health) -> None:
        self.device = device
        self.health = health
        self.name = device.sensor.name
        self.decoder: Decoder | None = None
        self.look_up: float | None = None
        self.restart: float | None = None
        self.watched = False
        self._begin = 0.0
        self._missed = 0

    def begin(self, levels: Mapping[str, bool], at: float) -> Reading:
        decoder = self.device.sensor.decoder(self.device.debounce)
        reading = decoder.begin(levels, at)
        self.decoder, self._begin, self._missed = decoder, at, decoder.missed
        return reading

    def fail(self, error: Exception | SystemExit, now: float) -> None:
        """Make no sense of its edges until it is begun anew."""
        self.health.bad(error, "failed")
        self.decoder = self.look_up = None
        self.restart = now + RESTART

    def take(self, role: str, level: bool, at: float) -> None:
        if self.decoder is None or at < self._begin:
            return  # older than the state that was told
        self.decoder.edge(role, level, at)
        self.look_up = at + max(self.device.debounce, LOOK_UP)

    def _look(self, now: float) -> None:
        """Look whether the pins are where their last edges said."""
        self.look_up = None
        assert self.decoder is not None
        try:
            levels = self.device.sensor.levels()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - told by Health
            self.health.bad(error, "degraded")
            return
        self.health.good()
        missed = self.decoder.missed
        self.decoder.look(levels, now)
        if self.decoder.missed != missed:
            self.look_up = now + max(self.device.debounce, LOOK_UP)

    def due(self, now: float) -> list[tuple[Reading, float]]:
        """What is certain by now, after a look at the pins where it is time for one."""
        if self.look_up is not None and self.look_up <= now:
            self._look(now)
        if self.decoder is None:
            return []
        told = []
        while (change := self.decoder.due(now)) is not None:
            told.append(change)
        while self._missed < self.decoder.missed:
            self._missed += 1
            self.health.count("missed_edge")
        return told

    def deadlines(self) -> list[float]:
        decoder = self.decoder.deadline if self.decoder is not None else None
        return [time for time in (decoder, self.look_up, self.restart) if time is not None]
