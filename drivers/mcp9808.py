"""Microchip MCP9808 temperature sensor: 13 bits, 0.0625 degC per count.

Registers, ids, the alert flags above the sign bit and the resolution codes are those of Adafruit's `adafruit_mcp9808`
3.3.32; the datasheet was not seen. The chip measures by itself, four times a second; what it wakes up with, continuous
and finest, is what is wanted.
"""

from collections.abc import Mapping
from typing import ClassVar

from drivers.base import FASTEST, Driver, Identity, Reading
from drivers.kit.quantity import Scaled
from drivers.registers import Bits, Register
from drivers.simulation.silicon import Shown, WordChip


class MCP9808(Driver):
    """Blocking, one transaction a reading."""

    address = 0x18
    addresses = tuple(range(0x18, 0x20))
    identity = (Identity(0x06, (0x0054,), size=2), Identity(0x07, (0x0400,), size=2, mask=0xFF00))

    config = Register(0x01, size=2)
    # the three bits above say which alert limits are passed
    ambient = Bits(Register(0x05, size=2, writable=False), low=0, width=13, signed=True)
    temperature = Scaled(ambient, "degC", step=0.0625, low=-40, high=125, slew=FASTEST["degC"])
    fineness = Register(0x08)

    def start(self) -> None:
        self.identify()
        self.config = 0
        self.keep(MCP9808.fineness, 0b11)
        self.bus.wait(0.25)

    def read(self) -> Reading:
        return self.reading(temperature=self.temperature)


class SimMCP9808(WordChip):
    """Measures at the moment it is read; warm above the critical limit sets the alert bits, as after power-on."""

    defaults: ClassVar[Mapping[str, float]] = {"temperature": 21.0}
    words: ClassVar[Mapping[int, int]] = {1: 0, 2: 0, 3: 0, 4: 0, 5: 0, 6: 0x0054, 7: 0x0400, 8: 0b11}
    writable: ClassVar[Mapping[int, int]] = {1: 0x07FF, 2: 0x1FFC, 3: 0x1FFC, 4: 0x1FFC, 8: 0b11}
    sizes: ClassVar[Mapping[int, int]] = {8: 1}
    shows: ClassVar[Mapping[int, Shown]] = {5: Shown("temperature", 0.0625, bits=13)}
    pointers = 0x0F

    def load(self, register: int) -> int:
        word = super().load(register)
        if register != 5:
            return word
        coarse = word >> 3 - self.held[8] << 3 - self.held[8]
        return (coarse >= 0) << 15 | (coarse > 0) << 14 | (coarse < 0) << 13 | coarse & 0x1FFF


DRIVER, SIM = MCP9808, SimMCP9808
