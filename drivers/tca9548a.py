"""TI TCA9548A and its family: a switch that joins one of several further I2C wires to its bus.

    mux:   {driver: tca9548a, bus: i2c-1, address: 0x70}
    left:  {driver: bme280, bus: mux/0, address: 0x76}
    right: {driver: bme280, bus: mux/1, address: 0x76}

TCA9548A and PCA9548A (8 channels), TCA9546A, PCA9546A, PCA9545A (4), PCA9543A (2). One register, written and read
without an address of its own: bit n joins channel n; a part with interrupts shows them in the upper half. The register,
its kinds and the channels of each part are those of Linux `drivers/i2c/muxes/i2c-mux-pca954x.c`; the datasheet was not
seen. Parts that take a channel's number and an enable bit (PCA9540, 42, 44, 47) are not for this driver.

The part has no id. `start()` lets every channel go and expects to read that back; whether a selection holds is read
back each time that one is made, by `drivers.wires.trunk`.
"""

from collections.abc import Iterable, Mapping
from typing import ClassVar, Literal

from drivers.base import Reading
from drivers.errors import BadData
from drivers.sim import SimBus, SimChip, World
from drivers.wires.trunk import Multiplexer
from drivers.wires.wire import Bus


class TCA9548A(Multiplexer):
    """Blocking, one byte a reading. `selected` is its register: bit n is channel n."""

    channels: ClassVar[Mapping[str, str]] = {"selected": "bits"}
    address = 0x70
    addresses = tuple(range(0x70, 0x78))
    obeys = range(0x100)
    one_byte = True

    def __init__(self, bus: Bus, address: int | None = None, *, channels: Literal[2, 4, 8] = 8) -> None:
        super().__init__(bus, address)
        self._mask = (1 << channels) - 1

    def start(self) -> None:
        self.transfer(b"\x00")
        self.prove("the register after all channels were let go", self._register(), 0)

    def read(self) -> Reading:
        selected = self._register()
        if selected & selected - 1:
            raise BadData(
                f"the multiplexer at {self.address:#04x} joins several channels at once ({selected:#04x}): another chip"
                " answers there, or another program switches it"
            )
        return self.reading(selected=float(selected))

    def _register(self) -> int:
        return self.transfer(b"", 1)[0] & self._mask


class SimTCA9548A(SimChip):
    """Eight wires, each a bus of its own; its register says which of them are joined to the one that it is on."""

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.register = 0
        self._trunk: SimBus | None = None
        self._wires: dict[int, SimBus] = {}

    def wire(self, channel: int) -> SimBus:
        """The wire behind a channel: plug chips in there. The multiplexer has to be on a bus itself."""
        assert self._trunk is not None, "a multiplexer on no bus has no wires"
        if channel not in self._wires:
            self._wires[channel] = self._trunk.segment(f"{self.name}/{channel}")
        return self._wires[channel]

    def write(self, data: bytes) -> None:
        # each byte of a long write goes into the only register there is
        self.register = data[-1]

    def read(self, count: int) -> bytes:
        return bytes([self.register]) * count

    def connected(self) -> Iterable[SimBus]:
        return [wire for channel, wire in sorted(self._wires.items()) if self.register >> channel & 1]

    def plugged(self, bus: SimBus) -> None:
        self._trunk = bus

    def renewed(self) -> "SimTCA9548A":
        # the chips behind it keep their own supply
        self.register = 0
        return self

    def catch_up(self, waited: float = 0.0) -> None:
        super().catch_up(waited)
        for wire in self._wires.values():
            wire.catch_up(waited)


DRIVER, SIM = TCA9548A, SimTCA9548A
