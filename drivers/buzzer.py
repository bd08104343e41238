"""A buzzer: an active one sounds when it has current, a passive one needs the tone made for it.

`set` takes on and off, and for a passive one the tone in Hz. A pattern (three beeps, an alarm) is what a task makes of
it: it switches on, and the next event or tick of `every` switches off; a driver owns no thread and makes nobody wait.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from drivers.base import Output, PinDevice, Reading, Value, on_or_off, told
from drivers.errors import NotStarted, OutOfRange
from drivers.kit.values import number_in
from drivers.sim import SimPart, SimPins
from drivers.wires.wire import OutputPin, Pins, PwmPin

DEEPEST, HIGHEST = 20.0, 10_000.0
"""Hz: below it are clicks, above it is more than software makes."""


class Buzzer(PinDevice, Output):
    """Safe is silence, from `start()` to `close()`.

    kind          "active": has its own tone; "passive": gets `tone` (Hz) or what `set` says
    active_high   False for boards that sound when the pin is low
    """

    channels: ClassVar[Mapping[str, str]] = {"on": "bool", "tone": "Hz"}
    safe = "off"

    def __init__(
        self,
        pins: Pins,
        pin: int,
        *,
        kind: Literal["active", "passive"] = "active",
        tone: float = 2000.0,
        active_high: bool = True,
    ) -> None:
        super().__init__(pins, pin)
        self.kind = kind
        self.active_high = active_high
        self._usual = self._hearable(tone)
        self._tone = 0.0
        self._switch: OutputPin | None = None
        self._pulses: PwmPin | None = None

    @classmethod
    def channels_of(cls, options: Mapping[str, Any]) -> Mapping[str, str]:
        return cls.channels if options.get("kind") == "passive" else {"on": "bool"}

    def start(self) -> None:
        """Open the pin, silent."""
        if self._switch is not None or self._pulses is not None:
            return
        self._tone = 0.0
        if self.kind == "active":
            self._switch = self.pins.output(self.pin, level=not self.active_high)
        else:
            self._pulses = self.pins.pwm(self.pin, frequency=self._usual, duty=self._silence)

    def read(self) -> Reading:
        self._started()
        return self.reading(on=self._tone > 0, **({} if self.kind == "active" else {"tone": self._tone}))

    def set(self, value: Value) -> None:
        """On, off, and for a passive one a tone in Hz."""
        self._started()
        self._sound(self._wish(value))

    def close(self) -> None:
        pin = self._switch or self._pulses
        if pin is None:
            return
        try:
            self._sound(0.0)
        finally:
            self._switch = self._pulses = None
            pin.close()

    @property
    def _silence(self) -> float:
        return 0.0 if self.active_high else 1.0

    def _wish(self, value: Value) -> float:
        """The tone, 0 for silence; an active one has its own, for which any number stands."""
        if self.kind == "active" or isinstance(value, bool) or value in ("on", "off"):
            return self._usual if on_or_off(value, f"{self.kind} buzzer on GPIO{self.pin}") else 0.0
        return 0.0 if value == 0 else self._hearable(value)

    def _hearable(self, value: Value) -> float:
        hertz = number_in(value)
        if not DEEPEST <= hertz <= HIGHEST:
            raise OutOfRange(
                f'a passive buzzer takes {DEEPEST:g} to {HIGHEST:g} (Hz), "on" or "off", not {told(value)}'
            )
        return hertz

    def _sound(self, tone: float) -> None:
        if self._switch is not None:
            self._switch.drive(bool(tone) == self.active_high)
        if self._pulses is not None:
            if tone:
                self._pulses.frequency(tone)
            self._pulses.duty(0.5 if tone else self._silence)
        self._tone = tone

    def _started(self) -> None:
        if self._switch is None and self._pulses is None:
            raise NotStarted(f"the buzzer on GPIO{self.pin} is not started")


class SimBuzzer(SimPart):
    """`<name>.tone` is what is heard, in Hz, 0 for nothing; an active one has `own` Hz. `<name>.on` is whether."""

    signals = ("tone",)
    own = 2300.0

    def wire(self, pins: SimPins, device: Buzzer) -> None:
        names = f"{self.name}.on", f"{self.name}.tone"

        def heard() -> float:
            if device.kind == "active":
                return self.own if pins.level(device.pin) == device.active_high else 0.0
            # a steady level moves the membrane once
            return pins.frequency(device.pin) or 0.0 if 0 < pins.duty(device.pin) < 1 else 0.0

        def tell() -> None:
            for name in names:
                self.world.touch(name)

        self.world[names[0]] = lambda _now: heard() > 0
        self.world[names[1]] = lambda _now: heard()
        pins.follow(device.pin, tell)


DRIVER, SIM = Buzzer, SimBuzzer
