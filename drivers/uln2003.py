"""A small stepper motor (28BYJ-48) on a ULN2003 board: four wires, each a coil, high for current.

The order of the coils is the usual one of these boards (in1 to in4 one after the other), as gpiozero's and ESPHome's
users wire it; half steps put the states with two coils between those with one. A 28BYJ-48 has 2048 full steps a turn
(32 times a gear of about 64), 4096 half steps.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal

from drivers.base import OutputPin, Pins
from drivers.sim import SimPins
from drivers.stepping import SimMotor, Stepper

COILS: Final = ("in1", "in2", "in3", "in4")
HALF: Final = ("1000", "1100", "0100", "0110", "0010", "0011", "0001", "1001")
SEQUENCES: Final = {"half": HALF, "full": HALF[1::2], "wave": HALF[::2]}


class ULN2003(Stepper):
    """`steps`: "half" for twice the positions, "full" for the most force, "wave" for half the current."""

    roles = COILS

    def __init__(
        self,
        pins: Pins,
        numbers: Mapping[str, int],
        *,
        steps: Literal["half", "full", "wave"] = "full",
        **options: Any,
    ) -> None:
        super().__init__(pins, numbers, **options)
        self.sequence = SEQUENCES[steps]
        self._phase = 0
        self._coils: list[OutputPin] = []

    def open(self) -> None:
        try:
            for role in COILS[len(self._coils) :]:
                self._coils.append(self.pins.output(self.numbers[role], level=False))
        except BaseException:
            self.shut()
            raise

    def step(self, way: int) -> None:
        self._phase = (self._phase + way) % len(self.sequence)
        self._drive(self.sequence[self._phase])

    def release(self) -> None:
        self._drive("0000")

    def shut(self) -> None:
        while self._coils:
            self._coils.pop().close()

    def _drive(self, wanted: str) -> None:
        for coil, level in zip(self._coils, wanted, strict=True):
            if coil.level() != (level == "1"):
                coil.drive(level == "1")


class SimULN2003(SimMotor):
    """The rotor has eight places a cycle and goes where the coils pull it; the opposite place pulls no way.

    It needs `inertia` seconds for that, so it does not follow coils that are switched one after the other.
    """

    inertia = 0.0003

    def solder(self, pins: SimPins, device: ULN2003) -> None:
        numbers = [device.numbers[role] for role in COILS]
        self.places = len(HALF) // len(device.sequence)
        self._place = HALF.index(device.sequence[0])

        def pull(begin: float, end: float) -> None:
            coils = "".join("01"[pins.level(number)] for number in numbers)
            # anything else is no current, or coils that pull against each other
            if end - begin >= self.inertia and coils in HALF:
                self._pull(HALF.index(coils))

        pins.passing(pull)

    def _pull(self, place: int) -> None:
        way = (place - self._place + 3) % len(HALF) - 3
        if way < 4 and not self.blocked:
            self._place = place
            self.turn(way)


DRIVER, SIM = ULN2003, SimULN2003
