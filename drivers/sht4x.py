"""Sensirion SHT40, SHT41, SHT43 and SHT45: temperature and relative humidity, one measurement on demand.

Commands and conversion are those of Linux `drivers/hwmon/sht4x.c`; the lower precisions and the serial number those of
adafruit-circuitpython-sht4x 1.0.27, the longest times those of the crate sht4x-rs 0.1.0 (8.3, 4.5 and 1.7 ms), the
addresses those of the crate ph-sht4x-hts. The datasheet was not seen.

The heating commands are never sent; a heating that somebody else began ends by itself after a second.
"""

from collections.abc import Mapping
from typing import ClassVar, Literal

from drivers.base import Driver, Reading
from drivers.errors import WrongChip
from drivers.kit.crc import pack_words, unpack_words
from drivers.kit.quantity import Quantity
from drivers.sim import World
from drivers.simulation.silicon import CommandChip
from drivers.wires.wire import Bus

RESET, SERIAL = b"\x94", b"\x89"
MEASURE = {"high": (b"\xfd", 0.010), "medium": (b"\xf6", 0.005), "low": (b"\xe0", 0.002)}
"""Precision -> command, and the longest time until the answer (seconds)."""


class SHT4X(Driver):
    """Blocking: 2 ms a reading at low precision, 5 ms at medium, 10 ms at high."""

    temperature = Quantity("degC", step=0.0027, low=-40, high=125)
    humidity = Quantity("%", step=0.002, low=0, high=100)
    address = 0x44
    addresses = (0x44, 0x45, 0x46)
    obeys = range(0x100)

    def __init__(
        self, bus: Bus, address: int | None = None, *, precision: Literal["high", "medium", "low"] = "high"
    ) -> None:
        super().__init__(bus, address)
        self._measure, self._longest = MEASURE[precision]

    def start(self) -> None:
        self.transfer(RESET)
        self.bus.wait(0.002)
        high, low = self._ask(SERIAL, 0.010)
        if high == low:
            raise WrongChip(f"{self.address:#04x} gives one and the same word for everything: it is no SHT4x")

    def read(self) -> Reading:
        temperature, humidity = self._ask(self._measure, self._longest)
        return self.reading(
            temperature=-45 + 175 * temperature / 65535,
            # the scale reaches a little beyond both ends, as the sensor does in dry and in condensing air
            humidity=min(max(-6 + 125 * humidity / 65535, 0.0), 100.0),
        )

    def _ask(self, command: bytes, wait: float) -> tuple[int, ...]:
        self.transfer(command)
        self.bus.wait(wait)
        return unpack_words(self.transfer(b"", 6), f"the SHT4x at {self.address:#04x}")


class SimSHT4X(CommandChip):
    """Acknowledges nothing until it has measured; that includes a reset."""

    defaults: ClassVar[Mapping[str, float]] = {"temperature": 21.0, "humidity": 45.0}
    serial = 0x0F1E_2D3C
    durations: ClassVar[Mapping[int, float]] = {0xFD: 0.0082, 0xF6: 0.0045, 0xE0: 0.0017}
    heatings: ClassVar[Mapping[int, float]] = {0x39: 1.0, 0x2F: 1.0, 0x1E: 1.0, 0x32: 0.1, 0x24: 0.1, 0x15: 0.1}

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.hot = False

    def command(self, data: bytes) -> None:
        code = data[0] if len(data) == 1 else 0
        self.hot = code in self.heatings
        if code == 0x94:
            self.busy(0.001)
        elif code == 0x89:
            self.reply(lambda: pack_words(self.serial >> 16, self.serial & 0xFFFF), 0.0005)
        elif code in self.durations or self.hot:
            self.reply(self.measured, self.durations.get(code) or self.heatings[code])

    def measured(self) -> bytes:
        """Both words of one measurement, as they stand in the world now; the heater warms the sensor by far."""
        warmer = 40.0 if self.hot else 0.0
        shares = (self.signal("temperature") + warmer + 45) / 175, (self.signal("humidity") + 6) / 125
        return pack_words(*(min(max(round(share * 65535), 0), 65535) for share in shares))


DRIVER, SIM = SHT4X, SimSHT4X
