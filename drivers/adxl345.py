"""Analog Devices ADXL345 accelerometer: three axes, 13 bits, to 16 g.

Registers, id 0xE5 and the settings for full resolution and range are those of Adafruit's `adafruit_adxl34x` 1.12.20;
that a count is 1/256 g in every range follows Linux `drivers/iio/accel/adxl345.h`, whose 0.0383 m/s2 for +-16 g over 13
bits is within 0.2 % of it (Adafruit rounds it up to 4 mg, 2.4 % more). The datasheet was not seen.

One burst reads settings and data, from the power register to the last axis: after a brown-out the chip is in standby
and shows zeros, as if it were falling.
"""

import struct
from collections.abc import Mapping
from typing import ClassVar, Literal

from drivers.base import Driver, Identity, Reading
from drivers.errors import BadData, OutOfRange
from drivers.registers import Register
from drivers.sim import World
from drivers.simulation.silicon import RegisterChip, counts
from drivers.wires.wire import Bus

MEASURE, FULL_RESOLUTION = 0x08, 0x08
POWER, FORMAT, DATA = 0x2D, 0x31, 0x32
STEP = 1 / 256
SPANS = (2, 4, 8, 16)
WIDER = ": choose a wider span"


class ADXL345(Driver):
    """Blocking, one transaction a reading; the chip measures 100 times a second by itself. `span` is +- so many g.

    An axis at the end of its span is an error and no reading: it says "at least".
    """

    channels: ClassVar[Mapping[str, str]] = dict.fromkeys(("acceleration_x", "acceleration_y", "acceleration_z"), "g")
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = dict.fromkeys(channels, (STEP - 16, 16 - STEP))
    resolution: ClassVar[Mapping[str, float]] = dict.fromkeys(channels, STEP)
    address = 0x53
    addresses = (0x53, 0x1D)
    identity = (Identity(0x00, (0xE5,)),)
    span: int = 16

    power = Register(POWER)
    format = Register(FORMAT)

    def __init__(self, bus: Bus, address: int | None = None, *, span: Literal[2, 4, 8, 16] = 16) -> None:
        super().__init__(bus, address)
        self.span = span
        self._format = FULL_RESOLUTION | SPANS.index(span)

    def limits(self) -> Mapping[str, tuple[float, float]]:
        return dict.fromkeys(self.channels, (STEP - self.span, self.span - STEP))

    def start(self) -> None:
        self.identify()
        self.keep(ADXL345.format, self._format)
        self.power = MEASURE
        self.bus.wait(0.02)

    def read(self) -> Reading:
        burst = self.transfer(bytes([POWER]), 11)
        if (burst[0], burst[FORMAT - POWER]) != (MEASURE, self._format):
            raise BadData(f"the ADXL345 at {self.address:#04x} lost its settings: check its power supply")
        axes = struct.unpack_from("<3h", burst, DATA - POWER)
        most = self.span / STEP
        if any(not -most < count < most - 1 for count in axes):
            raise OutOfRange(f"more than {self.span} g at {self.address:#04x}" + ("" if self.span == 16 else WIDER))
        return self.reading(**{axis: count * STEP for axis, count in zip(self.channels, axes, strict=True)})


class SimADXL345(RegisterChip):
    """Lies still unless the world moves it; in standby it shows zeros."""

    defaults: ClassVar[Mapping[str, float]] = {"acceleration_x": 0.0, "acceleration_y": 0.0, "acceleration_z": 1.0}
    writable: ClassVar[Mapping[int, int]] = dict.fromkeys((*range(0x1D, 0x30), FORMAT, 0x38), 0xFF)

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.power_up()

    def power_up(self) -> None:
        self.registers[:] = bytes(256)
        self.registers[0x00], self.registers[0x2C], self.registers[0x30] = 0xE5, 0x0A, 0x02

    def read(self, count: int) -> bytes:
        span, full = SPANS[self.registers[FORMAT] & 0b11], self.registers[FORMAT] & FULL_RESOLUTION
        step = STEP if full else span / 512
        most = int(span / step)
        axes = [counts(self.signal(axis), step, -most, most - 1) for axis in self.defaults]
        if not self.registers[POWER] & MEASURE:
            axes = [0, 0, 0]
        self.registers[DATA : DATA + 6] = struct.pack("<3h", *axes)
        return super().read(count)


DRIVER, SIM = ADXL345, SimADXL345
