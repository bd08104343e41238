"""InvenSense MPU-6050: accelerometer, gyroscope and temperature, one burst for all seven.

Registers, id, reset and waiting times, counts per g and per degree a second, and the temperature formula are those of
Adafruit's `adafruit_mpu6050` 1.3.9 and the package `mpu6050-raspberrypi` 1.2. The datasheet was not seen.

After a brown-out the chip sleeps and shows zeros - lying in free space at 36.53 degC: so the power register is read
back after the data.
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

RESET, SLEEP, GYRO_CLOCK = 0x80, 0x40, 0x01
DATA, POWER = 0x3B, 0x6B
PER_G = {2: 16384, 4: 8192, 8: 4096, 16: 2048}
PER_DEGREE = {250: 131.0, 500: 65.5, 1000: 32.8, 2000: 16.4}
END = 32767
ACCELERATION = ("acceleration_x", "acceleration_y", "acceleration_z")
ROTATION = ("rotation_x", "rotation_y", "rotation_z")


class MPU6050(Driver):
    """Blocking, two transactions a reading. `span` is +- so many g, `turn` +- so many degrees a second.

    An axis at the end of its span is an error and no reading: it says "at least".
    """

    channels: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(ACCELERATION, "g"),
        **dict.fromkeys(ROTATION, "deg/s"),
        "temperature": "degC",
    }
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = {
        **dict.fromkeys(ACCELERATION, (-END / 16384, END / 16384)),
        **dict.fromkeys(ROTATION, (-END / 131, END / 131)),
        "temperature": (-40.0, 85.0),
    }
    resolution: ClassVar[Mapping[str, float]] = {
        **dict.fromkeys(ACCELERATION, 1 / 16384),
        **dict.fromkeys(ROTATION, 1 / 131),
        "temperature": 1 / 340,
    }
    address = 0x68
    addresses = (0x68, 0x69)
    identity = (Identity(0x75, (0x68,)),)
    span: int = 2
    turn: int = 250

    power = Register(POWER)
    turn_setting = Register(0x1B)
    span_setting = Register(0x1C)

    def __init__(
        self,
        bus: Bus,
        address: int | None = None,
        *,
        span: Literal[2, 4, 8, 16] = 2,
        turn: Literal[250, 500, 1000, 2000] = 250,
    ) -> None:
        super().__init__(bus, address)
        self.span, self.turn = span, turn

    def limits(self) -> Mapping[str, tuple[float, float]]:
        span, turn = END / PER_G[self.span], END / PER_DEGREE[self.turn]
        return {
            **dict.fromkeys(ACCELERATION, (-span, span)),
            **dict.fromkeys(ROTATION, (-turn, turn)),
            "temperature": self.ranges["temperature"],
        }

    def start(self) -> None:
        self.identify()
        self.power = RESET
        self.bus.wait(0.1)
        self.keep(MPU6050.power, GYRO_CLOCK)
        self.turn_setting = list(PER_DEGREE).index(self.turn) << 3
        self.span_setting = list(PER_G).index(self.span) << 3
        self.bus.wait(0.1)

    def read(self) -> Reading:
        burst = self.transfer(bytes([DATA]), 14)
        if self.power != GYRO_CLOCK:
            raise BadData(f"the MPU6050 at {self.address:#04x} lost its settings: check its power supply")
        *moved, warmth, x, y, z = struct.unpack(">7h", burst)
        for axes, name, limit in ((moved, "span", f"{self.span} g"), ((x, y, z), "turn", f"{self.turn} deg/s")):
            if any(not -END <= count < END for count in axes):
                raise OutOfRange(f"more than {limit} at {self.address:#04x}: choose a wider {name}, if there is one")
        return self.reading(
            **{axis: value / PER_G[self.span] for axis, value in zip(ACCELERATION, moved, strict=True)},
            **{axis: value / PER_DEGREE[self.turn] for axis, value in zip(ROTATION, (x, y, z), strict=True)},
            temperature=warmth / 340 + 36.53,
        )


class SimMPU6050(RegisterChip):
    """Lies still unless the world moves it. Asleep after power-on and reset: all zeros."""

    defaults: ClassVar[Mapping[str, float]] = {
        **dict.fromkeys(ACCELERATION, 0.0),
        "acceleration_z": 1.0,
        "temperature": 21.0,
        **dict.fromkeys(ROTATION, 0.0),
    }
    writable: ClassVar[Mapping[int, int]] = dict.fromkeys((0x19, 0x1A, 0x1B, 0x1C, 0x37, 0x38, 0x6A, POWER, 0x6C), 0xFF)

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.power_up()

    def power_up(self) -> None:
        self.registers[:] = bytes(256)
        self.registers[POWER], self.registers[0x75] = SLEEP, 0x68

    def store(self, register: int, value: int) -> None:
        super().store(register, value)
        if register == POWER and value & RESET:
            self.power_up()

    def read(self, count: int) -> bytes:
        words = [0] * 7
        if not self.registers[POWER] & SLEEP:
            # full scale is 2**15 counts, doubled with every step of the setting
            g = 2.0 * (1 << (self.registers[0x1C] >> 3 & 3)) / 32768
            degrees = (1 / 131, 1 / 65.5, 1 / 32.8, 1 / 16.4)[self.registers[0x1B] >> 3 & 3]
            warmth = (self.signal("temperature") - 36.53) * 340
            moved = [self.signal(axis) / g for axis in ACCELERATION]
            turned = [self.signal(axis) / degrees for axis in ROTATION]
            words = [counts(value, 1.0, -32768, 32767) for value in (*moved, warmth, *turned)]
        self.registers[DATA : DATA + 14] = struct.pack(">7h", *words)
        return super().read(count)


DRIVER, SIM = MPU6050, SimMPU6050
