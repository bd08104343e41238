"""Bosch BME280: temperature, pressure and relative humidity from one forced measurement.

Registers, calibration layout and the double-precision compensation are those of Bosch's reference driver
(BME280_SensorAPI 3.3.2); measuring times and the "skipped" values 0x80000 and 0x8000 are those of Linux
`drivers/iio/pressure/bmp280.h`. The datasheet was not seen.

A sample
1. one write sets ctrl_hum, then ctrl_meas with mode "forced": a write of several bytes is a list of (register, value)
   pairs, and ctrl_hum counts only once ctrl_meas is written;
2. the bus waits for the longest measuring time;
3. one burst reads ctrl_hum .. hum_lsb, so settings, status and all three channels belong together.

What a naive driver gets wrong: a chip that lost its settings (brown-out) answers "skipped" values, which decode to
plausible numbers - so the settings are read back with the data; dig_H4 and dig_H5 are signed 12-bit numbers that share
a byte; and another module has another calibration, so after a bus error `start()` has to read it again.
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass
from typing import ClassVar, Literal, Self

from drivers.base import Bus, Driver, Reading
from drivers.errors import BadData, NotStarted, WrongChip
from drivers.registers import Bits, Register
from drivers.sim import RegisterChip, World

CHIP_ID = 0x60
RELATIVES = {0x55: "BMP180", 0x58: "BMP280 (the same without humidity)"}
SKIPPED, SKIPPED_HUMIDITY = 0x80000, 0x8000
FORCED = 0b01
RESET = 0xB6
OVERSAMPLING = {1: 1, 2: 2, 4: 3, 8: 4, 16: 5}
"""Factor -> code in ctrl_hum and ctrl_meas; code 0 skips the channel."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """The constants burnt into one chip (dig_T1 .. dig_H6 of the datasheet) and what they make of raw counts."""

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
    h1: int
    h2: int
    h3: int
    h4: int
    h5: int
    h6: int

    @classmethod
    def unpack(cls, low: bytes, high: bytes) -> Self:
        """From the 26 bytes at 0x88 and the 7 bytes at 0xE1."""
        words = struct.unpack("<HhhHhhhhhhhhxB", low)
        h2, h3, h4_high, shared, h5_high, h6 = struct.unpack("<hBbBbb", high)
        fields: list[int] = [*words, h2, h3, h4_high << 4 | shared & 0x0F, h5_high << 4 | shared >> 4, h6]
        return cls(*fields)

    def pack(self) -> tuple[bytes, bytes]:
        """The two blocks as the chip holds them."""
        low = struct.pack("<HhhHhhhhhhhhxB", *astuple(self)[:13])
        shared = (self.h4 & 0x0F) | (self.h5 & 0x0F) << 4
        return low, struct.pack("<hBbBbb", self.h2, self.h3, self.h4 >> 4, shared, self.h5 >> 4, self.h6)

    def fine(self, counts: int) -> float:
        """The fine temperature (1/5120 degC) that the other two channels are compensated with."""
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
            raise BadData("the BME280's pressure calibration is zero: the calibration was not read correctly")
        p = (1048576 - counts - offset / 4096) * 6250 / scale
        return (p + (self.p9 * p * p / 2147483648 + p * self.p8 / 32768 + self.p7) / 16) / 100

    def humidity(self, counts: int, fine: float) -> float:
        """% relative, not limited to 0 .. 100."""
        t = fine - 76800
        slope = 1 + self.h3 / 67108864 * t
        h = (counts - (self.h4 * 64 + self.h5 / 16384 * t)) * (self.h2 / 65536)
        h *= slope * (1 + self.h6 / 67108864 * t * slope)
        return h * (1 - self.h1 * h / 524288)


class BME280(Driver):
    """Blocking: about 10 ms a reading at oversampling 1, 115 ms at 16."""

    channels: ClassVar[Mapping[str, str]] = {"temperature": "degC", "humidity": "%", "pressure": "hPa"}
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = {
        "temperature": (-40.0, 85.0),
        "humidity": (0.0, 100.0),
        "pressure": (300.0, 1100.0),
    }
    resolution: ClassVar[Mapping[str, float]] = {"temperature": 0.0055, "humidity": 0.008, "pressure": 0.03}
    address = 0x76
    addresses = (0x76, 0x77)

    chip_id = Register(0xD0, writable=False)
    reset = Register(0xE0)
    ctrl_hum = Register(0xF2)
    status = Register(0xF3, writable=False)
    ctrl_meas = Register(0xF4)
    config = Register(0xF5)
    measuring = Bits(status, low=3)
    copying = Bits(status, low=0)

    def __init__(self, bus: Bus, address: int | None = None, *, oversampling: Literal[1, 2, 4, 8, 16] = 1) -> None:
        super().__init__(bus, address)
        code = OVERSAMPLING[oversampling]
        self._hum, self._meas = code, code << 5 | code << 2
        self._longest = (1.25 + 3 * 2.3 * oversampling + 2 * 0.575) / 1000
        self._calibration: Calibration | None = None

    def start(self) -> None:
        self._calibration = None
        found = self.chip_id
        if found != CHIP_ID:
            name = RELATIVES.get(found, "an unknown chip")
            raise WrongChip(f"{self.address:#04x} has chip id {found:#04x}, {name}, where a BME280 has {CHIP_ID:#04x}")
        self.reset = RESET
        self._settle(type(self).copying, 0.002, "to load its calibration")
        self.config = 0  # no filter: every sample stands for itself
        if self.config:
            raise WrongChip(f"{self.address:#04x} has a BME280's id but does not keep its configuration")
        calibration = Calibration.unpack(self.transfer(b"\x88", 26), self.transfer(b"\xe1", 7))
        if calibration.t1 in (0, 0xFFFF) or calibration.p1 in (0, 0xFFFF):
            raise BadData(f"the BME280 at {self.address:#04x} gives an empty calibration: check its power supply")
        self._calibration = calibration

    def read(self) -> Reading:
        if self._calibration is None:
            raise NotStarted(f"the BME280 at {self.address:#04x} is not started")
        self.transfer(bytes([0xF2, self._hum, 0xF4, self._meas | FORCED]))
        self.bus.wait(self._longest)
        self._settle(type(self).measuring, 0.0, "to measure")
        burst = self.transfer(b"\xf2", 13)
        if (burst[0], burst[2]) != (self._hum, self._meas):
            raise BadData(
                f"the BME280 at {self.address:#04x} lost its settings while it measured: check its power supply"
            )
        return self._decode(burst[5:], self._calibration)

    def _decode(self, data: bytes, chip: Calibration) -> Reading:
        pressure = int.from_bytes(data[0:3], "big") >> 4
        temperature = int.from_bytes(data[3:6], "big") >> 4
        humidity = int.from_bytes(data[6:8], "big")
        if (pressure, temperature, humidity) == (SKIPPED, SKIPPED, SKIPPED_HUMIDITY):
            raise BadData(f"the BME280 at {self.address:#04x} skipped the measurement")
        fine = chip.fine(temperature)
        return self.reading(
            temperature=chip.temperature(temperature),
            # the sensor saturates: condensation and dry air compute to a little outside
            humidity=min(max(chip.humidity(humidity, fine), 0.0), 100.0),
            pressure=chip.pressure(pressure, fine),
        )

    def _settle(self, busy: Bits, seconds: float, purpose: str) -> None:
        self.bus.wait(seconds)
        for _ in range(10):
            if not busy.take(self.status):
                return
            self.bus.wait(0.002)
        raise BadData(f"the BME280 at {self.address:#04x} takes too long {purpose}")


class SimBME280(RegisterChip):
    """Sleeps, measures once when forced, and keeps what it measured; the counts come from the exact inverse.

    `calibration` is that of a real module: the register dump in the tests of the Elixir library `bmp280`.
    """

    defaults: ClassVar[Mapping[str, float]] = {"temperature": 21.0, "humidity": 45.0, "pressure": 1013.25}
    calibration = Calibration(
        *(28189, 26285, 50),
        *(36635, -10696, 3024, 11092, -241, -7, 12300, -12000, 5000),
        *(75, 338, 0, 380, 50, 30),
    )

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.power_up()

    def power_up(self) -> None:
        """Everything the chip forgets when its supply drops, or when it is reset."""
        self.registers[:] = bytes(256)
        self.registers[0xD0] = CHIP_ID
        low, high = self.calibration.pack()
        self.registers[0x88 : 0x88 + len(low)] = low
        self.registers[0xE1 : 0xE1 + len(high)] = high
        self._show(SKIPPED, SKIPPED, SKIPPED_HUMIDITY)
        self._hum = 0
        self._left: float | None = None

    def write(self, data: bytes) -> None:
        """Pairs of (register, value); a single byte sets the pointer for a read."""
        self.pointer = data[0]
        for register, value in zip(data[0::2], data[1::2], strict=False):
            self.store(register, value)

    def store(self, register: int, value: int) -> None:
        if register == 0xE0 and value == RESET:
            self.power_up()
        elif register in (0xF2, 0xF4, 0xF5):
            super().store(register, value)
        if register == 0xF4:
            self._hum = self.registers[0xF2] & 0b111
            if value & 0b11 in (0b01, 0b10):
                self.registers[0xF3] |= 0b1000
                self._left = self._time()

    def elapse(self, seconds: float) -> None:
        if self._left is None:
            return
        self._left -= seconds
        if self._left <= 0:
            self._left = None
            self.registers[0xF3] &= ~0b1000 & 0xFF
            self.registers[0xF4] &= 0b11111100
            self._measure()

    def _codes(self) -> tuple[int, int, int]:
        meas = self.registers[0xF4]
        return meas >> 5, meas >> 2 & 0b111, self._hum

    def _time(self) -> float:
        """A little less than the longest measuring time, which the driver waits for."""
        t, p, h = (1 << min(code, 5) >> 1 for code in self._codes())
        return (1 + 2 * t + (2 * p + 0.5 if p else 0) + (2 * h + 0.5 if h else 0)) / 1000

    def _measure(self) -> None:
        chip, (t_code, p_code, h_code) = self.calibration, self._codes()
        seen = {channel: self.signal(channel) for channel in self.defaults}
        counts = _counts(chip.temperature, seen["temperature"], 20, t_code)
        fine = chip.fine(counts)
        self._show(
            _counts(lambda raw: chip.pressure(raw, fine), seen["pressure"], 20, p_code) if p_code else SKIPPED,
            counts if t_code else SKIPPED,
            _counts(lambda raw: chip.humidity(raw, fine), seen["humidity"], 16, 5) if h_code else SKIPPED_HUMIDITY,
        )

    def _show(self, pressure: int, temperature: int, humidity: int) -> None:
        data = (pressure << 4).to_bytes(3, "big") + (temperature << 4).to_bytes(3, "big") + humidity.to_bytes(2, "big")
        self.registers[0xF7:0xFF] = data


def _counts(compensate: Callable[[int], float], wanted: float, bits: int, code: int) -> int:
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


DRIVER, SIM = BME280, SimBME280
