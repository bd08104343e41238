"""ROHM BH1750 ambient light sensor: 16 bits, single commands instead of registers.

Commands, counts per lx (1.2 at the normal measuring time), measuring times and the two commands that change them are
those of Linux `drivers/iio/light/bh1750.c` and Adafruit's `adafruit_bh1750` 1.1.19. The datasheet was not seen.

Each reading is one measurement of its own, after which the chip sleeps. It has no id: a chip that answers zeros cannot
be told from a BH1750 in the dark. `start()` clears the result and expects zero, which tells most others.
"""

from collections.abc import Mapping
from typing import ClassVar

from drivers.base import Driver, Reading
from drivers.errors import OutOfRange
from drivers.kit.quantity import Quantity
from drivers.sim import SimChip, World
from drivers.simulation.silicon import counts
from drivers.wires.wire import Bus

POWER_DOWN, POWER_ON, RESET, ONCE, TIME_HIGH, TIME_LOW = 0x00, 0x01, 0x07, 0x20, 0x40, 0x60
NORMAL, SHORTEST = 69, 31
"""Measuring time register: sensitivity is in proportion."""


class BH1750(Driver):
    """Blocking: 180 ms a reading, 81 ms with `sunlight`, which measures to 121,000 lx instead of 54,600."""

    illuminance = Quantity("lx", step=0.84, low=0, high=54_611)
    address = 0x23
    addresses = (0x23, 0x5C)
    obeys = range(0x100)
    time: int = NORMAL

    def __init__(self, bus: Bus, address: int | None = None, *, sunlight: bool = False) -> None:
        super().__init__(bus, address)
        self.time = SHORTEST if sunlight else NORMAL

    def limits(self) -> Mapping[str, tuple[float, float]]:
        return {"illuminance": (0.0, float(int(0xFFFE / 1.2 * NORMAL / self.time)))}

    def start(self) -> None:
        for command in (POWER_ON, RESET):
            self.transfer(bytes([command]))
        self.prove("a result after its reset", int.from_bytes(self.transfer(b"", 2), "big"), 0)

    def read(self) -> Reading:
        # the measuring time goes with every sample: a chip that lost it would be off by more than a factor of two
        for command in (TIME_HIGH | self.time >> 5, TIME_LOW | self.time & 0b11111, ONCE):
            self.transfer(bytes([command]))
        self.bus.wait(0.00261 * self.time)
        light = int.from_bytes(self.transfer(b"", 2), "big")
        if light == 0xFFFF:
            raise OutOfRange(
                f"the BH1750 at {self.address:#04x} is dazzled: more than {self.limits()['illuminance'][1]:g} lx;"
                " shade it, or set sunlight: true"
            )
        return self.reading(illuminance=light / 1.2 * NORMAL / self.time)


class SimBH1750(SimChip):
    """Awake it measures when told, sleeping it ignores that; the last result stays until a reset."""

    defaults: ClassVar[Mapping[str, float]] = {"illuminance": 300.0}

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.time, self.result, self.awake = NORMAL, 0, False

    def write(self, data: bytes) -> None:
        command = data[0]
        if command in (POWER_DOWN, POWER_ON):
            self.awake = command == POWER_ON
        elif command == RESET and self.awake:
            self.result = 0
        elif command >> 5 == TIME_HIGH >> 5:
            self.time = (command & 0b111) << 5 | self.time & 0b11111
        elif command >> 5 == TIME_LOW >> 5:
            self.time = self.time & 0b11100000 | command & 0b11111
        elif command in (0x10, 0x11, 0x20, 0x21):
            self.fine, self.once = bool(command & 1), command >= 0x20
            self.convert(0.00174 * self.time)

    def converted(self) -> None:
        step = 1 / 1.2 * NORMAL / self.time / (2 if self.fine else 1)
        self.result = counts(self.signal("illuminance"), step, 0, 0xFFFF)
        self.awake = not self.once

    def read(self, count: int) -> bytes:
        return (self.result.to_bytes(2, "big") + b"\xff" * count)[:count]


DRIVER, SIM = BH1750, SimBH1750
