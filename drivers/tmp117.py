"""TI TMP117 temperature sensor: 16 bits, 0.0078125 degC per count, each sample a conversion of its own.

Register map, id 0x117, configuration bits and conversion times are those of Adafruit's `adafruit_tmp117` 2.0.0, and id
and step also of Linux `drivers/iio/temperature/tmp117.c`; the range is the one its makers name for it. The datasheet
was not seen. One-shot mode: the chip rests between samples and does not warm itself, and a chip that lost its settings
loses nothing, because every sample begins by writing them.
"""

from collections.abc import Mapping
from typing import ClassVar, Literal

from drivers.base import FASTEST, Bus, Driver, Identity, Reading
from drivers.errors import BadData
from drivers.quantity import Scaled
from drivers.registers import Bits, Register
from drivers.silicon import WordChip, counts

STEP = 0.0078125
AVERAGING = {1: 0, 8: 1, 32: 2, 64: 3}
ONE_SHOT, RESET, READY = 3 << 10, 1 << 1, 1 << 13


class TMP117(Driver):
    """Blocking: 142 ms a reading at the mean of 8 conversions, 1.1 s at 64."""

    address = 0x48
    addresses = (0x48, 0x49, 0x4A, 0x4B)
    identity = (Identity(0x0F, (0x117,), size=2, mask=0x0FFF),)

    temperature = Scaled(
        Register(0x00, size=2, signed=True, writable=False), "degC", step=STEP, low=-55, high=150, slew=FASTEST["degC"]
    )
    config = Register(0x01, size=2)
    ready = Bits(config, low=13)

    def __init__(self, bus: Bus, address: int | None = None, *, averaging: Literal[1, 8, 32, 64] = 8) -> None:
        super().__init__(bus, address)
        self._settings = ONE_SHOT | AVERAGING[averaging] << 5
        self._longest = 0.0175 * averaging + 0.002

    def start(self) -> None:
        self.identify()
        self.config = RESET
        self.bus.wait(0.002)

    def read(self) -> Reading:
        self.config = self._settings
        self.bus.wait(self._longest)
        if not self.ready:
            raise BadData(f"the TMP117 at {self.address:#04x} has no new measurement: check its power supply")
        return self.reading(temperature=self.temperature)


class SimTMP117(WordChip):
    """Measures once when asked, or again and again as after power-on, and says so with the ready bit, which reading it
    clears; -256 degC before the first time."""

    defaults: ClassVar[Mapping[str, float]] = {"temperature": 21.0}
    words: ClassVar[Mapping[int, int]] = {0: 0x8000, 1: 0x0220, 2: 0x6000, 3: 0x8000, 4: 0, 7: 0, 15: 0x0117}
    writable: ClassVar[Mapping[int, int]] = {1: 0x0FFC, 2: 0xFFFF, 3: 0xFFFF, 7: 0xFFFF}

    def store(self, register: int, value: int) -> None:
        if register == 1 and value & RESET:
            self.power_up()
            return
        super().store(register, value)
        if register == 1:
            self._begin()

    def power_up(self) -> None:
        super().power_up()
        self._begin()

    def converted(self) -> None:
        self.held[0] = counts(self.signal("temperature"), STEP, -0x8000, 0x7FFF)
        self.held[1] |= READY
        if self.held[1] >> 10 & 3 == 3:
            self.held[1] = self.held[1] & ~(3 << 10) | 1 << 10  # one-shot ends in shutdown
        self._begin()

    def _begin(self) -> None:
        self._converting = None
        mode, pause, average = (self.held[1] >> bit & mask for bit, mask in ((10, 3), (7, 7), (5, 3)))
        if mode != 1:
            measuring = 0.0155 * (1, 8, 32, 64)[average]
            cycle = (0.0, 0.125, 0.25, 0.5, 1.0, 4.0, 8.0, 16.0)[pause]
            self.convert(measuring if mode == 3 else max(measuring, cycle))

    def load(self, register: int) -> int:
        value = super().load(register)
        if register in (0, 1):
            self.held[1] &= ~READY
        return value


DRIVER, SIM = TMP117, SimTMP117
