"""A switch on a pin: door or window contact, float switch, end stop - anything that opens or closes a circuit.

Wired between the pin and ground with `pull: up` (the usual way), or between the pin and 3.3 V with `pull: down`.
Channel `open` is True while the circuit is open, that is while the pull decides the level; `active` turns that round
for parts that drive the pin themselves: it names the level at which `open` is True.
"""

from collections.abc import Mapping
from typing import ClassVar

from drivers.base import Decoder, PinDevice, Reading
from drivers.kit.decoders import Levels
from drivers.kit.inputs import Active, Listening, SimLevels, level_of
from drivers.sim import SimPins
from drivers.wires.wire import Pins, Pull


class Contact(Listening, PinDevice):
    """A contact on one input pin."""

    channels: ClassVar[Mapping[str, str]] = {"open": "bool"}

    def __init__(self, pins: Pins, pin: int, *, pull: Pull = "up", active: Active | None = None) -> None:
        super().__init__(pins, pin)
        self.pull = pull
        self.open_level = level_of("open", pull, active, pulled=True)

    def read(self) -> Reading:
        return self.reading(open=self.levels()["pin"] == self.open_level)

    def decoder(self, settle: float) -> Decoder:
        return Levels("open", settle, on=self.open_level)


class SimContact(SimLevels):
    """Follows the signal `<name>.open` (closed while the world says nothing)."""

    def wire(self, pins: SimPins, device: Contact) -> None:
        self.show(pins, "open", device.pin, on=device.open_level)


DRIVER, SIM = Contact, SimContact
