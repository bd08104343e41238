"""TI TMP102 temperature sensor: 12 bits, 0.0625 degC per count, four addresses.

Register map, bit positions and the 35 ms first conversion are taken from Linux `drivers/hwmon/tmp102.c`; the
datasheet was not seen. The chip has no id: what `start()` checks is that the configuration sticks and that the two
resolution bits, which only this family fixes, are ones although zeros were written.
"""

from collections.abc import Mapping
from typing import ClassVar

from drivers.base import Driver, Reading
from drivers.errors import WrongChip
from drivers.registers import Bits, Register
from drivers.silicon import WordChip, counts

CONTINUOUS = 0x60A0
"""Four conversions a second, 12 bits, comparator alert: the configuration after power-on."""


class TMP102(Driver):
    """Blocking, one transaction a reading; the chip measures by itself four times a second."""

    channels: ClassVar[Mapping[str, str]] = {"temperature": "degC"}
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = {"temperature": (-55.0, 128.0)}
    resolution: ClassVar[Mapping[str, float]] = {"temperature": 0.0625}
    address = 0x48
    addresses = (0x48, 0x49, 0x4A, 0x4B)

    conversion = Register(0x00, size=2, signed=True, writable=False)
    config = Register(0x01, size=2)
    resolution_bits = Bits(config, low=13, width=2)
    alert = Bits(config, low=5)

    def start(self) -> None:
        # an ADS1115, which has the same addresses, would keep any word: here two bits must not follow
        self.config = type(self).resolution_bits.put(CONTINUOUS, 0)
        word = self.config
        bits, alert = type(self).resolution_bits, type(self).alert
        if bits.take(word) != 0b11 or alert.put(word, 1) != CONTINUOUS:
            raise WrongChip(
                f"{self.address:#04x} keeps {word:#06x} where a TMP102 keeps {CONTINUOUS:#06x}: another chip answers"
                " there; check `driver:` and `address:`"
            )
        self.bus.wait(0.035)

    def read(self) -> Reading:
        # the value stands in the upper 12 bits; the lower four are zero in this mode
        return self.reading(temperature=(self.conversion >> 4) * 0.0625)


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
