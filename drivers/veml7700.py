"""Vishay VEML7700 ambient light sensor: 16 bits, little-endian words, 0 to 120,000 lx in one setting.

Registers, gain and time codes, the step (0.0042 lx at gain 2 and 800 ms) and the polynomial that straightens what the
sensor shows in bright light are those of Adafruit's `adafruit_veml7700` 2.2.2, where the polynomial belongs to
`autolux`; register map and codes also those of Linux `drivers/iio/light/veml6030.c` (which does not straighten). The
datasheet was not seen. The chip has no id here: `start()` expects the configuration back.

Gain 1/8 and 100 ms: 0.54 lx a count in a room, about 10 lx a count in full sunlight.
"""

from collections.abc import Mapping
from typing import ClassVar

from drivers.base import Driver, Reading
from drivers.errors import BadData
from drivers.kit.quantity import Quantity
from drivers.registers import Register
from drivers.simulation.silicon import WordChip, counts

GAIN_EIGHTH = 0b10 << 11
STEP = 0.0042 * (800 / 100) * (2 / 0.125)
"""lx a count at gain 1/8 and 100 ms."""


def straightened(lux: float) -> float:
    """What the light is when the counts say `lux`; the two differ by 1 % at 100 lx and by half at 10,000."""
    return (((6.0135e-13 * lux - 9.3924e-9) * lux + 8.1488e-5) * lux + 1.0023) * lux


class VEML7700(Driver):
    """Blocking, two transactions a reading; the chip measures by itself ten times a second."""

    illuminance = Quantity("lx", step=11, low=0, high=120_000)
    address = 0x10
    addresses = (0x10,)

    config = Register(0x00, size=2, endian="little")
    light = Register(0x04, size=2, endian="little", writable=False)

    def start(self) -> None:
        self.keep(VEML7700.config, GAIN_EIGHTH)
        # wake-up and two integration times, so that the first reading is a whole one
        self.bus.wait(0.204)

    def read(self) -> Reading:
        light = self.light
        if self.config != GAIN_EIGHTH:
            raise BadData(f"the VEML7700 at {self.address:#04x} lost its settings: check its power supply")
        return self.reading(illuminance=straightened(light * STEP))


class SimVEML7700(WordChip):
    """Sees less than there is in bright light; asleep after power-on, and 0 until the first integration is over."""

    defaults: ClassVar[Mapping[str, float]] = {"illuminance": 300.0}
    words: ClassVar[Mapping[int, int]] = {0: 1, 1: 0, 2: 0, 3: 0, 4: 0, 5: 0, 6: 0}
    writable: ClassVar[Mapping[int, int]] = {0: 0x1BF3, 1: 0xFFFF, 2: 0xFFFF, 3: 0x0007}
    order = "little"
    times: ClassVar[Mapping[int, float]] = {12: 0.025, 8: 0.05, 0: 0.1, 1: 0.2, 2: 0.4, 3: 0.8}
    gains: ClassVar[Mapping[int, float]] = {0: 1.0, 1: 2.0, 2: 0.125, 3: 0.25}

    def store(self, register: int, value: int) -> None:
        super().store(register, value)
        if register == 0:
            self.held[4] = 0
            self._converting = None if value & 1 else 0.0025 + self.times[value >> 6 & 0xF]

    def converted(self) -> None:
        self.held[4] = counts(self._seen(self.signal("illuminance")), self._step(), 0, 0xFFFF)

    def load(self, register: int) -> int:
        if register == 4 and self._converting is None and not self.held[0] & 1:
            self.converted()
        return super().load(register)

    def _step(self) -> float:
        """lx a count: halves with every doubling of gain or time."""
        return 0.0042 * 2 / self.gains[self.held[0] >> 11 & 3] * 0.8 / self.times[self.held[0] >> 6 & 0xF]

    def _seen(self, lux: float) -> float:
        """The light that a straight sensor would need to show as many counts."""
        low, high = 0.0, 36_000.0
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if straightened(middle) < lux else (low, middle)
        return low


DRIVER, SIM = VEML7700, SimVEML7700
