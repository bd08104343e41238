"""A stepper motor on a driver board with step and direction: A4988, DRV8825, TMC2208 in its simple mode.

Each rise of `step` is a step, or the part of one that the board's MS pins choose (give `per_unit` accordingly), upwards
while `dir` is high. `enable` is low for current; where it is not connected the board keeps the current on, and
`hold: false` changes nothing. Times are those the boards ask for, rounded up: 2 us of pulse, far less than a program
needs between two calls anyway (datasheets not seen).
"""

from collections.abc import Mapping
from typing import Any, Final

from drivers.base import OutputPin, Pins
from drivers.sim import SimPins
from drivers.stepping import SimMotor, Stepper

PULSE: Final = 2e-6


class A4988(Stepper):
    """`inverted` turns the other way round."""

    roles = ("step", "dir")
    optional_roles = ("enable", "home")

    def __init__(
        self,
        pins: Pins,
        numbers: Mapping[str, int],
        *,
        inverted: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(pins, numbers, **options)
        self.inverted = inverted
        self._pins: dict[str, OutputPin] = {}

    def open(self) -> None:
        try:
            # current off first, or it jerks when the others are opened
            for role, level in (("enable", True), ("step", False), ("dir", False)):
                if role in self.numbers and role not in self._pins:
                    self._pins[role] = self.pins.output(self.numbers[role], level=level)
        except BaseException:
            self.shut()
            raise

    def step(self, way: int) -> None:
        up = (way > 0) != self.inverted
        for role, level in (("enable", False), ("dir", up)):
            if role in self._pins and self._pins[role].level() != level:
                self._pins[role].drive(level)
        self._pins["step"].drive(True)
        self.pins.wait(PULSE)
        self._pins["step"].drive(False)

    def release(self) -> None:
        if "enable" in self._pins:
            self._pins["enable"].drive(True)

    def shut(self) -> None:
        while self._pins:
            self._pins.popitem()[1].close()


class SimA4988(SimMotor):
    """Turns by one step at each rise of `step`, up while `dir` is high, unless `enable` is high."""

    def solder(self, pins: SimPins, device: A4988) -> None:
        step, way, enable = (device.numbers.get(role) for role in ("step", "dir", "enable"))
        assert step is not None
        assert way is not None
        high = False

        def look() -> None:
            nonlocal high
            before, high = high, pins.level(step)
            if high and not before and not (enable is not None and pins.level(enable)):
                self.turn(1 if pins.level(way) != device.inverted else -1)

        pins.follow(step, look)


DRIVER, SIM = A4988, SimA4988
