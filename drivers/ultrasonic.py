"""Distance by ultrasound: HC-SR04 and its relatives (JSN-SR04T, US-015), with a trigger and an echo wire.

What it does, as its sellers describe it (datasheet not seen): a pulse of 10 us on the trigger sends a burst; the echo
wire then is high for as long as the sound was on its way there and back, and for 38 ms where nothing came back. The
edges' own times are taken, so the distance does not depend on when the program came to look; what is left of the
kernel's and the part's jitter is some millimetres.

Sound is faster in warm air, 0.18 % a degree: give `temperature`, or correct by a thermometer in a task.
"""

import math
from collections.abc import Mapping
from typing import ClassVar

from drivers.base import PartOnPins, Reading
from drivers.errors import BadData, ChipError, NotStarted, OutOfRange
from drivers.sim import SimPart, SimPins
from drivers.simulation.signals import Hole
from drivers.wires.wire import InputPin, OutputPin, Pins

PULSE = 10e-6
LONGEST = 0.025
"""Seconds: an echo from a little more than 4 m."""
QUIET = 0.2
"""Seconds after which the slowest of them gives up listening."""


class EchoStuck(ChipError):
    """The echo wire stays high: a short, a wrong pin, or a module that hangs until its supply is cut."""

    kind = "stuck"
    retry = True


class Ultrasonic(PartOnPins):
    """Blocking for 30 ms a reading, up to 0.5 s where something is wrong. No echo is `BadData`, worth a repeat.

    temperature   of the air, degC, for the speed of sound
    """

    own_wire = True
    channels: ClassVar[Mapping[str, str]] = {"distance": "mm"}
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = {"distance": (20.0, 4000.0)}
    resolution: ClassVar[Mapping[str, float]] = {"distance": 3.0}
    roles = ("trigger", "echo")

    def __init__(self, pins: Pins, numbers: Mapping[str, int], *, temperature: float = 20.0) -> None:
        super().__init__(pins, numbers)
        if not -40 <= temperature <= 85:
            raise OutOfRange(f"temperature is that of the air, -40 to 85 degC, not {temperature:g}")
        self.temperature = temperature
        self._trigger: OutputPin | None = None
        self._echo: InputPin | None = None
        self._edges: list[tuple[bool, float]] = []

    def start(self) -> None:
        """Open both pins. Whether a module is there only a reading tells."""
        if self._trigger is None:
            self._trigger = self.pins.output(self.numbers["trigger"], level=False)
        if self._echo is None:
            # a wire that is off reads low, and so as no echo
            self._echo = self.pins.input(self.numbers["echo"], pull="down")
            self._echo.watch(lambda level, at: self._edges.append((level, at)))

    def read(self) -> Reading:
        if self._trigger is None or self._echo is None:
            raise NotStarted(f"the ultrasonic sensor on GPIO{self.numbers['trigger']} is not started")
        self._until_low(self._echo)
        self._edges.clear()
        self._trigger.drive(True)
        self.pins.wait(PULSE)
        self._trigger.drive(False)
        self.pins.wait(1.2 * LONGEST)
        if len(self._edges) == 1:
            # what is still high after that is no echo; let it end, or it would be taken for the next one
            self._until_low(self._echo)
        return self.reading(distance=self._width() * speed_of_sound(self.temperature) / 2 * 1000)

    def close(self) -> None:
        for pin in (self._trigger, self._echo):
            if pin is not None:
                pin.close()
        self._trigger = self._echo = None

    def _until_low(self, echo: InputPin) -> None:
        if echo.level():
            self.pins.wait(QUIET)
            if echo.level():
                raise EchoStuck(
                    f"the echo wire on GPIO{self.numbers['echo']} stays high: look for a short or a wrong pin, and cut"
                    " the module's supply for a second"
                )

    def _width(self) -> float:
        """Seconds for which the echo was high."""
        edges = list(self._edges)
        if not edges:
            raise BadData(
                f"no answer on GPIO{self.numbers['echo']}: check the module's 5 V, the divider and both wires"
            )
        if [level for level, _ in edges] != [True, False]:
            raise BadData(f"{len(edges)} edges on GPIO{self.numbers['echo']}, an echo has two: noise on the wire")
        width = edges[1][1] - edges[0][1]
        if width > LONGEST:
            raise BadData("no echo: nothing within 4 m, or a surface that swallows or deflects the sound")
        return width


def speed_of_sound(celsius: float) -> float:
    """Metres a second in dry air."""
    return 331.3 * math.sqrt(1 + celsius / 273.15)


class SimUltrasonic(SimPart):
    """Answers a trigger of at least 10 us by an echo from `<name>.distance` mm away (default 1000), through air of
    `<name>.air` degC (default 20). A module: `hung` holds the wire high, `dead` does not answer."""

    signals = ("air",)
    burst = 0.00045  # seconds from the trigger's end to the echo's beginning
    deaf = 0.038
    farthest = 4500.0
    hung = dead = False

    def wire(self, pins: SimPins, device: Ultrasonic) -> None:
        self._pins, self._echo = pins, device.numbers["echo"]
        self._trigger, self._held, self._armed = device.numbers["trigger"], 0.0, False
        self._coming: list[tuple[float, bool]] = []
        pins.drive(self._echo, False)
        pins.follow(self._trigger, self._triggered)
        pins.passing(self._pass)

    def _triggered(self) -> None:
        if self._pins.level(self._trigger):
            self._held = 0.0
        elif self._held >= 0.9 * PULSE:
            self._armed = not self.dead

    def _pass(self, begin: float, end: float) -> None:
        if self._pins.level(self._trigger):
            self._held += end - begin
        if self._armed:
            self._armed = False
            rises = begin + self.burst
            self._coming += [(rises, True)] if self.hung else [(rises, True), (rises + self._way(), False)]
        elif not self.hung and not self._coming and self._pins.level(self._echo):
            self._coming.append((begin, False))
        while self._coming and self._coming[0][0] <= end:
            at, level = self._coming.pop(0)
            self._pins.drive(self._echo, level, at)

    def _way(self) -> float:
        """Seconds until the sound is back."""
        try:
            distance = float(self.world.sample(f"{self.name}.distance", default=1000.0))
        except Hole:
            return self.deaf
        if distance > self.farthest:
            return self.deaf
        return 2 * distance / 1000 / speed_of_sound(float(self.world.sample(f"{self.name}.air", default=20.0)))


DRIVER, SIM = Ultrasonic, SimUltrasonic
