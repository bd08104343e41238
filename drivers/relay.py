"""A switched output on a pin: relay board, MOSFET, contactor driver, valve, lamp.

`active_high: false` suits the common optocoupler boards that switch on when the pin is low. The pin drives its safe
state from the first moment and before it is given back; once given back it is an input, and only the wiring (a
resistor, the board's own pull) holds the part, so wire it to rest in the safe state.
"""

from collections.abc import Mapping
from typing import ClassVar, Literal

from drivers.base import Output, PinDevice, Reading, Value, on_or_off
from drivers.errors import NotStarted
from drivers.sim import SimPart, SimPins
from drivers.wires.wire import OutputPin, Pins


class Relay(PinDevice, Output):
    """A relay on one output pin."""

    channels: ClassVar[Mapping[str, str]] = {"on": "bool"}

    def __init__(
        self, pins: Pins, pin: int, *, active_high: bool = True, safe: bool | Literal["on", "off"] = "off"
    ) -> None:
        super().__init__(pins, pin)
        self.active_high = active_high
        self.safe = safe
        self._safe_on = on_or_off(safe, "a relay")
        self._output: OutputPin | None = None

    def start(self) -> None:
        if self._output is None:
            self._output = self.pins.output(self.pin, level=self._safe_on == self.active_high)

    def read(self) -> Reading:
        """What the pin drives now, read back from the pin."""
        return self.reading(on=self._started().level() == self.active_high)

    def set(self, value: Value) -> None:
        """True, 1 or "on"; False, 0 or "off"."""
        self._started().drive(on_or_off(value, "a relay") == self.active_high)

    def on(self) -> None:
        self.set(True)

    def off(self) -> None:
        self.set(False)

    def close(self) -> None:
        pin, self._output = self._output, None
        if pin is None:
            return
        try:
            pin.drive(self._safe_on == self.active_high)
        finally:
            pin.close()

    def _started(self) -> OutputPin:
        if self._output is None:
            raise NotStarted(f"the relay on GPIO{self.pin} is not started")
        return self._output


class SimRelay(SimPart):
    """Makes the signal `<name>.on` show what the pin drives, so that other signals can depend on it."""

    def wire(self, pins: SimPins, device: Relay) -> None:
        signal = f"{self.name}.on"
        self.world[signal] = lambda _now: pins.level(device.pin) == device.active_high
        pins.follow(device.pin, lambda: self.world.touch(signal))


DRIVER, SIM = Relay, SimRelay
