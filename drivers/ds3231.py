"""Maxim DS3231 real-time clock: time, the temperature of its crystal, and whether the clock has stood still.

Registers, BCD fields, the stop flag and the temperature in the upper ten bits of 0x11 are those of Adafruit's
`adafruit_ds3231` 2.4.28 with `adafruit_register`; the century and 12-hour bits those of the C driver
`Chakib08/RTC-DS3231-I2C-Driver`. The datasheet was not seen.

One burst reads it all, so that seconds cannot roll over within a sample. The chip has no id: bits that it keeps at zero
and fields that must be a date tell it from others. `stopped` is true from the moment the battery failed until
`set_time`: the time is then wrong, however plausible.
"""

import struct
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from drivers.base import FASTEST, Driver, Reading
from drivers.errors import BadData, OutOfRange, WrongChip
from drivers.kit.quantity import Quantity
from drivers.sim import World
from drivers.simulation.silicon import RegisterChip, counts

EPOCH, END = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
CONTROL, STATUS, TEMPERATURE = 0x0E, 0x0F, 0x11
STOPPED = 0x80
# what is always zero, wherever the clock stands: seconds, weekday, date, status, the end of the temperature
ZEROS = {0x00: 0x80, 0x03: 0xF8, 0x04: 0xC0, STATUS: 0x70, 0x12: 0x3F}


def bcd(number: int) -> int:
    """Two decimal digits as a byte."""
    return number // 10 << 4 | number % 10


def two_digits(byte: int) -> int:
    """The number in a byte of two decimal digits; `ValueError` where it has others."""
    if byte >> 4 > 9 or byte & 0xF > 9:
        raise ValueError(f"{byte:#04x} is no decimal number")
    return 10 * (byte >> 4) + (byte & 0xF)


def hour_of(byte: int) -> int:
    """0 to 23, from either way of the chip to tell hours."""
    if byte & 0x40:
        return two_digits(byte & 0x1F) % 12 + (12 if byte & 0x20 else 0)
    return two_digits(byte & 0x3F)


def fields_of(moment: datetime) -> bytes:
    """The seven registers for a moment before 2100, in 24 hours, Monday being 1."""
    date = (moment.isoweekday(), moment.day, moment.month, moment.year - 2000)
    return bytes(bcd(number) for number in (moment.second, moment.minute, moment.hour, *date))


class DS3231(Driver):
    """Blocking, one transaction a reading. `time` is in seconds since 1970, UTC if that is what it was set to."""

    temperature = Quantity("degC", step=0.25, low=-40, high=85, slew=FASTEST["degC"])
    time = Quantity("s", step=1)
    stopped = Quantity("bool")
    address = 0x68
    addresses = (0x68,)

    def read(self) -> Reading:
        registers = self.transfer(b"\x00", 19)
        if any(registers[register] & mask for register, mask in ZEROS.items()):
            raise WrongChip(
                f"{self.address:#04x} has bits set that a DS3231 keeps at zero: another chip answers there;"
                " check `driver:` and `address:`"
            )
        try:
            second, minute = two_digits(registers[0]), two_digits(registers[1])
            day, month = two_digits(registers[4]), two_digits(registers[5] & 0x1F)
            year = 2000 + two_digits(registers[6]) + (100 if registers[5] & 0x80 else 0)
            moment = datetime(year, month, day, hour_of(registers[2]), minute, second, tzinfo=UTC)
        except ValueError as error:
            raise BadData(f"the DS3231 at {self.address:#04x} shows no date ({error}): is it another chip?") from None
        return self.reading(
            temperature=struct.unpack_from(">h", registers, TEMPERATURE)[0] / 256,
            time=moment.timestamp(),
            stopped=bool(registers[STATUS] & STOPPED),
        )

    def set_time(self, seconds: float) -> None:
        """Set the clock (seconds since 1970, cut to whole ones), let it run, and clear the stop flag."""
        if not EPOCH.timestamp() <= seconds < END.timestamp():
            raise OutOfRange(f"a DS3231 counts from 2000 to 2099; {seconds:.0f} s after 1970 is outside")
        self.transfer(bytes([0x00]) + fields_of(datetime.fromtimestamp(int(seconds), UTC)))
        # the oscillator first: a flag cleared while it stands would come back
        self.transfer(bytes([CONTROL, self.transfer(bytes([CONTROL]), 1)[0] & 0x7F]))
        self.transfer(bytes([STATUS, self.transfer(bytes([STATUS]), 1)[0] & ~STOPPED & 0xFF]))


class SimDS3231(RegisterChip):
    """Runs with the world's clock from 1 January 2000 on; the stop flag stands until somebody clears it."""

    defaults: ClassVar[Mapping[str, float]] = {"temperature": 21.0}
    # date and time, alarms, then control, status (stop flag, 32 kHz, alarm flags) and aging
    masks: ClassVar[bytes] = bytes.fromhex("7f7f7f073f9fff ffffffffffffff ff8bff")
    writable: ClassVar[Mapping[int, int]] = dict(enumerate(masks))

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.power_up()

    def power_up(self) -> None:
        """As after the battery was empty."""
        self.registers[:] = bytes(256)
        self.registers[CONTROL], self.registers[STATUS] = 0x1C, 0x88
        self._begin, self._since = EPOCH, self.world.now()

    def write(self, data: bytes) -> None:
        self._tick()
        super().write(data)
        if len(data) > 1 and data[0] <= 0x06:
            second, minute, hour, _, day, month, year = map(two_digits, self.registers[:7])
            self._begin = datetime(2000 + year, month, day, hour, minute, second, tzinfo=UTC)
            self._since = self.world.now()

    def read(self, count: int) -> bytes:
        self._tick()
        return super().read(count)

    def _tick(self) -> None:
        self.registers[0:7] = fields_of(self._begin + timedelta(seconds=self.world.now() - self._since))
        quarters = counts(self.signal("temperature"), 0.25, -512, 511)
        self.registers[TEMPERATURE : TEMPERATURE + 2] = struct.pack(">h", quarters << 6)


DRIVER, SIM = DS3231, SimDS3231
