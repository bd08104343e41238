"""Sensors become events: one sampler for the devices that share a wire, one thread each, made in app.py.

Invariants
- Samples are due at begin + k * every: a slow sensor shifts nothing, a late sampler skips what it missed.
- Nothing a driver raises ends the sampler, and a bad sensor never takes time from the others but its own attempts.
- A value outside its channel's range, NaN and infinity never become an event.
- A value that is not expected of the place is read twice, and marked where it stays (`edge.ingest.plausible`).

A failed sample, and what is done about it:
    the error says retry    again after 0.1, 0.2 and 0.4 s, in later steps; `degraded`, after that `failed`
    it does not             `failed` at once, but `degraded` first where only the value was out of range
    failed                  start the device anew at its next regular time, then at twice the distance, up to a minute
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from drivers.base import Reading
from drivers.errors import DriverError, OutOfRange
from edge.clock import Clock
from edge.ids import Minter
from edge.ingest.health import DeviceState, Health
from edge.ingest.plausible import Doubt, Expected, Judge, Unconfirmed
from edge.model import Event, EventKind, Happened, Incoming
from edge.telemetry import Telemetry

log = logging.getLogger(__name__)

RETRIES: Final = 3
FIRST_RETRY: Final = 0.1
LONGEST_PAUSE: Final = 60.0

OnReading = Callable[[str, Reading, str], object]
"""Takes a device's name, what it said and what is doubtful about that ("", "jump", "frozen"), in the thread that asked
it: live state is published from here."""


class Sensor(Protocol):
    """A device that is asked. Both calls block; they raise DriverError."""

    @property
    def name(self) -> str: ...

    def start(self) -> None:
        """Prove that the part is there; may be repeated."""
        ...

    def sample(self) -> Reading: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """What is sampled, how often (seconds), what each channel can be at all, and what it is expected to be."""

    sensor: Sensor
    every: float
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    expected: Expected | None = None


class Sampler:
    """`step` belongs to one thread; `states` may be read from any.

    `offer` takes each event and must not block; see `OnReading` for `on_reading`.
    """

    def __init__(
        self,
        devices: Sequence[Sampling],
        *,
        clock: Clock,
        offer: Callable[[Incoming], object],
        minter: Minter,
        telemetry: Telemetry,
        on_reading: OnReading,
    ) -> None:
        self._clock = clock
        self._offer = offer
        self._minter = minter
        self._on_reading = on_reading
        now = clock.monotonic()
        self._plans = [
            _Plan(device, Health(device.sensor.name, clock=clock, telemetry=telemetry), now) for device in devices
        ]

    @property
    def states(self) -> dict[str, DeviceState]:
        """Device -> how it is doing."""
        return {plan.device.sensor.name: plan.health.state for plan in self._plans}

    def step(self) -> float:
        """Sample every device that is due, the longest due first; returns when the next one is (monotonic)."""
        now = self._clock.monotonic()
        for plan in sorted((plan for plan in self._plans if plan.next <= now), key=lambda plan: plan.next):
            self._sample(plan)
        return min((plan.next for plan in self._plans), default=math.inf)

    def _sample(self, plan: _Plan) -> None:
        sensor = plan.device.sensor
        try:
            if not plan.started:
                sensor.start()
                plan.started = True
            reading = sensor.sample()
            _refuse_implausible(reading, plan.device.ranges)
            doubt = None if plan.judge is None else plan.judge.judge(reading.values, self._clock.monotonic())
        except (Exception, SystemExit) as error:  # noqa: BLE001 - told by Health; a driver's bug must not silence its neighbours
            plan.failed(error, self._clock.monotonic())
            return
        plan.succeeded(self._clock.monotonic(), doubt)
        mark = "" if doubt is None else doubt.kind
        self._offer(Happened(self._event(sensor.name, reading, mark)))
        try:
            self._on_reading(sensor.name, reading, mark)
        except Exception:
            log.exception("the state of %s could not be shown", sensor.name)

    def _event(self, name: str, reading: Reading, doubt: str) -> Event:
        return Event(
            id=self._minter.mint(),
            source=name,
            kind=EventKind.READING,
            values=reading.values,
            time=self._clock.wall(),
            monotonic=self._clock.monotonic(),
            quality=self._clock.quality(),
            doubt=doubt,
        )


class _Plan:
    """When one device is asked next."""

    __slots__ = ("_begin", "_failures", "_rounds", "device", "health", "judge", "next", "started")

    def __init__(self, device: Sampling, health: Health, begin: float) -> None:
        self.device = device
        self.health = health
        self.judge = Judge(device.expected) if device.expected else None
        self.started = False
        self.next = begin
        self._begin = begin
        self._failures = 0  # in a row
        self._rounds = 0  # starts anew in a row

    def succeeded(self, now: float, doubt: Doubt | None) -> None:
        self._failures = self._rounds = 0
        if doubt is None:
            self.health.good()
        else:
            self.health.bad(doubt, "degraded")
        self.next = self._regular(now)

    def failed(self, error: Exception | SystemExit, now: float) -> None:
        if isinstance(error, Unconfirmed):
            # a part that was away and answers again is asked for its second reading now, not in a minute
            self._failures = self._failures if self._failures <= RETRIES else 0
        elif self.judge is not None:
            self.judge.failed()
        self._failures += 1
        kind, retry = (error.kind, error.retry) if isinstance(error, DriverError) else ("bug", False)
        if self._failures <= RETRIES and (retry or kind == OutOfRange.kind):
            self.health.bad(error, "degraded")
            self.next = self._regular(now)
            if retry:
                self.next = min(self.next, now + FIRST_RETRY * 2 ** (self._failures - 1))
            return
        self.health.bad(error, "failed")
        self.started = False
        every = self.device.every
        pause = min(every * 2 ** min(self._rounds, 30), max(every, LONGEST_PAUSE))
        self._rounds += 1
        self.next = self._regular(now + pause - every)

    def _regular(self, after: float) -> float:
        """The first regular time later than `after`."""
        every = self.device.every
        number = math.floor((after - self._begin) / every) + 1
        regular = self._begin + number * every
        return regular if regular > after else regular + every


def _refuse_implausible(reading: Reading, ranges: Mapping[str, tuple[float, float]]) -> None:
    for channel, value in reading.values.items():
        low, high = ranges.get(channel, (-math.inf, math.inf))
        # NaN compares false with everything
        if not low <= value <= high or math.isinf(value):
            raise OutOfRange(f"{channel} {value:.6g} is outside {low:g} .. {high:g}: it cannot be a measurement")
