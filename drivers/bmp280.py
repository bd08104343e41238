"""Bosch BMP280: temperature and pressure from one forced measurement; also what the BME280 has in common with it.

Registers, calibration layout and the double-precision compensation are those of Bosch's reference drivers
(BME280_SensorAPI 3.3.2; the two chips share them) and of Adafruit's `adafruit_bmp280` 3.3.12; measuring times and the
"skipped" value 0x80000 are those of Linux `drivers/iio/pressure/bmp280.h`. The datasheet was not seen.

A sample: one write of (register, value) pairs ends in mode "forced"; the bus waits for the longest measuring time; one
burst reads settings, status and data, so a chip that lost its settings (brown-out) is not believed - its "skipped"
values decode to plausible numbers. Another module has another calibration: after a bus error `start()` reads it again.
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass
from typing import ClassVar, Literal, Self

from drivers.base import FASTEST, Driver, Identity, Reading
from drivers.errors import BadData, NotStarted
from drivers.kit.quantity import Quantity
from drivers.registers import Bits, Register
from drivers.sim import World
from drivers.simulation.silicon import RegisterChip
from drivers.wires.wire import Bus

SKIPPED = 0x80000
CTRL_MEAS = 0xF4
DATA = 0xF7
FORCED = 0b01
RESET = 0xB6
OVERSAMPLING = {1: 1, 2: 2, 4: 3, 8: 4, 16: 5}
"""Factor -> code in the control registers; code 0 skips the channel."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """The constants burnt into one chip (dig_T1 .. dig_P9 of the datasheet) and what they make of raw counts."""

    t1: int
    t2: int
    t3: int
    p1: int
    p2: int
    p3: int
    p4: int
    p5: int
    p6: int
    p7: int
    p8: int
    p9: int

    @classmethod
    def blocks(cls) -> tuple[tuple[int, int], ...]:
        """(register, bytes) of every block that `unpack` takes and `pack` gives."""
        return ((0x88, 24),)

    @classmethod
    def unpack(cls, *blocks: bytes) -> Self:
        """From what the chip holds."""
        return cls(*struct.unpack("<HhhHhhhhhhhh", blocks[0]))

    def pack(self) -> tuple[bytes, ...]:
        """The blocks as the chip holds them."""
        return (struct.pack("<HhhHhhhhhhhh", *astuple(self)[:12]),)

    def fine(self, counts: int) -> float:
        """The fine temperature (1/5120 degC) that the other channels are compensated with."""
        first = (counts / 16384 - self.t1 / 1024) * self.t2
        second = (counts / 131072 - self.t1 / 8192) ** 2 * self.t3
        return first + second

    def temperature(self, counts: int) -> float:
        """degC."""
        return self.fine(counts) / 5120

    def pressure(self, counts: int, fine: float) -> float:
        """hPa."""
        # `fine` is not cut to a whole number here: Bosch's published vector comes out to the last digit only so
        t = fine / 2 - 64000
        offset = (t * t * self.p6 / 32768 + t * self.p5 * 2) / 4 + self.p4 * 65536
        scale = (1 + (self.p3 * t * t / 524288 + self.p2 * t) / 524288 / 32768) * self.p1
        if scale == 0:
            raise BadData("the chip's pressure calibration is zero: the calibration was not read correctly")
        p = (1048576 - counts - offset / 4096) * 6250 / scale
        return (p + (self.p9 * p * p / 2147483648 + p * self.p8 / 32768 + self.p7) / 16) / 100


class BMP280(Driver):
    """Blocking: about 7 ms a reading at oversampling 1, 76 ms at 16."""

    temperature = Quantity("degC", step=0.0055, low=-40, high=85, slew=FASTEST["degC"])
    pressure = Quantity("hPa", step=0.03, low=300, high=1100, slew=FASTEST["hPa"])
    address = 0x76
    addresses = (0x76, 0x77)
    identity = (Identity(0xD0, (0x58,), others={0x55: "BMP180", 0x60: "BME280 (driver: bme280)"}),)
    calibration: ClassVar[type[Calibration]] = Calibration

    reset = Register(0xE0)
    status = Register(0xF3, writable=False)
    config = Register(0xF5)
    measuring = Bits(status, low=3)
    copying = Bits(status, low=0)

    def __init__(self, bus: Bus, address: int | None = None, *, oversampling: Literal[1, 2, 4, 8, 16] = 1) -> None:
        super().__init__(bus, address)
        code = OVERSAMPLING[oversampling]
        self._settings = {CTRL_MEAS: code << 5 | code << 2}
        self._longest = (1.25 + 2 * 2.3 * oversampling + 0.575) / 1000
        self._calibration: Calibration | None = None

    @property
    def name(self) -> str:
        """The part and where it is, for messages."""
        return f"the {type(self).__name__} at {self.address:#04x}"

    def start(self) -> None:
        self._calibration = None
        self.identify()
        self.reset = RESET
        self._settle(type(self).copying, 0.002, "to load its calibration")
        self.keep(BMP280.config, 0)  # no filter: every sample stands for itself
        blocks = (self.transfer(bytes([register]), size) for register, size in self.calibration.blocks())
        calibration = self.calibration.unpack(*blocks)
        if calibration.t1 in (0, 0xFFFF) or calibration.p1 in (0, 0xFFFF):
            raise BadData(f"{self.name} gives an empty calibration: check its power supply")
        self._calibration = calibration

    def read(self) -> Reading:
        if self._calibration is None:
            raise NotStarted(f"{self.name} is not started")
        pairs = {**self._settings, CTRL_MEAS: self._settings[CTRL_MEAS] | FORCED}
        self.transfer(bytes(byte for pair in pairs.items() for byte in pair))
        self.bus.wait(self._longest)
        self._settle(type(self).measuring, 0.0, "to measure")
        first = min(self._settings)
        burst = self.transfer(bytes([first]), 0xFF - first)
        if any(burst[register - first] != value for register, value in self._settings.items()):
            raise BadData(f"{self.name} lost its settings while it measured: check its power supply")
        return self._decode(burst[DATA - first :], self._calibration)

    def _decode(self, data: bytes, chip: Calibration) -> Reading:
        pressure, temperature = (int.from_bytes(data[at : at + 3], "big") >> 4 for at in (0, 3))
        if pressure == temperature == SKIPPED:
            raise BadData(f"{self.name} skipped the measurement")
        return self.reading(
            temperature=chip.temperature(temperature), pressure=chip.pressure(pressure, chip.fine(temperature))
        )

    def _settle(self, busy: Bits, seconds: float, purpose: str) -> None:
        self.bus.wait(seconds)
        for _ in range(10):
            if not busy.take(self.status):
                return
            self.bus.wait(0.002)
        raise BadData(f"{self.name} takes too long {purpose}")


class SimBMP280(RegisterChip):
    """Sleeps, measures once when forced, and keeps what it measured; the counts come from the exact inverse.

    `calibration` is that of a real module: the register dump in the tests of the Elixir library `bmp280`.
    """

    defaults: ClassVar[Mapping[str, float]] = {"temperature": 21.0, "pressure": 1013.25}
    writable: ClassVar[Mapping[int, int]] = {0xF4: 0xFF, 0xF5: 0xFF}
    id: ClassVar[int] = 0x58
    calibration = Calibration(28189, 26285, 50, 36635, -10696, 3024, 11092, -241, -7, 12300, -12000, 5000)

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.power_up()

    def power_up(self) -> None:
        """Everything the chip forgets when its supply drops, or when it is reset."""
        self.registers[:] = bytes(256)
        self.registers[0xD0] = self.id
        for (register, size), block in zip(self.calibration.blocks(), self.calibration.pack(), strict=True):
            self.registers[register : register + size] = block
        self.show(DATA, SKIPPED, SKIPPED)
        self._converting = None

    def write(self, data: bytes) -> None:
        """Pairs of (register, value); a single byte sets the pointer for a read."""
        self.pointer = data[0]
        for register, value in zip(data[0::2], data[1::2], strict=False):
            self.store(register, value)

    def store(self, register: int, value: int) -> None:
        super().store(register, value)
        if register == 0xE0 and value == RESET:
            self.power_up()
        elif register == CTRL_MEAS and value & 0b11 in (0b01, 0b10):
            self.registers[0xF3] |= 0b1000
            self.convert(self.duration())

    def converted(self) -> None:
        self.registers[0xF3] &= ~0b1000 & 0xFF
        self.registers[CTRL_MEAS] &= 0b11111100
        self.measure()

    def codes(self) -> tuple[int, int]:
        """Oversampling codes of temperature and pressure."""
        return self.registers[CTRL_MEAS] >> 5, self.registers[CTRL_MEAS] >> 2 & 0b111

    def duration(self) -> float:
        """A little less than the longest measuring time, which the driver waits for; seconds."""
        t, p = (1 << min(code, 5) >> 1 for code in self.codes())
        return (1 + 2 * t + (2 * p + 0.5 if p else 0)) / 1000

    def measure(self) -> float:
        """Show temperature and pressure; returns the fine temperature that compensates the others."""
        chip, (t_code, p_code) = self.calibration, self.codes()
        temperature = invert(chip.temperature, self.signal("temperature"), 20, t_code)
        fine = chip.fine(temperature)
        pressure = invert(lambda raw: chip.pressure(raw, fine), self.signal("pressure"), 20, p_code)
        self.show(DATA, pressure if p_code else SKIPPED, temperature if t_code else SKIPPED)
        return fine

    def show(self, register: int, *values: int) -> None:
        """20-bit values from `register` on, each left-justified in three bytes."""
        for position, value in enumerate(values):
            at = register + 3 * position
            self.registers[at : at + 3] = (value << 4).to_bytes(3, "big")


def invert(compensate: Callable[[int], float], wanted: float, bits: int, code: int) -> int:
    """The raw value that compensates to what is nearest to `wanted`; without oversampling the last 4 bits are zero."""
    rising = compensate(1) > compensate(0)
    low, high = 0, (1 << bits) - 1
    while low < high:
        middle = (low + high) // 2
        if (compensate(middle) < wanted) == rising:
            low = middle + 1
        else:
            high = middle
    lost = max(5 - max(code, 1), 0)
    step = 1 << lost
    return min((low + step // 2) // step * step, (1 << bits) - step)


DRIVER, SIM = BMP280, SimBMP280
