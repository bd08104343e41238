"""LM75 and its kin (LM75A/B, PCT2075, DS1775, TMP75, MCP9800): a temperature in the upper 9 to 12 bits of a word.

Register map, resolutions, and the bits that switch the 12-bit kinds to 12 bits are those of Linux
`drivers/hwmon/lm75.c`; the datasheets were not seen. The family has no id: what `start()` checks is that the
configuration, of one byte, and the two limits, of two, keep what is written; nothing here uses the limits.

`bits`: 9 for a plain LM75, LM75A of National, TCN75; 11 for LM75A/B of NXP, PCT2075; 12 for TMP75, TMP175, MCP9800.
Below 9 bits a plain LM75 promises nothing, so they are cut off unless configuration says they are there.
"""

from collections.abc import Mapping
from typing import ClassVar, Literal

from drivers.base import FASTEST, Driver, Reading
from drivers.kit.quantity import Quantity
from drivers.registers import Register
from drivers.simulation.silicon import Shown, WordChip
from drivers.wires.wire import Bus

LIMITS = (0x4B80, 0x5000)
"""75.5 and 80 degC: a chip whose pointer moves on by itself has another register where the half degree stands."""
TWELVE_BITS = 0b11 << 5
NINE_BITS = 0xFF80


class LM75(Driver):
    """Blocking, one transaction a reading; the chip measures by itself about ten times a second."""

    temperature = Quantity("degC", step=0.5, low=-55, high=125, slew=FASTEST["degC"])
    address = 0x48
    addresses = tuple(range(0x48, 0x50))

    conversion = Register(0x00, size=2, signed=True, writable=False)
    config = Register(0x01)
    hysteresis = Register(0x02, size=2)
    limit = Register(0x03, size=2)

    def __init__(self, bus: Bus, address: int | None = None, *, bits: Literal[9, 11, 12] = 9) -> None:
        super().__init__(bus, address)
        self._unused = 16 - bits

    def start(self) -> None:
        # a word for an ADS1115 or a TMP102, a byte here: their upper one is another
        self.keep(LM75.config, TWELVE_BITS if self._unused == 4 else 0)
        self.hysteresis, self.limit = LIMITS
        # both are written before one is read: where the pointer moves on, the second has changed the first
        self.prove("the hysteresis", self.hysteresis & NINE_BITS, LIMITS[0])
        self.prove("the limit", self.limit & NINE_BITS, LIMITS[1])
        self.bus.wait(0.3)

    def read(self) -> Reading:
        return self.reading(temperature=(self.conversion >> self._unused << self._unused) / 256)


class SimLM75(WordChip):
    """A 12-bit member of the family: shows 9 bits until its configuration asks for more."""

    defaults: ClassVar[Mapping[str, float]] = {"temperature": 21.0}
    words: ClassVar[Mapping[int, int]] = {0: 0, 1: 0, 2: 0x4B00, 3: 0x5000}
    writable: ClassVar[Mapping[int, int]] = {1: 0x7F, 2: 0xFFF0, 3: 0xFFF0}
    sizes: ClassVar[Mapping[int, int]] = {1: 1}
    pointers = 0b11

    def load(self, register: int) -> int:
        if register != 0:
            return super().load(register)
        finer = self.held[1] >> 5 & 0b11
        return Shown("temperature", 0.5 / (1 << finer), bits=9 + finer, left=7 - finer).word(self.signal("temperature"))


DRIVER, SIM = LM75, SimLM75
