"""TI TMP102 temperature sensor: 12 bits, 0.0625 degC per count, four addresses.

Register map, bit positions and the 35 ms first conversion are taken from Linux `drivers/hwmon/tmp102.c`; the
datasheet was not seen. The chip has no id: what `start()` checks is that the configuration sticks and that the two
resolution bits, which only this family fixes, are ones although zeros were written.
"""

from collections.abc import Mapping
from typing import ClassVar

from drivers.base import FASTEST, Driver, Reading
from drivers.kit.quantity import Scaled
from drivers.registers import Bits, Register
from drivers.simulation.silicon import WordChip, counts

CONTINUOUS = 0x60A0
"""Four conversions a second, 12 bits, comparator alert: the configuration after power-on."""
RESOLUTION, ALERT = 0b11 << 13, 1 << 5
"""Bits of it that the chip sets itself."""


class TMP102(Driver):
    """Blocking, one transaction a reading; the chip measures by itself four times a second."""

    address = 0x48
    addresses = (0x48, 0x49, 0x4A, 0x4B)

    conversion = Bits(Register(0x00, size=2, writable=False), low=4, width=12, signed=True)
    temperature = Scaled(conversion, "degC", step=0.0625, low=-55, high=128, slew=FASTEST["degC"])
    config = Register(0x01, size=2)

    def start(self) -> None:
        # an ADS1115, which has the same addresses, would keep any word: here two bits must not follow
        self.keep(TMP102.config, CONTINUOUS & ~RESOLUTION, becomes=CONTINUOUS, bits=~ALERT)
        self.bus.wait(0.035)

    def read(self) -> Reading:
        return self.reading(temperature=self.temperature)


class SimTMP102(WordChip):
    """Four registers; a conversion happens at the moment it is read. Resolution and alert bits are the chip's own, and
    in extended mode, which Linux uses, a 13th bit moves the others down."""

    defaults: ClassVar[Mapping[str, float]] = {"temperature": 21.0}
    words: ClassVar[Mapping[int, int]] = {0: 0, 1: CONTINUOUS, 2: 0x4B00, 3: 0x5000}
    writable: ClassVar[Mapping[int, int]] = {1: 0x9FDF, 2: 0xFFFF, 3: 0xFFFF}
    pointers = 0b11

    def load(self, register: int) -> int:
        if register == 0:
            extended = self.held[1] >> 4 & 1
            most = 4096 if extended else 2048
            return counts(self.signal("temperature"), 0.0625, -most, most - 1) << (4 - extended) | extended
        return super().load(register)


DRIVER, SIM = TMP102, SimTMP102
