"""TI INA3221: voltage, current and power of three supplies.

Registers, ids, steps (40 uV and 8 mV in the upper 13 bits) and the averaging codes are those of Adafruit's
`adafruit_ina3221` 1.2.3 and of Linux `drivers/hwmon/ina3221.c`, whose table of conversion times is used; where the
former reads a negative word, see hardware.md. The datasheet was not seen.

Each sample is one triggered pass over all six voltages, read when the chip says that it is through.
"""

from collections.abc import Mapping
from typing import ClassVar, Literal

from drivers.base import Driver, Identity, Reading
from drivers.errors import BadData, OutOfRange
from drivers.ina219 import shunt_in_ohms
from drivers.registers import Bits, Register
from drivers.simulation.silicon import WordChip, counts
from drivers.wires.wire import Bus

POWER_ON = 0x7127
RESET = 0x8000
AVERAGING = {1: 0, 4: 1, 16: 2, 64: 3}
# three channels, 1.1 ms for each voltage, both voltages once
TRIGGER = 0b111 << 12 | 0b100 << 6 | 0b100 << 3 | 0b011
FULL = 0.1638


class INA3221(Driver):
    """Blocking: 29 ms a reading at the mean of 4. `shunt` in ohms, the same for all three; 1.6 A at the usual 0.1."""

    channels: ClassVar[Mapping[str, str]] = {
        f"{quantity}_{number}": unit
        for number in (1, 2, 3)
        for quantity, unit in (("voltage", "V"), ("current", "A"), ("power", "W"))
    }
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = {
        **{f"voltage_{number}": (0.0, 26.0) for number in (1, 2, 3)},
        **{f"current_{number}": (-1.638, 1.638) for number in (1, 2, 3)},
    }
    resolution: ClassVar[Mapping[str, float]] = {
        channel: 0.008 if channel.startswith("voltage") else 0.0004 for channel in ranges
    }
    address = 0x40
    addresses = (0x40, 0x41, 0x42, 0x43)
    identity = (Identity(0xFE, (0x5449,), size=2), Identity(0xFF, (0x3220,), size=2))
    shunt: float = 0.1

    config = Register(0x00, size=2)
    flags = Register(0x0F, size=2)
    ready = Bits(flags, low=0)

    def __init__(
        self, bus: Bus, address: int | None = None, *, shunt: float = 0.1, averaging: Literal[1, 4, 16, 64] = 4
    ) -> None:
        super().__init__(bus, address)
        self.shunt = shunt_in_ohms(shunt)
        self._trigger = TRIGGER | AVERAGING[averaging] << 9
        # Linux waits up to twice the typical time
        self._longest = 3 * 2 * 0.0011 * averaging * 1.1

    def limits(self) -> Mapping[str, tuple[float, float]]:
        full = FULL / self.shunt
        return {name: ((-full, full) if "current" in name else span) for name, span in self.ranges.items()}

    def start(self) -> None:
        self.identify()
        self.config = RESET

    def read(self) -> Reading:
        self.config = self._trigger
        self.bus.wait(self._longest)
        if not self.ready:
            raise BadData(f"the INA3221 at {self.address:#04x} has no new measurement: check its power supply")
        values: dict[str, float] = {}
        for number in (1, 2, 3):
            shunt, bus = (self._steps(2 * number - 1 + offset) for offset in (0, 1))
            volts, amperes = bus * 0.008, shunt * 4e-5 / self.shunt
            if abs(shunt) >= 4095:
                raise OutOfRange(f"more than {FULL / self.shunt:.6g} A in channel {number}: use a smaller shunt")
            values |= {f"voltage_{number}": volts, f"current_{number}": amperes, f"power_{number}": volts * amperes}
        return self.reading(**values)

    def _steps(self, register: int) -> int:
        return int.from_bytes(self.transfer(bytes([register]), 2), "big", signed=True) >> 3


class SimINA3221(WordChip):
    """Three shunts of 0.1 ohm. Converts when triggered; the ready flag goes when it is read."""

    defaults: ClassVar[Mapping[str, float]] = {
        f"{quantity}_{number}": value
        for number in (1, 2, 3)
        for quantity, value in (("voltage", 5.0), ("current", 0.1))
    }
    words: ClassVar[Mapping[int, int]] = {0: POWER_ON, **dict.fromkeys(range(1, 18), 0), 0xFE: 0x5449, 0xFF: 0x3220}
    writable: ClassVar[Mapping[int, int]] = {0: 0x7FFF, 15: 0x7C00}

    def store(self, register: int, value: int) -> None:
        if register == 0 and value & RESET:
            self.power_up()
            return
        super().store(register, value)
        if register == 0:
            self.held[15] &= ~1
            self.convert(3 * 2 * 0.0011 * (1, 4, 16, 64, 128, 256, 512, 1024)[value >> 9 & 0b111])

    def converted(self) -> None:
        for number in (1, 2, 3):
            self.held[2 * number - 1] = counts(self.signal(f"current_{number}") * 0.1, 4e-5, -4096, 4095) << 3
            self.held[2 * number] = counts(self.signal(f"voltage_{number}"), 0.008, -4096, 4095) << 3
        self.held[15] |= 1

    def load(self, register: int) -> int:
        if self.held[0] & 0b111 == 0b111:
            self.converted()
        value = super().load(register)
        if register == 15:
            self.held[15] &= ~1
        return value


DRIVER, SIM = INA3221, SimINA3221
