"""TI INA219: voltage, current and power of a supply, by the voltage over a shunt resistor.

Registers, steps (10 uV, 4 mV), ready bit, averaging codes and times are those of Adafruit's `adafruit_ina219` 3.5.2;
the configuration after power-on, the scaling and the longest conversion also those of Linux `drivers/hwmon/ina2xx.c`.
The datasheet was not seen.

Each sample is one triggered conversion of both voltages, so current, voltage and power belong together, and current is
computed here from the shunt voltage: the chip's own current register counts on a calibration that it silently forgets
when its supply drops (it then says 0 A). The chip has no id: `start()` resets it and expects its power-on setting.
"""

from collections.abc import Mapping
from typing import ClassVar, Literal

from drivers.base import Driver, Reading
from drivers.errors import BadData, OutOfRange
from drivers.kit.quantity import Quantity
from drivers.registers import Register
from drivers.simulation.silicon import WordChip, counts
from drivers.wires.wire import Bus

POWER_ON = 0x399F
RESET = 0x8000
BOTH_ONCE = 0b011
CODES = {1: 0b0011, 2: 0b1001, 4: 0b1010, 8: 0b1011, 16: 0b1100, 32: 0b1101, 64: 0b1110, 128: 0b1111}
READY = 1 << 1
FULL = 32_000
"""Steps of 10 uV that the widest of the four gains can show: 0.32 V."""


def shunt_in_ohms(shunt: float) -> float:
    """`shunt`, where a resistor of so many ohms can be meant; else `OutOfRange`."""
    if not 0 < shunt <= 100:
        raise OutOfRange(f"a shunt of {shunt:g} ohm measures nothing; they have 0.001 to 100 ohm")
    return shunt


class INA219(Driver):
    """Blocking: 11 ms a reading at the mean of 8 conversions. `shunt` in ohms; 3.2 A at the usual 0.1."""

    voltage = Quantity("V", step=0.004, low=0, high=32)
    current = Quantity("A", step=0.0001, low=-3.2, high=3.2)
    power = Quantity("W")
    address = 0x40
    addresses = tuple(range(0x40, 0x50))
    shunt: float = 0.1

    config = Register(0x00, size=2)
    over_shunt = Register(0x01, size=2, signed=True, writable=False)
    on_bus = Register(0x02, size=2, writable=False)

    def __init__(
        self,
        bus: Bus,
        address: int | None = None,
        *,
        shunt: float = 0.1,
        averaging: Literal[1, 2, 4, 8, 16, 32, 64, 128] = 8,
    ) -> None:
        super().__init__(bus, address)
        self.shunt = shunt_in_ohms(shunt)
        code = CODES[averaging]
        # 32 V, gain 1/8, and both converters alike
        self._trigger = 1 << 13 | 0b11 << 11 | code << 7 | code << 3 | BOTH_ONCE
        self._longest = 2 * 0.000586 * averaging + 0.0005

    def limits(self) -> Mapping[str, tuple[float, float]]:
        most = FULL * 1e-5 / self.shunt
        return {**self.ranges, "current": (-most, most)}

    def start(self) -> None:
        self.config = RESET
        self.prove("the configuration after a reset", self.config, POWER_ON)

    def read(self) -> Reading:
        self.config = self._trigger
        self.bus.wait(self._longest)
        bus = self.on_bus
        if not bus & READY:
            raise BadData(f"the INA219 at {self.address:#04x} has no new measurement: check its power supply")
        steps = self.over_shunt
        volts, amperes = (bus >> 3) * 0.004, steps * 1e-5 / self.shunt
        if abs(steps) >= FULL:
            raise OutOfRange(
                f"more than {FULL * 1e-5 / self.shunt:.6g} A through {self.shunt:g} ohm: use a smaller shunt"
            )
        return self.reading(voltage=volts, current=amperes, power=volts * amperes)


class SimINA219(WordChip):
    """0.1 ohm. Converts when triggered, or all the time; current and power need a calibration, as on the chip."""

    defaults: ClassVar[Mapping[str, float]] = {"voltage": 5.0, "current": 0.5}
    words: ClassVar[Mapping[int, int]] = {0: POWER_ON, 1: 0, 2: 0, 3: 0, 4: 0, 5: 0}
    writable: ClassVar[Mapping[int, int]] = {0: 0x3FFF, 5: 0xFFFE}

    def store(self, register: int, value: int) -> None:
        if register == 0 and value & RESET:
            self.power_up()
            return
        super().store(register, value)
        if register == 0:
            self.held[2] &= ~READY
            self.convert(2 * 0.000532 * (1 << (value >> 3 & 0b111 if value & 1 << 6 else 0)))

    def converted(self) -> None:
        full = 4000 << (self.held[0] >> 11 & 0b11)
        shunt = counts(self.signal("current") * 0.1, 1e-5, -full, full)
        bus = counts(self.signal("voltage"), 0.004, 0, 8000 if self.held[0] & 1 << 13 else 4000)
        current = shunt * self.held[5] // 4096
        self.held.update({1: shunt, 2: bus << 3 | READY, 3: abs(current) * bus // 5000, 4: current})

    def load(self, register: int) -> int:
        if self.held[0] & 0b111 == 0b111:
            self.converted()
        return super().load(register)


DRIVER, SIM = INA219, SimINA219
