"""Sensirion SHT30, SHT31 and SHT35: temperature and relative humidity, one measurement on demand.

Commands, status bits and conversions are those of Linux `drivers/hwmon/sht3x.c`, measuring times and the status after a
reset those of RIOT's `drivers/sht3x`; the datasheet was not seen. The three parts differ in accuracy only.

The chip has no id: `start()` resets it and follows its "reset happened" bit, which rises with the reset and falls when
the status is cleared. The reset also switches off a heater that somebody left on.
"""

from collections.abc import Mapping
from typing import ClassVar, Literal

from drivers.base import Driver, Reading
from drivers.errors import BadData, WrongChip
from drivers.kit.crc import pack_words, unpack_words
from drivers.kit.quantity import Quantity
from drivers.sim import World
from drivers.simulation.silicon import CommandChip
from drivers.wires.wire import Bus

BREAK, RESET, STATUS, CLEAR = b"\x30\x93", b"\x30\xa2", b"\xf3\x2d", b"\x30\x41"
MEASURE = {"high": (b"\x24\x00", 0.016), "medium": (b"\x24\x0b", 0.007), "low": (b"\x24\x16", 0.005)}
"""Repeatability -> the command without clock stretching, and the longest time until the answer (seconds)."""

HEATER, WAS_RESET, REFUSED = 0x2000, 0x0010, 0x0003
"""Status bits; the last two say that a command was unknown or its checksum wrong."""


class SHT31(Driver):
    """Blocking: 5 ms a reading at low repeatability, 7 ms at medium, 16 ms at high."""

    temperature = Quantity("degC", step=0.0027, low=-40, high=125)
    humidity = Quantity("%", step=0.0016, low=0, high=100)
    address = 0x44
    addresses = (0x44, 0x45)

    def __init__(
        self, bus: Bus, address: int | None = None, *, repeatability: Literal["high", "medium", "low"] = "high"
    ) -> None:
        super().__init__(bus, address)
        self._measure, self._longest = MEASURE[repeatability]
        self._who = f"the SHT31 at {self.address:#04x}"

    def start(self) -> None:
        # a chip that measures periodically takes no reset; an idle one does not mind the break
        self._send(BREAK, 0.001)
        self._send(RESET, 0.002)
        after_reset = self.status()
        self._send(CLEAR, 0.001)
        after_clear = self.status()
        if not after_reset & WAS_RESET or after_clear & (WAS_RESET | REFUSED):
            raise WrongChip(
                f"{self.address:#04x} has the status {after_reset:#06x} after a reset and {after_clear:#06x} after that"
                " was cleared, where an SHT3x says so and forgets it: another chip answers there"
            )
        if after_clear & HEATER:
            raise BadData(f"{self._who} keeps its heater on: it would measure itself")

    def read(self) -> Reading:
        self._send(self._measure, self._longest)
        temperature, humidity = unpack_words(self.transfer(b"", 6), self._who)
        return self.reading(temperature=-45 + 175 * temperature / 65535, humidity=100 * humidity / 65535)

    def status(self) -> int:
        """The status word: heater, alerts, what became of the last command."""
        self._send(STATUS, 0.001)
        (status,) = unpack_words(self.transfer(b"", 3), self._who)
        return status

    def _send(self, command: bytes, wait: float) -> None:
        self.transfer(command)
        self.bus.wait(wait)


class SimSHT31(CommandChip):
    """Acknowledges nothing until a measurement is done; in periodic mode it wants a break before anything else."""

    defaults: ClassVar[Mapping[str, float]] = {"temperature": 21.0, "humidity": 45.0}
    serial = 0x0B5C_3A17
    durations: ClassVar[Mapping[int, float]] = {0x2400: 0.015, 0x240B: 0.006, 0x2416: 0.004}
    """Typical of the part, a little less than the driver waits."""

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.status = WAS_RESET
        self.periodic = False

    def command(self, data: bytes) -> None:
        code = int.from_bytes(data[:2], "big")
        if len(data) != 2:
            self.status |= 0x0002
        elif code == 0x3093:
            self.periodic = False
            self.busy(0.001)
        elif code == 0xF32D:
            self.reply(lambda: pack_words(self.status))
        elif self.periodic:
            self.status |= 0x0002
        else:
            self._idle(code)

    def _idle(self, code: int) -> None:
        self.status &= ~0x0002
        if code == 0x30A2:
            self.status = WAS_RESET
            self.busy(0.0015)
        elif code == 0x3041:
            self.status &= HEATER
        elif code in (0x306D, 0x3066):
            self.status = self.status & ~HEATER | (HEATER if code == 0x306D else 0)
        elif code == 0x3780:
            self.reply(lambda: pack_words(self.serial >> 16, self.serial & 0xFFFF))
        elif code in self.durations:
            self.reply(self.measured, self.durations[code])
        elif code >> 8 in (0x20, 0x21, 0x22, 0x23, 0x27):
            self.periodic = True
        else:
            self.status |= 0x0002

    def measured(self) -> bytes:
        """Both words of one measurement, as they stand in the world now."""
        shares = (self.signal("temperature") + 45) / 175, self.signal("humidity") / 100
        return pack_words(*(min(max(round(share * 65535), 0), 65535) for share in shares))


DRIVER, SIM = SHT31, SimSHT31
