"""Sensirion SGP40 gas sensor: the raw signal of a heated metal oxide, compensated for humidity and temperature.

Commands and waiting times are those of Sensirion's own `sgp40_i2c.c` (embedded-i2c-sgp40), ticks of the compensation
those of Linux `drivers/iio/chemical/sgp40.c`, the feature set that of Adafruit's `adafruit_sgp40` 1.3.24. The datasheet
was not seen.

`raw` falls when volatile organic compounds rise; it is about 30,000 in clean air and means something only beside
itself an hour ago. The index 0 to 500 is the work of Sensirion's own algorithm, which has to run once a second for
hours and keep its state, and is not in here: let a task compare `raw` with its mean.
"""

from collections.abc import Mapping
from typing import ClassVar

from drivers.base import Driver, Reading
from drivers.errors import BadData, Nack, OutOfRange
from drivers.kit.crc import crc8, pack_words, unpack_words
from drivers.kit.quantity import Quantity
from drivers.sim import World
from drivers.simulation.silicon import CommandChip, counts
from drivers.wires.wire import Bus

MEASURE, SELF_TEST, FEATURES, HEATER_OFF = b"\x26\x0f", b"\x28\x0e", b"\x20\x2f", b"\x36\x15"
SERIAL = b"\x36\x82"
WELL = 0xD400
MAX_TICKS = 65535


class SGP40(Driver):
    """Blocking: 30 ms a reading. The air it stands in: `humidity` in %, `temperature` in degC; see `compensate`."""

    raw = Quantity("ticks", step=1, low=0, high=65535)
    address = 0x59
    addresses = (0x59,)

    def __init__(
        self, bus: Bus, address: int | None = None, *, humidity: float = 50.0, temperature: float = 25.0
    ) -> None:
        super().__init__(bus, address)
        self._heated = False
        self.compensate(humidity, temperature)

    def compensate(self, humidity: float, temperature: float) -> None:
        """From the next reading on, compensate for air of this relative humidity (%) and temperature (degC)."""
        if not (0 <= humidity <= 100 and -45 <= temperature <= 130):
            raise OutOfRange(
                f"an SGP40 compensates 0 to 100 %, -45 to 130 degC, not {humidity:g} %, {temperature:g} degC"
            )
        wet, warm = round(humidity * MAX_TICKS / 100), round((temperature + 45) * MAX_TICKS / 175)
        self._measure = MEASURE + pack_words(wet, warm)

    def start(self) -> None:
        self.prove("a feature set", self._ask(FEATURES, 0.01) >> 8, 0x32)
        result = self._ask(SELF_TEST, 0.32)
        if result != WELL:
            raise BadData(f"the SGP40 at {self.address:#04x} fails its self-test ({result:#06x}): replace it")

    def read(self) -> Reading:
        self._heated = True
        return self.reading(raw=float(self._ask(self._measure, 0.031)))

    def close(self) -> None:
        """Switch the heater off, where a reading has switched it on."""
        heated, self._heated = self._heated, False
        if heated:
            self.transfer(HEATER_OFF)

    def _ask(self, command: bytes, seconds: float) -> int:
        self.transfer(command)
        self.bus.wait(seconds)
        return unpack_words(self.transfer(b"", 3), f"the SGP40 at {self.address:#04x}")[0]


class SimSGP40(CommandChip):
    """Refuses a compensation whose checksum is wrong, and remembers what air it was told."""

    defaults: ClassVar[Mapping[str, float]] = {"raw": 30_000.0}
    health = WELL

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.humidity, self.temperature = 50.0, 25.0
        self.heated = False

    def command(self, data: bytes) -> None:
        command, rest = data[:2], data[2:]
        if command == MEASURE:
            if len(rest) != 6 or any(crc8(rest[at : at + 3]) for at in (0, 3)):
                raise Nack("the simulated SGP40 refuses the checksum")
            self.humidity = int.from_bytes(rest[0:2], "big") / MAX_TICKS * 100
            self.temperature = int.from_bytes(rest[3:5], "big") / MAX_TICKS * 175 - 45
            self.heated = True
            self.reply(lambda: pack_words(counts(self.signal("raw"), 1.0, 0, MAX_TICKS)), 0.03)
        elif command == SELF_TEST:
            self.reply(lambda: pack_words(self.health), 0.32)
        elif command == FEATURES:
            self.reply(lambda: pack_words(0x3220), 0.001)
        elif command == SERIAL:
            self.reply(lambda: pack_words(0x0000, 0x1234, 0x5678), 0.001)
        elif command in (HEATER_OFF, b"\x00\x06"):
            self.heated = False


DRIVER, SIM = SGP40, SimSGP40
