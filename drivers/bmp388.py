"""Bosch BMP388 (and BMP390): temperature and pressure from one forced measurement, finer than a BMP280.

Registers, calibration layout, scaling and the compensation in floating point are those of Adafruit's `adafruit_bmp3xx`
1.3.27; a real module's constants, raw bytes and results are those in the tests of the Elixir library `bmp3xx`. The
datasheet was not seen; measuring times are waited for generously, and the chip's ready bits decide.
"""

import struct
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import ClassVar, Literal, Self

from drivers.base import FASTEST, Driver, Identity, Reading
from drivers.bmp280 import invert
from drivers.errors import BadData, NotStarted
from drivers.kit.quantity import Quantity
from drivers.registers import Register
from drivers.sim import World
from drivers.simulation.silicon import RegisterChip
from drivers.wires.wire import Bus

RESET = 0xB6
STATUS, DATA, POWER, SETTING, CALIBRATION, COMMAND = 0x03, 0x04, 0x1B, 0x1C, 0x31, 0x7E
READY = 0b11 << 5
BOTH, FORCED = 0b11, 0b01 << 4
FACTORS = (1, 2, 4, 8, 16, 32)


@dataclass(frozen=True, slots=True)
class Calibration:
    """The constants burnt into one chip (PAR_T1 .. PAR_P11) and what they make of raw counts."""

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
    p10: int
    p11: int

    @classmethod
    def unpack(cls, block: bytes) -> Self:
        """From the 21 bytes at 0x31."""
        return cls(*struct.unpack("<HHbhhbbHHbbhbb", block))

    def pack(self) -> bytes:
        """The block as the chip holds it."""
        return struct.pack("<HHbhhbbHHbbhbb", *astuple(self))

    def temperature(self, counts: int) -> float:
        """degC."""
        above = counts - self.t1 * 256
        return above * self.t2 / 2**30 + above * above * self.t3 / 2**48

    def pressure(self, counts: int, t: float) -> float:
        """hPa, at the temperature `t` in degC."""
        offset = self.p5 * 8 + self.p6 / 2**6 * t + self.p7 / 2**8 * t**2 + self.p8 / 2**15 * t**3
        slope = (self.p1 - 2**14) / 2**20 + (self.p2 - 2**14) / 2**29 * t + self.p3 / 2**32 * t**2
        slope += self.p4 / 2**37 * t**3
        bend = self.p9 / 2**48 + self.p10 / 2**48 * t
        return (offset + slope * counts + bend * counts**2 + self.p11 / 2**65 * counts**3) / 100


class BMP388(Driver):
    """Blocking: about 6 ms a reading at oversampling 1, 0.14 s at 32."""

    temperature = Quantity("degC", step=0.0055, low=-40, high=85, slew=FASTEST["degC"])
    pressure = Quantity("hPa", step=0.03, low=300, high=1250, slew=FASTEST["hPa"])
    address = 0x76
    addresses = (0x76, 0x77)
    identity = (Identity(0x00, (0x50, 0x60)),)  # BMP388, BMP390

    status = Register(STATUS, writable=False)
    power = Register(POWER)
    setting = Register(SETTING)
    command = Register(COMMAND)

    def __init__(self, bus: Bus, address: int | None = None, *, oversampling: Literal[1, 2, 4, 8, 16, 32] = 4) -> None:
        super().__init__(bus, address)
        code = FACTORS.index(oversampling)
        self._setting = code << 3 | code
        self._typical = 0.001 + 2 * 0.0021 * oversampling
        self._calibration: Calibration | None = None

    def start(self) -> None:
        self._calibration = None
        self.identify()
        self.command = RESET
        self.bus.wait(0.005)
        self.keep(BMP388.setting, self._setting)
        calibration = Calibration.unpack(self.transfer(bytes([CALIBRATION]), 21))
        if calibration.t1 in (0, 0xFFFF) or calibration.p5 in (0, 0xFFFF):
            raise BadData(f"the BMP388 at {self.address:#04x} gives an empty calibration: check its power supply")
        self._calibration = calibration

    def read(self) -> Reading:
        chip = self._calibration
        if chip is None:
            raise NotStarted(f"the BMP388 at {self.address:#04x} is not started")
        self.power = FORCED | BOTH
        self.bus.wait(self._typical)
        self._settle()
        data = self.transfer(bytes([DATA]), 6)
        if self.setting != self._setting:
            raise BadData(f"the BMP388 at {self.address:#04x} lost its settings: check its power supply")
        pressure, temperature = (int.from_bytes(data[at : at + 3], "little") for at in (0, 3))
        celsius = chip.temperature(temperature)
        return self.reading(temperature=celsius, pressure=chip.pressure(pressure, celsius))

    def _settle(self) -> None:
        for _ in range(10):
            if self.status & READY == READY:
                return
            self.bus.wait(0.002)
        raise BadData(f"the BMP388 at {self.address:#04x} takes too long to measure")


class SimBMP388(RegisterChip):
    """Measures once when forced and sets the ready bits, which reading the data clears; a real module's constants."""

    defaults: ClassVar[Mapping[str, float]] = {"temperature": 21.0, "pressure": 1013.25}
    writable: ClassVar[Mapping[int, int]] = {POWER: 0x33, SETTING: 0x3F, 0x1D: 0x1F, 0x1F: 0x0E}
    calibration = Calibration(27427, 18776, -10, -164, -2866, 35, 0, 25578, 31086, -13, -10, 17322, 18, -60)

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.power_up()

    def power_up(self) -> None:
        """Everything the chip forgets when its supply drops, or when it is reset."""
        self.registers[:] = bytes(256)
        self.registers[0x00], self.registers[STATUS], self.registers[SETTING] = 0x50, 0x10, 0x02
        self.registers[CALIBRATION : CALIBRATION + 21] = self.calibration.pack()
        self.registers[DATA : DATA + 6] = bytes.fromhex("000080000080")
        self._converting = None

    def store(self, register: int, value: int) -> None:
        super().store(register, value)
        if register == COMMAND and value == RESET:
            self.power_up()
        elif register == POWER and value >> 4 & 0b11 in (0b01, 0b10):
            setting = self.registers[SETTING]
            self.convert(0.0008 + 0.00202 * ((1 << (setting & 7)) + (1 << (setting >> 3 & 7))))

    def converted(self) -> None:
        chip = self.calibration
        temperature = invert(chip.temperature, self.signal("temperature"), 24, 5)
        celsius = chip.temperature(temperature)
        pressure = invert(lambda raw: chip.pressure(raw, celsius), self.signal("pressure"), 24, 5)
        self.registers[DATA : DATA + 6] = pressure.to_bytes(3, "little") + temperature.to_bytes(3, "little")
        self.registers[STATUS] |= READY
        self.registers[POWER] &= 0b11

    def load(self, register: int) -> int:
        if register == DATA:
            self.registers[STATUS] &= ~READY & 0xFF
        return super().load(register)


DRIVER, SIM = BMP388, SimBMP388
