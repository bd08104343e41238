"""A light of three colours: an RGB LED, or a strip behind three MOSFETs.

`set` takes a colour ("#ff8800" or a name), per cent for white, or per cent a channel ("red=50 blue=on"). What is asked
for is what the eye should see: an LED at half its current looks much brighter than half, so the share of time is the
wish to the power of `gamma`.
"""

from collections.abc import Mapping
from typing import ClassVar, Literal

from drivers.base import Output, PartOnPins, Reading, Value, told
from drivers.errors import NotStarted, OutOfRange
from drivers.kit.values import each, percent
from drivers.sim import SimPart, SimPins
from drivers.wires.pwm import possible
from drivers.wires.wire import Pins, PwmPin

COLOURS: Mapping[str, str] = {
    "black": "#000000", "white": "#ffffff", "red": "#ff0000", "green": "#00ff00", "blue": "#0000ff",
    "yellow": "#ffff00", "cyan": "#00ffff", "magenta": "#ff00ff", "orange": "#ffa500", "purple": "#800080",
    "pink": "#ffc0cb", "warmwhite": "#ffd6aa",
}  # fmt: skip
"""Names of the web's, and one for lamps."""

ROLES = ("red", "green", "blue")


class RgbLed(PartOnPins, Output):
    """Channels are per cent as the eye sees them.

    common      "cathode": the common leg at ground, a pin that is high lights; "anode": at 3.3 V, the other way round
    gamma       1 to 4; 1 for no correction
    frequency   Hz; below 100 one sees it flicker
    """

    channels: ClassVar[Mapping[str, str]] = dict.fromkeys(ROLES, "%")
    roles = ROLES

    def __init__(
        self,
        pins: Pins,
        numbers: Mapping[str, int],
        *,
        common: Literal["cathode", "anode"] = "cathode",
        gamma: float = 2.2,
        frequency: float = 200.0,
        safe: float | bool | str = "off",
    ) -> None:
        super().__init__(pins, numbers)
        if not 1 <= gamma <= 4:
            raise OutOfRange(f"gamma is 1 to 4 (2.2 is usual), not {gamma:g}")
        self.common = common
        self.gamma = gamma
        self.frequency = possible(self.numbers["red"], frequency)
        self.safe = safe
        self._rest = {**dict.fromkeys(ROLES, 0.0), **parts(safe)}
        self._shown = dict(self._rest)
        self._open: dict[str, PwmPin] = {}

    def start(self) -> None:
        """Open its pins, the light in its safe state."""
        for role in ROLES:
            if role not in self._open:
                self._shown[role] = self._rest[role]
                duty = self._duty(self._rest[role])
                self._open[role] = self.pins.pwm(self.numbers[role], frequency=self.frequency, duty=duty)

    def read(self) -> Reading:
        self._require_start()
        return self.reading(**self._shown)

    def set(self, value: Value) -> None:
        """ "#ff8800", a name, per cent of white, "on", "off", or "red=50 blue=on": the others stay."""
        self._require_start()
        self._show(parts(value))

    def make_safe(self) -> None:
        self._require_start()
        self._show(self._rest)

    def close(self) -> None:
        try:
            self._show({role: self._rest[role] for role in self._open})
        finally:
            while self._open:
                self._open.popitem()[1].close()

    def _show(self, wanted: Mapping[str, float]) -> None:
        for role, share in wanted.items():
            self._open[role].duty(self._duty(share))
            self._shown[role] = share

    def _duty(self, wanted: float) -> float:
        duty: float = (wanted / 100) ** self.gamma
        return duty if self.common == "cathode" else 1 - duty

    def _require_start(self) -> None:
        if len(self._open) < len(ROLES):
            raise NotStarted(f"the RGB LED on GPIO{self.numbers['red']} is not started")


def parts(value: Value) -> dict[str, float]:
    """Per cent of red, green and blue in what somebody asks for. Raises `OutOfRange`."""
    text = COLOURS.get(value.lower().replace(" ", ""), value) if isinstance(value, str) else value
    if not isinstance(text, str) or not text.startswith("#"):
        return each(text, ROLES, f'an RGB LED (or "#ff8800", {", ".join(COLOURS)})', percent)
    try:
        if len(text) != 7:
            raise ValueError
        return {role: byte / 255 * 100 for role, byte in zip(ROLES, bytes.fromhex(text[1:]), strict=True)}
    except ValueError:
        raise OutOfRange(f"a colour is # and six of 0-9 a-f (#ff8800), not {told(value)}") from None


class SimRgbLed(SimPart):
    """`<name>.red`, `green` and `blue` are the light that comes out, per cent of full current."""

    def wire(self, pins: SimPins, device: RgbLed) -> None:
        for role in ROLES:
            self._colour(pins, device.numbers[role], f"{self.name}.{role}", device.common == "anode")

    def _colour(self, pins: SimPins, pin: int, signal: str, anode: bool) -> None:
        def light() -> float:
            if pins.frequency(pin) is None:
                return 0.0  # a pin that is given back carries no current
            return 100 * (1 - pins.duty(pin) if anode else pins.duty(pin))

        self.world[signal] = lambda _now: light()
        pins.follow(pin, lambda: self.world.touch(signal))


DRIVER, SIM = RgbLed, SimRgbLed
