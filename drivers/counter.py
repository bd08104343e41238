"""Pulses on a pin, counted: flow meters, rain gauges, energy and gas meters with a pulse output, anemometers, fans.

Most have a reed contact or an open-collector output: between the pin and ground with `pull: up`, where a pulse is a
falling edge and the rising one that ends it. `edge` says which are counted; `both` counts two a pulse.

    count   pulses since the start
    total   `offset` + count x `per_pulse`, in `unit`
    rate    `per_pulse` x pulses in a `per` (s, min or h), in `unit` a `per`

    1 litre is 450 pulses:          per_pulse: 0.00222, unit: l, per: min
    a tip of the bucket, 0.2794 mm: per_pulse: 0.2794, unit: mm, per: h
    1000 pulses are 1 kWh:          per_pulse: 0.001, unit: kWh, per: h         (the rate is then in kW)

The total begins at `offset` whenever the runtime starts: nothing is kept here, and pulses that came while nobody
counted are not in it. A task that keeps a total adds up the differences.

The rate comes from the times of the pulses: those since the last reading, divided by the time from the last pulse
before it to the last one now. Without a new pulse it is what it was, but at most one pulse in the time since the last
one; after `timeout` without a pulse it is 0, and begins anew with the second pulse.

`min_width` is how long a level must hold to count: shorter pulses and shorter gaps are noise. Give a mechanical
contact some milliseconds. Edges that the kernel lost are not counted, except where a level came twice without
`min_width`: the edge between is then counted as well.
"""

import math
import threading
from collections.abc import Mapping
from typing import Any, ClassVar, Final, Literal

from drivers.base import InputPin, PinDevice, Pins, Pull, Reading, Seconds
from drivers.decoders import Debounce
from drivers.errors import NotStarted, OutOfRange
from drivers.inputs import require_time
from drivers.sim import SimPart, SimPins

NONE, MINUTE = Seconds(0.0), Seconds(60.0)
SECONDS: Final = {"s": 1.0, "min": 60.0, "h": 3600.0}


class Counter(PinDevice):
    """A pulse counter on one input pin; it counts in the library's thread."""

    channels: ClassVar[Mapping[str, str]] = {"count": "pulses", "total": "pulses", "rate": "pulses/min"}

    def __init__(
        self,
        pins: Pins,
        pin: int,
        *,
        pull: Pull = "up",
        edge: Literal["rising", "falling", "both"] = "falling",
        per_pulse: float = 1.0,
        unit: str = "pulses",
        per: Literal["s", "min", "h"] = "min",
        offset: float = 0.0,
        min_width: Seconds = NONE,
        timeout: Seconds = MINUTE,
    ) -> None:
        super().__init__(pins, pin)
        if not (math.isfinite(per_pulse) and per_pulse) or not math.isfinite(offset):
            raise OutOfRange(f"per_pulse is a number other than 0, and offset a number; not {per_pulse} and {offset}")
        require_time(timeout=timeout)
        self.pull = pull
        self.counted = {"rising": (True,), "falling": (False,), "both": (True, False)}[edge]
        self.per_pulse = per_pulse
        self.per = per
        self.offset = offset
        self.min_width = min_width
        self.timeout = timeout
        self._lock = threading.Lock()
        self._input: InputPin | None = None
        self._count = 0
        self._raw = False
        self._settling = Debounce(min_width)
        self._base = self._last = -math.inf  # the pulses between which the rate is measured
        self._pulses = 0  # since `_base`
        self._hertz = 0.0

    @classmethod
    def channels_of(cls, options: Mapping[str, Any]) -> Mapping[str, str]:
        unit, per = options.get("unit", "pulses"), options.get("per", "min")
        return {"count": "pulses", "total": unit, "rate": f"{unit}/{per}"}

    def start(self) -> None:
        if self._input is not None:
            return
        pin = self.pins.input(self.pin, pull=self.pull)
        try:
            with self._lock:
                self._raw = pin.level()
                self._settling = Debounce(self.min_width, self._raw)
            pin.watch(self._edge)
        except BaseException:
            pin.close()
            raise
        self._input = pin

    def read(self) -> Reading:
        if self._input is None:
            raise NotStarted(f"the counter on GPIO{self.pin} is not started")
        now = self.pins.now()
        with self._lock:
            self._count_until(now)
            rate = self._rate(now) * self.per_pulse * SECONDS[self.per]
            count = self._count
        return self.reading(count=count, total=self.offset + count * self.per_pulse, rate=rate)

    def close(self) -> None:
        pin, self._input = self._input, None
        if pin is not None:
            pin.close()

    def _edge(self, level: bool, at: float) -> None:
        with self._lock:
            if level == self._raw:
                self._settling.edge(not level, at)
            self._raw = level
            self._settling.edge(level, at)
            self._count_until(at)

    def _count_until(self, now: float) -> None:
        while (change := self._settling.due(now)) is not None:
            if change.level in self.counted:
                self._pulse(change.at)

    def _pulse(self, at: float) -> None:
        self._count += 1
        if at - self._last >= self.timeout:
            self._base, self._pulses, self._hertz = at, 0, 0.0
        else:
            self._pulses += 1
        self._last = at

    def _rate(self, now: float) -> float:
        """Pulses a second."""
        silence = now - self._last
        if silence >= self.timeout:
            self._hertz = 0.0
        elif self._pulses and self._last > self._base:
            self._hertz = self._pulses / (self._last - self._base)
            self._base, self._pulses = self._last, 0
        elif silence > 0:
            self._hertz = min(self._hertz, 1 / silence)
        return self._hertz


class SimCounter(SimPart):
    """A wheel with one magnet, which turns as fast as the signal `<name>.rate` says; a reed contact at it is closed for
    half of each turn."""

    def wire(self, pins: SimPins, device: Counter) -> None:
        signal = f"{self.name}.rate"
        pulled = device.pull != "down"
        turning = closed = False
        planned = 0.0

        def hertz() -> float:
            edges = len(device.counted)
            return float(self.world.sample(signal, default=0.0)) / SECONDS[device.per] / device.per_pulse / edges

        def turn(since: float) -> None:
            nonlocal turning, planned
            speed = hertz()
            turning = speed > 0
            if turning:
                planned = since + 0.5 / speed
                self.world.later(planned, flip)

        def flip() -> None:
            nonlocal closed
            closed = not closed
            pins.drive(device.pin, pulled != closed)
            # a world that is looked at late must not slow the wheel down
            turn(planned)

        def look() -> None:
            if not turning:
                turn(self.world.now())

        pins.drive(device.pin, pulled)
        self.world.follow(signal, look)
        look()


DRIVER, SIM = Counter, SimCounter
