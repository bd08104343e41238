"""Bosch BME280: temperature, pressure and relative humidity from one forced measurement: a BMP280 and a third sensor.

What the two chips share is in `drivers.bmp280`. The humidity registers, their calibration and the double-precision
compensation are those of Bosch's reference driver (BME280_SensorAPI 3.3.2); measuring times and the "skipped" value
0x8000 are those of Linux `drivers/iio/pressure/bmp280.h`. The datasheet was not seen.

What a naive driver gets wrong: ctrl_hum counts only once ctrl_meas is written after it; and dig_H4 and dig_H5 are
signed 12-bit numbers that share a byte.
"""

import struct
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import ClassVar, Literal, Self

from drivers import bmp280
from drivers.base import FASTEST, Identity, Reading
from drivers.bmp280 import BMP280, CTRL_MEAS, OVERSAMPLING, SKIPPED, SimBMP280, invert
from drivers.errors import BadData
from drivers.kit.quantity import Quantity
from drivers.wires.wire import Bus

CTRL_HUM = 0xF2
SKIPPED_HUMIDITY = 0x8000


@dataclass(frozen=True, slots=True)
class Calibration(bmp280.Calibration):
    """The constants of a BMP280, and dig_H1 .. dig_H6."""

    h1: int
    h2: int
    h3: int
    h4: int
    h5: int
    h6: int

    @classmethod
    def blocks(cls) -> tuple[tuple[int, int], ...]:
        return ((0x88, 26), (0xE1, 7))

    @classmethod
    def unpack(cls, *blocks: bytes) -> Self:
        low, high = blocks
        words = struct.unpack("<HhhHhhhhhhhhxB", low)
        h2, h3, h4_high, shared, h5_high, h6 = struct.unpack("<hBbBbb", high)
        fields: list[int] = [*words, h2, h3, h4_high << 4 | shared & 0x0F, h5_high << 4 | shared >> 4, h6]
        return cls(*fields)

    def pack(self) -> tuple[bytes, ...]:
        low = struct.pack("<HhhHhhhhhhhhxB", *astuple(self)[:13])
        shared = (self.h4 & 0x0F) | (self.h5 & 0x0F) << 4
        return low, struct.pack("<hBbBbb", self.h2, self.h3, self.h4 >> 4, shared, self.h5 >> 4, self.h6)

    def humidity(self, counts: int, fine: float) -> float:
        """% relative, not limited to 0 .. 100."""
        t = fine - 76800
        slope = 1 + self.h3 / 67108864 * t
        h = (counts - (self.h4 * 64 + self.h5 / 16384 * t)) * (self.h2 / 65536)
        h *= slope * (1 + self.h6 / 67108864 * t * slope)
        return h * (1 - self.h1 * h / 524288)


class BME280(BMP280):
    """Blocking: about 10 ms a reading at oversampling 1, 115 ms at 16."""

    # humidity stands between the two in every list
    channels: ClassVar[Mapping[str, str]] = {"temperature": "degC", "humidity": "%", "pressure": "hPa"}
    humidity = Quantity("%", step=0.008, low=0, high=100, slew=FASTEST["%"])
    identity = (Identity(0xD0, (0x60,), others={0x55: "BMP180", 0x58: "BMP280 (the same without humidity)"}),)
    calibration = Calibration

    def __init__(self, bus: Bus, address: int | None = None, *, oversampling: Literal[1, 2, 4, 8, 16] = 1) -> None:
        super().__init__(bus, address, oversampling=oversampling)
        self._settings = {CTRL_HUM: OVERSAMPLING[oversampling], **self._settings}
        self._longest += (2.3 * oversampling + 0.575) / 1000

    def _decode(self, data: bytes, chip: bmp280.Calibration) -> Reading:
        assert isinstance(chip, Calibration)
        pressure, temperature = (int.from_bytes(data[at : at + 3], "big") >> 4 for at in (0, 3))
        humidity = int.from_bytes(data[6:8], "big")
        if (pressure, temperature, humidity) == (SKIPPED, SKIPPED, SKIPPED_HUMIDITY):
            raise BadData(f"{self.name} skipped the measurement")
        fine = chip.fine(temperature)
        return self.reading(
            temperature=chip.temperature(temperature),
            # the sensor saturates: condensation and dry air compute to a little outside
            humidity=min(max(chip.humidity(humidity, fine), 0.0), 100.0),
            pressure=chip.pressure(pressure, fine),
        )


class SimBME280(SimBMP280):
    """A simulated BMP280 with a humidity sensor, whose setting counts from the next write of ctrl_meas on.

    `calibration` is that of a real module: the register dump in the tests of the Elixir library `bmp280`.
    """

    defaults: ClassVar[Mapping[str, float]] = {**SimBMP280.defaults, "humidity": 45.0}
    writable: ClassVar[Mapping[int, int]] = {**SimBMP280.writable, CTRL_HUM: 0xFF}
    id = 0x60
    calibration = Calibration(*(*astuple(SimBMP280.calibration), 75, 338, 0, 380, 50, 30))

    def power_up(self) -> None:
        super().power_up()
        self.registers[0xFD:0xFF] = SKIPPED_HUMIDITY.to_bytes(2, "big")
        self._latched = 0

    def store(self, register: int, value: int) -> None:
        if register == CTRL_MEAS:
            self._latched = self.registers[CTRL_HUM] & 0b111
        super().store(register, value)

    def duration(self) -> float:
        h = 1 << min(self._latched, 5) >> 1
        return super().duration() + (2 * h + 0.5 if h else 0) / 1000

    def measure(self) -> float:
        fine = super().measure()
        counts = invert(lambda raw: self.calibration.humidity(raw, fine), self.signal("humidity"), 16, 5)
        self.registers[0xFD:0xFF] = (counts if self._latched else SKIPPED_HUMIDITY).to_bytes(2, "big")
        return fine


DRIVER, SIM = BME280, SimBME280
