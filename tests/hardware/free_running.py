"""What our simulated chips leave out because our drivers never ask for it, and the kernel's drivers do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from drivers.bme280 import SimBME280
from drivers.bmp280 import CTRL_MEAS, SimBMP280
from drivers.bmp388 import POWER, SimBMP388
from drivers.kit.crc import pack_words
from drivers.sht31 import SimSHT31
from drivers.tmp117 import STEP, SimTMP117

ALERT_LIMITS = {0xE11F: 0xCD33, 0xE114: 0xC92D, 0xE109: 0x3869, 0xE102: 0x3466}


class RunningBMP280(SimBMP280):
    """In normal mode a measurement is always just over."""

    def read(self, count: int) -> bytes:
        if self.registers[CTRL_MEAS] & 0b11 == 0b11:
            self.measure()
        return super().read(count)


class RunningBME280(RunningBMP280, SimBME280):
    pass


class RunningBMP388(SimBMP388):
    def read(self, count: int) -> bytes:
        power = self.registers[POWER]
        if power >> 4 == 0b11:
            self.converted()
            self.registers[POWER] = power
        return super().read(count)


class RunningTMP117(SimTMP117):
    """Measures by itself after power-on."""

    def load(self, register: int) -> int:
        if register == 0 and self.held[1] >> 10 & 1 == 0:
            self.held[0] = round(self.signal("temperature") / STEP)
        return super().load(register)


class LimitedSHT31(SimSHT31):
    """Has the four alert limits, which the kernel's driver reads before anything else."""

    durations: ClassVar[Mapping[int, float]] = SimSHT31.durations

    def command(self, data: bytes) -> None:
        limit = ALERT_LIMITS.get(int.from_bytes(data, "big"))
        if limit is None:
            super().command(data)
        else:
            self.reply(lambda: pack_words(limit))


CHIPS = {
    "bme280": RunningBME280,
    "bmp280": RunningBMP280,
    "bmp388": RunningBMP388,
    "tmp117": RunningTMP117,
    "sht31": LimitedSHT31,
}
