"""Microchip MCP9808 temperature sensor: 13 bits, 0.0625 degC per count.

Registers, ids, the alert flags above the sign bit and the resolution codes are those of Adafruit's `adafruit_mcp9808`
3.3.32; the datasheet was not seen. The chip measures by itself, four times a second, also after it lost its settings:
continuous and finest are what it wakes up with.
"""

from collections.abc import Mapping
from typing import ClassVar

from drivers.base import FASTEST, Driver, Reading
from drivers.errors import WrongChip
from drivers.registers import Bits, Register
from drivers.silicon import WordChip, counts

FINEST = 0b11


class MCP9808(Driver):
    """Blocking, one transaction a reading."""

    channels: ClassVar[Mapping[str, str]] = {"temperature": "degC"}
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = {"temperature": (-40.0, 125.0)}
    resolution: ClassVar[Mapping[str, float]] = {"temperature": 0.0625}
    slew: ClassVar[Mapping[str, float]] = {"temperature": FASTEST["degC"]}
    address = 0x18
    addresses = tuple(range(0x18, 0x20))

    config = Register(0x01, size=2)
    ambient = Register(0x05, size=2, writable=False)
    maker = Register(0x06, size=2, writable=False)
    device = Register(0x07, size=2, writable=False)
    fineness = Register(0x08)
    # the three bits above say which alert limits are passed
    celsius = Bits(ambient, low=0, width=13, signed=True)

    def start(self) -> None:
        self.prove("manufacturer id", self.maker, 0x0054)
        self.prove("device id", self.device >> 8, 0x04)
        self.config = 0
        self.fineness = FINEST
        if self.fineness != FINEST:
            raise WrongChip(f"{self.address:#04x} has an MCP9808's ids but does not keep its resolution")
        self.bus.wait(0.25)

    def read(self) -> Reading:
        return self.reading(temperature=self.celsius * 0.0625)


class SimMCP9808(WordChip):
    """Measures at the moment it is read; warm above the critical limit sets the alert bits, as after power-on."""

    defaults: ClassVar[Mapping[str, float]] = {"temperature": 21.0}
    words: ClassVar[Mapping[int, int]] = {1: 0, 2: 0, 3: 0, 4: 0, 5: 0, 6: 0x0054, 7: 0x0400, 8: FINEST}
    writable: ClassVar[Mapping[int, int]] = {1: 0x07FF, 2: 0x1FFC, 3: 0x1FFC, 4: 0x1FFC, 8: 0b11}
    sizes: ClassVar[Mapping[int, int]] = {8: 1}
    pointers = 0x0F

    def load(self, register: int) -> int:
        if register != 5:
            return super().load(register)
        sixteenths = counts(self.signal("temperature"), 0.0625, -0x1000, 0x0FFF)
        coarse = sixteenths >> 3 - self.held[8] << 3 - self.held[8]
        alerts = (coarse >= 0) << 15 | (coarse > 0) << 14 | (coarse < 0) << 13
        return alerts | coarse & 0x1FFF


DRIVER, SIM = MCP9808, SimMCP9808
