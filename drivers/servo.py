"""A hobby servo: the length of a pulse, fifty times a second, is the angle it goes to.

Names and usual values are those of gpiozero's `AngularServo`: 1 ms is `min_angle`, 2 ms is `max_angle`. Servos differ:
widen the pulses carefully, one that runs against its stop overheats.

Software makes the pulses; they jitter, and a servo that holds its place fidgets. `detach` ends them that long after
each move: the gear then holds, which is enough for a flap or a valve. A load that pulls wants the pulses of a PCA9685.
"""

from collections.abc import Mapping
from typing import ClassVar, Literal

from drivers.base import Output, PinDevice, Reading, Seconds, Value, told
from drivers.errors import NotStarted, OutOfRange
from drivers.kit.values import number_in
from drivers.sim import SimPart, SimPins
from drivers.wires.wire import Pins, PwmPin

FREQUENCY = 50.0  # Hz
TURN = 0.5
"""Seconds within which a servo is where it should be."""
NARROWEST, WIDEST = 0.0003, 0.003  # seconds


class Servo(PinDevice, Output):
    """Blocking for `detach` after each move. There is no feedback: `angle` is what it was told last, and the middle
    before; `driven` is whether pulses hold it there.

    safe    an angle, or "released": no pulses, the shaft can be turned
    """

    own_wire = True
    channels: ClassVar[Mapping[str, str]] = {"angle": "deg", "driven": "bool"}

    def __init__(
        self,
        pins: Pins,
        pin: int,
        *,
        min_angle: float = -90.0,
        max_angle: float = 90.0,
        min_pulse: Seconds = Seconds(0.001),  # noqa: B008 - a NewType's value is a float
        max_pulse: Seconds = Seconds(0.002),  # noqa: B008
        detach: Seconds | None = None,
        safe: float | Literal["released"] = "released",
    ) -> None:
        super().__init__(pins, pin)
        if not NARROWEST <= min_pulse < max_pulse <= WIDEST:
            raise OutOfRange(
                f"pulses go from {NARROWEST * 1000:g} to {WIDEST * 1000:g} ms, min_pulse below max_pulse; not"
                f" {min_pulse * 1000:g} to {max_pulse * 1000:g} ms"
            )
        if not min_angle < max_angle:
            raise OutOfRange(f"min_angle {min_angle:g} is not below max_angle {max_angle:g}; turn the pulses instead")
        self.min_angle, self.max_angle = min_angle, max_angle
        self.min_pulse, self.max_pulse = min_pulse, max_pulse
        self.detach = detach
        self.safe = safe
        self._rest = self._wish(safe)
        self._angle = (min_angle + max_angle) / 2
        self._driven = False
        self._pin: PwmPin | None = None

    def start(self) -> None:
        """Open the pin; the servo goes to its safe angle, or stays free."""
        if self._pin is None:
            self._note(self._rest)
            self._pin = self.pins.pwm(self.pin, frequency=FREQUENCY, duty=self._duty(self._rest))

    def read(self) -> Reading:
        self._started()
        return self.reading(angle=self._angle, driven=self._driven)

    def set(self, value: Value) -> None:
        """An angle in degrees, or "released"."""
        pin, angle = self._started(), self._wish(value)
        pin.duty(self._duty(angle))
        self._note(angle)
        if angle is not None and self.detach is not None:
            self.pins.wait(self.detach)
            pin.duty(0.0)
            self._driven = False

    def close(self) -> None:
        pin, self._pin = self._pin, None
        if pin is not None:
            try:
                pin.duty(self._duty(self._rest))
                if self._rest is not None and (self._rest, True) != (self._angle, self._driven):
                    # pulses that end at once would leave it where it is
                    self.pins.wait(TURN if self.detach is None else self.detach)
            finally:
                pin.close()

    def _wish(self, value: Value) -> float | None:
        """The angle; None for released."""
        if value == "released":
            return None
        angle = number_in(value)
        if not self.min_angle <= angle <= self.max_angle:
            raise OutOfRange(
                f'a servo takes {self.min_angle:g} to {self.max_angle:g} (degrees) or "released", not {told(value)}'
            )
        return angle

    def _duty(self, angle: float | None) -> float:
        if angle is None:
            return 0.0
        part = (angle - self.min_angle) / (self.max_angle - self.min_angle)
        return (self.min_pulse + part * (self.max_pulse - self.min_pulse)) * FREQUENCY

    def _note(self, angle: float | None) -> None:
        self._angle, self._driven = (self._angle if angle is None else angle), angle is not None

    def _started(self) -> PwmPin:
        if self._pin is None:
            raise NotStarted(f"the servo on GPIO{self.pin} is not started")
        return self._pin


class SimServo(SimPart):
    """`<name>.angle` is where the shaft is: it turns by `speed` degrees a second towards what the pulses say, beginning
    in the middle, and stays where it is when they end."""

    speed = 500.0  # a small one: 60 degrees in 0.12 s

    def wire(self, pins: SimPins, device: Servo) -> None:
        middle = (device.min_angle + device.max_angle) / 2
        self._from, self._goal, self._since = middle, middle, self.world.now()

        def told() -> None:
            here = self._at(self.world.now())
            frequency, duty = pins.frequency(device.pin), pins.duty(device.pin)
            self._from, self._goal, self._since = here, here, self.world.now()
            if frequency is not None and 0 < duty < 1:
                share = (duty / frequency - device.min_pulse) / (device.max_pulse - device.min_pulse)
                self._goal = device.min_angle + share * (device.max_angle - device.min_angle)
            self.world.touch(f"{self.name}.angle")

        self.world[f"{self.name}.angle"] = self._at
        pins.follow(device.pin, told)
        told()

    def _at(self, now: float) -> float:
        turned = min(self.speed * max(now - self._since, 0.0), abs(self._goal - self._from))
        return self._from + turned if self._goal > self._from else self._from - turned


DRIVER, SIM = Servo, SimServo
