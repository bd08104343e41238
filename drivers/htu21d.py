"""TE HTU21D, Silicon Labs Si7021 (Si7013, Si7020, Si7006) and Sensirion SHT21: temperature and relative humidity.

One command set at one address. Commands, conversions, the checksum and the serial number are those of Linux
`drivers/iio/common/ms_sensors/ms_sensors_i2c.c` and of adafruit-circuitpython-si7021 4.1.19; the longest times of the
three families and the Si70xx command for the temperature of the last humidity those of enjoyneering's Arduino library;
which byte tells them apart (0x32 for the HTU21D, 0x15 for the Si7021) Tasmota issue 96. No datasheet was seen.

The Si70xx measures both in one go. The others measure one after the other, about 50 ms apart, and a shorter wait reads
nonsense: so the driver asks the chip which one it is. The lowest two bits of a value are a status.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from drivers.base import Driver, Reading
from drivers.errors import BadData, NotStarted, WrongChip
from drivers.kit.crc import check, crc8
from drivers.kit.quantity import Quantity
from drivers.sim import World
from drivers.simulation.silicon import CommandChip
from drivers.wires.wire import Bus

TEMPERATURE, HUMIDITY, TEMPERATURE_OF_HUMIDITY = b"\xf3", b"\xf5", b"\xe0"
RESET, USER, SERIAL = b"\xfe", b"\xe7", b"\xfc\xc9"
RESOLUTION_HEATER_FIXED, SUPPLY_LOW = 0b1000_0111, 0b0100_0000
"""Bits of the user register; after a reset the first are 0b0000_0010: 12 and 14 bits, heater off, one that is fixed."""


@dataclass(frozen=True, slots=True)
class Family:
    """Longest times in seconds; `together` means one measurement gives both."""

    name: str
    temperature: float
    humidity: float
    together: bool = False


SILABS = Family("Si70xx", 0.011, 0.023, together=True)
FAMILIES = {0x32: Family("HTU21D", 0.050, 0.016), 0x15: SILABS, 0x14: SILABS, 0x0D: SILABS, 0x06: SILABS}
OTHERS = Family("SHT2x", 0.085, 0.029)


class HTU21D(Driver):
    """Blocking: 24 ms a reading with a Si7021, 67 ms with an HTU21D, 115 ms with an SHT21."""

    temperature = Quantity("degC", step=0.011, low=-40, high=125)
    humidity = Quantity("%", step=0.031, low=0, high=100)
    address = 0x40
    addresses = (0x40,)
    obeys = range(0xE0, 0x100)

    def __init__(self, bus: Bus, address: int | None = None) -> None:
        super().__init__(bus, address)
        self._family: Family | None = None

    def start(self) -> None:
        self._family = None
        self.transfer(RESET)
        self.bus.wait(0.015)
        (user,) = self.transfer(USER, 1)
        if user & RESOLUTION_HEATER_FIXED != 0b10:
            raise WrongChip(
                f"{self.address:#04x} has {user:#04x} in its user register after a reset, where an HTU21D or Si7021 has"
                " 0x02 or 0x3a: another chip answers there"
            )
        if user & SUPPLY_LOW:
            raise BadData(f"the HTU21D at {self.address:#04x} says that its supply is below 2.25 V")
        (identity, _) = self._checked(self.transfer(SERIAL, 3))
        self._family = FAMILIES.get(identity, OTHERS)

    def read(self) -> Reading:
        if self._family is None:
            raise NotStarted(f"the HTU21D at {self.address:#04x} is not started")
        humidity = self._measure(HUMIDITY, self._family.humidity)
        if self._family.together:
            temperature = int.from_bytes(self.transfer(TEMPERATURE_OF_HUMIDITY, 2), "big") & 0xFFFC
        else:
            temperature = self._measure(TEMPERATURE, self._family.temperature)
        return self.reading(
            temperature=-46.85 + 175.72 * temperature / 65536,
            # the scale reaches beyond both ends, as the sensor does in dry and in condensing air
            humidity=min(max(-6 + 125 * humidity / 65536, 0.0), 100.0),
        )

    def _measure(self, command: bytes, longest: float) -> int:
        self.transfer(command)
        self.bus.wait(longest + 0.001)
        return int.from_bytes(self._checked(self.transfer(b"", 3)), "big") & 0xFFFC

    def _checked(self, data: bytes) -> bytes:
        return check(data, f"the HTU21D at {self.address:#04x}", start=0)


class SimHTU21D(CommandChip):
    """Measures one thing at a time and acknowledges nothing meanwhile; 14 bits of temperature, 12 of humidity."""

    defaults: ClassVar[Mapping[str, float]] = {"temperature": 21.0, "humidity": 45.0}
    serial = bytes.fromhex("480054a1b2c33200")
    """SNA1, SNA0, SNB3 .. SNB0, SNC1, SNC0; SNC1 is what tells the families apart."""

    durations: ClassVar[Mapping[int, float]] = {0xF3: 0.050, 0xF5: 0.016}

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.user = 0x3A

    def command(self, data: bytes) -> None:
        if data == b"\xfe":
            self.user = 0x3A
            self.busy(0.009)
        elif data == b"\xe7":
            self.reply(lambda: bytes([self.user]))
        elif data[0] == 0xE6 and len(data) == 2:
            self.user = self.user & 0b0111_1010 | data[1] & 0b1000_0101
        elif data == b"\xfa\x0f":
            self.reply(lambda: b"".join(_with_sum(self.serial[n : n + 1]) for n in range(2, 6)))
        elif data == b"\xfc\xc9":
            self.reply(lambda: _with_sum(self.serial[6:8]) + _with_sum(self.serial[0:2]))
        elif data == b"\xf3":
            self.reply(lambda: _with_sum(self.temperature()), self.durations[0xF3])
        elif data == b"\xf5":
            self.reply(lambda: _with_sum(self.humidity()), self.durations[0xF5])

    def temperature(self) -> bytes:
        share = (self.signal("temperature") + 46.85) / 175.72
        return (min(max(round(share * 16384), 0), 16383) << 2).to_bytes(2, "big")

    def humidity(self) -> bytes:
        """Bit 1 is set: the status of a humidity."""
        share = (self.signal("humidity") + 6) / 125
        return (min(max(round(share * 4096), 0), 4095) << 4 | 0b10).to_bytes(2, "big")


class SimSi7021(SimHTU21D):
    """A humidity measurement takes a temperature along, which can be asked for afterwards; faster."""

    serial = bytes.fromhex("1a2b3c4d5e6f15ff")
    durations: ClassVar[Mapping[int, float]] = {0xF3: 0.0108, 0xF5: 0.0228}

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self._along = b"\x00\x00"
        self.heating = 0

    def command(self, data: bytes) -> None:
        if data == b"\xe0":
            self.reply(lambda: self._along)
        elif data[0] == 0x51:
            self.heating = data[1]
        elif data == b"\x11":
            self.reply(lambda: bytes([self.heating]))
        elif data == b"\xfc\xc9":
            # here the serial number goes on, in its order
            self.reply(lambda: _with_sum(self.serial[6:8]) + _with_sum(b"\xff\xff"))
        else:
            super().command(data)

    def humidity(self) -> bytes:
        self._along = self.temperature()
        return super().humidity()


def _with_sum(data: bytes) -> bytes:
    return data + bytes([crc8(data, start=0)])


DRIVER, SIM = HTU21D, SimHTU21D
