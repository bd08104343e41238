"""ams AS5600 magnetic angle sensor: 12 bits over one turn.

Registers, the bit that says a magnet is there, and 360/4096 degrees a count are those of Rob Tillaart's Arduino library
`AS5600` 0.4.1; the datasheet was not seen. The chip has no id: whatever answers at its address, with that bit, is taken
for one.
"""

from collections.abc import Mapping
from typing import ClassVar

from drivers import BadData, Driver, Reading, Seconds
from drivers.registers import Bits, Register
from drivers.silicon import RegisterChip

STEP = 360 / 4096


class AS5600(Driver):
    """Blocking, two transactions a reading."""

    channels: ClassVar[Mapping[str, str]] = {"angle": "deg"}
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = {"angle": (0.0, 360.0)}
    resolution: ClassVar[Mapping[str, float]] = {"angle": STEP}
    every = Seconds(1.0)
    address = 0x36
    addresses = (0x36,)

    status = Register(0x0B, writable=False)
    magnet = Bits(status, low=5)
    raw_angle = Register(0x0C, size=2, writable=False)

    def read(self) -> Reading:
        if not self.magnet:
            raise BadData("the AS5600 sees no magnet: is it in front of the chip?")
        return self.reading(angle=(self.raw_angle & 0x0FFF) * STEP)


class SimAS5600(RegisterChip):
    """Shows the angle of the world; `there`: whether the magnet is."""

    defaults: ClassVar[Mapping[str, float]] = {"angle": 90.0}
    writable: ClassVar[Mapping[int, int]] = {}
    there = True

    def load(self, register: int) -> int:
        counts = round(self.signal("angle") * 4096 / 360) % 4096
        shown = {0x0B: 0x20 if self.there else 0x00, 0x0C: counts // 256, 0x0D: counts % 256}
        return shown.get(register, super().load(register))


DRIVER, SIM = AS5600, SimAS5600
