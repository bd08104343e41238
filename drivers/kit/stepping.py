"""What stepper motors have in common, whatever drives their coils: positions, a ramp, and an end stop.

A move is made step by step while the caller waits, so it has an end that is known before it begins: one that would take
longer than `longest` is refused, and the device has a thread of its own. It counts steps, nothing tells it that the
motor missed some; where it matters, an end stop (`home`) makes the count true again.
"""

import math
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final, Literal

from drivers.base import Output, PartOnPins, Reading, Seconds, Value, told
from drivers.errors import BadData, BadPin, Halted, NotStarted, OutOfRange
from drivers.kit.values import number_in
from drivers.sim import SimPart, SimPins
from drivers.wires.wire import InputPin, Pins

FASTEST: Final = 2000.0
"""Steps a second that a program can wait for one by one."""


class Stepper(PartOnPins, Output):
    """Base of a stepper on driver boards; a subclass says how to make one step. Blocking for as long as a move takes.

    unit, per_unit   what positions are given in, and how many steps one of it is
    speed            steps a second at most; `acceleration` steps a second squared, 0 for full speed at once
    lowest, highest  positions beyond which nothing moves; None: no such end
    longest          no move takes longer
    hold             keep the current on at rest: it holds against a load, and gets hot
    """

    own_wire = True
    channels: ClassVar[Mapping[str, str]] = {"position": "steps"}
    optional_roles: ClassVar[tuple[str, ...]] = ("home",)
    safe = "released"

    def __init__(
        self,
        pins: Pins,
        numbers: Mapping[str, int],
        *,
        unit: Literal["steps", "deg", "mm"] = "steps",
        per_unit: float = 1.0,
        speed: float = 250.0,
        acceleration: float = 500.0,
        lowest: float | None = None,
        highest: float | None = None,
        longest: Seconds = Seconds(10.0),  # noqa: B008 - a NewType's value is a float
        hold: bool = False,
    ) -> None:
        super().__init__(pins, numbers)
        if not 0 < speed <= FASTEST:
            raise OutOfRange(f"speed is up to {FASTEST:g} steps a second, not {speed:g}")
        if acceleration < 0 or per_unit <= 0:
            raise OutOfRange(f"acceleration is 0 or more and per_unit more than 0, not {acceleration:g}, {per_unit:g}")
        if lowest is not None and highest is not None and not lowest < highest:
            raise OutOfRange(f"lowest {lowest:g} is not below highest {highest:g}")
        if unit == "steps" and per_unit != 1:
            raise OutOfRange("per_unit needs `unit: deg` or `unit: mm`: steps are steps")
        self.unit, self.per_unit = unit, per_unit
        self.speed, self.acceleration, self.longest = speed, acceleration, longest
        self.lowest = -math.inf if lowest is None else lowest
        self.highest = math.inf if highest is None else highest
        self.hold = hold
        self._steps = 0
        self._running = False
        self._halted = False
        self._stop: InputPin | None = None

    @classmethod
    def channels_of(cls, options: Mapping[str, Any]) -> Mapping[str, str]:
        return {"position": options.get("unit", "steps")}

    def start(self) -> None:
        """Open the pins, the motor without current. Where it stands is position 0, the first time."""
        if not self._running:
            self.open()
            self._running, self._halted = True, False
        if self._stop is None and "home" in self.numbers:
            self._stop = self.pins.input(self.numbers["home"], pull="up")

    def read(self) -> Reading:
        """Where it is by the steps that were made."""
        self._require_start()
        return self.reading(position=self._steps / self.per_unit)

    def set(self, value: Value) -> None:
        """A position; "zero": here is 0; "home": go down to the end stop, which is 0; "released": no current."""
        self._require_start()
        if value == "released":
            self.release()
        elif value == "zero":
            self._steps = 0
        elif value == "home":
            self._home()
        else:
            self._go(self._wish(value))

    def halt(self) -> None:
        """The motor stands after the step that it is in."""
        self._halted = True

    def make_safe(self) -> None:
        self._halted = False
        super().make_safe()

    def close(self) -> None:
        running, self._running, self._halted = self._running, False, False
        stop, self._stop = self._stop, None
        if stop is not None:
            stop.close()
        if running:
            try:
                self.release()
            finally:
                self.shut()

    @abstractmethod
    def open(self) -> None:
        """Open the pins, no current."""

    @abstractmethod
    def step(self, way: int) -> None:
        """One step up (1) or down (-1), with current from then on."""

    @abstractmethod
    def release(self) -> None:
        """No current."""

    @abstractmethod
    def shut(self) -> None:
        """Give the pins back."""

    def _go(self, position: float) -> None:
        steps = position * self.per_unit - self._steps
        # before any is counted out: the position may be any number
        self._prove_near(steps, (abs(steps) - 1) / self.speed)
        distance = round(position * self.per_unit) - self._steps
        delays = list(ramp(abs(distance), self.speed, self.acceleration))
        self._prove_near(distance, sum(delays))
        try:
            for delay in delays:
                self._make(1 if distance > 0 else -1)
                self.pins.wait(delay)
        finally:
            self._rest()

    def _prove_near(self, steps: float, seconds: float) -> None:
        if seconds > self.longest:
            raise OutOfRange(
                f"that is {abs(steps):.6g} steps and {seconds:.3g} s away, more than longest: {self.longest:g} s;"
                " go there in parts"
            )

    def _home(self) -> None:
        """Down until the switch closes, slowly, at most for `longest`."""
        if self._stop is None:
            raise BadPin("home needs an end stop: a switch between the pin `home` and ground")
        slow = self.speed / 4
        try:
            for _ in range(int(self.longest * slow)):
                if not self._stop.level():
                    self._steps = 0
                    break
                self._make(-1)
                self.pins.wait(1 / slow)
        finally:
            self._rest()
        if self._stop.level():
            raise BadData(
                f"no end stop within {self.longest:g} s: look whether the motor turns, which way, and the switch"
            )

    def _make(self, way: int) -> None:
        if self._halted:
            raise Halted(f"stopped at {self._steps / self.per_unit:g} {self.unit}: it is to be safe now")
        self.step(way)
        self._steps += way

    def _rest(self) -> None:
        if not self.hold:
            self.release()

    def _wish(self, value: Value) -> float:
        position = number_in(value)
        if not self.lowest <= position <= self.highest or math.isinf(position):
            ends = f" from {self.lowest:g} to {self.highest:g}"
            raise OutOfRange(
                f'a stepper takes a position{ends} ({self.unit}), "home", "zero" or "released", not {told(value)}'
            )
        return position

    def _require_start(self) -> None:
        if not self._running:
            raise NotStarted(f"the stepper on GPIO{next(iter(self.numbers.values()))} is not started")


def ramp(steps: int, speed: float, acceleration: float) -> Iterator[float]:
    """The pauses after each step, in seconds: faster up to `speed`, and slower again towards the end."""
    for number in range(1, steps + 1):
        ramped = math.sqrt(2 * acceleration * min(number, steps - number + 1))
        yield 1 / min(speed, ramped) if acceleration else 1 / speed


class SimMotor(SimPart):
    """What hangs on a stepper's driver board: `<name>.position` is where the shaft is, in the device's unit.

    It begins at `shaft` places, of which there are `places` in a step; a switch at the pin `home` is closed at 0 and
    below. While `<name>.blocked` is true it does not turn.
    """

    signals = ("blocked",)
    shaft = 0
    places = 1

    def wire(self, pins: SimPins, device: Stepper) -> None:
        self._pins, self._stop = pins, device.numbers.get("home")
        self._signal = f"{self.name}.position"
        self.world[self._signal] = lambda _now: self.shaft / self.places / device.per_unit
        self._switch()
        self.solder(pins, device)

    @abstractmethod
    def solder(self, pins: SimPins, device: Any) -> None:
        """Follow the pins that make it turn."""

    def turn(self, places: int) -> None:
        """The coils pull the shaft so far."""
        if places and not self.blocked:
            self.shaft += places
            self._switch()
            self.world.touch(self._signal)

    @property
    def blocked(self) -> bool:
        return bool(self.world.sample(f"{self.name}.blocked", default=False))

    def _switch(self) -> None:
        if self._stop is not None:
            self._pins.drive(self._stop, self.shaft > 0)
