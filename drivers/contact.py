"""A switch on a pin: door or window contact, float switch, end stop - anything that opens or closes a circuit.

Wired between the pin and ground with `pull: up` (the usual way), or between the pin and 3.3 V with `pull: down`.
Channel `open` is True while the circuit is open, that is while the pull decides the level; `active` turns that round
for parts that drive the pin themselves: it names the level at which `open` is True.
"""

from collections.abc import Mapping
from typing import ClassVar, Literal

from drivers.base import Emit, InputPin, PinDevice, Pins, Pull, Push, Reading
from drivers.errors import BadPin, NotStarted
from drivers.sim import SimPart, SimPins


class Contact(PinDevice, Push):
    """A contact on one input pin; reports every raw edge, chatter included."""

    channels: ClassVar[Mapping[str, str]] = {"open": "bool"}

    def __init__(
        self,
        pins: Pins,
        pin: int,
        *,
        pull: Pull = "up",
        active: Literal["high", "low"] | None = None,
    ) -> None:
        super().__init__(pins, pin)
        if pull == "none" and active is None:
            raise BadPin(f"GPIO{pin} without a pull needs `active: high` or `active: low`: the level that means open")
        self.pull = pull
        self.open_level = pull == "up" if active is None else active == "high"
        self._input: InputPin | None = None

    def start(self) -> None:
        if self._input is None:
            self._input = self.pins.input(self.pin, pull=self.pull)

    def read(self) -> Reading:
        return self._reading(self._started().level())

    def watch(self, emit: Emit) -> None:
        self._started().watch(lambda level, at: emit(self._reading(level), at))

    def close(self) -> None:
        pin, self._input = self._input, None
        if pin is not None:
            pin.close()

    def _reading(self, level: bool) -> Reading:
        return self.reading(open=level == self.open_level)

    def _started(self) -> InputPin:
        if self._input is None:
            raise NotStarted(f"the contact on GPIO{self.pin} is not started")
        return self._input


class SimContact(SimPart):
    """Follows the signal `<name>.open` (closed while the world says nothing)."""

    def wire(self, pins: SimPins, device: Contact) -> None:
        signal = f"{self.name}.open"

        def move() -> None:
            is_open = bool(self.world.sample(signal, default=False))
            pins.drive(device.pin, device.open_level == is_open)

        self.world.follow(signal, move)
        move()


DRIVER, SIM = Contact, SimContact
