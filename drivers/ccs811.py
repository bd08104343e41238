"""ams CCS811: total volatile organic compounds, and the carbon dioxide that people who breathe them out would make.

Registers, id, status and mode bits, and the block that holds a result with its status and error are those of Linux
`drivers/iio/chemical/ccs811.c`; the environment's format, the baseline and the 0.1 s after the start of the application
those of Adafruit's `adafruit_ccs811` 1.3.24; what the error bits mean is the list of `ccs811-rs`. The ranges are those
that Keyestudio names for today's firmware; those of the first, on page 9 of the datasheet (the only page seen), are
8192 ppm and 1187 ppb.

It measures by itself. eCO2 is computed from the compounds: it knows nothing of carbon dioxide. The same page asks for
20 minutes of running before a result is good and before a baseline may be written, so a repeated `start()` does not
reset a chip that runs, `close()` does not stop it, and no option writes `device.baseline`: do so when it is warm. It
stretches the clock: 10 kHz on boards before the Pi 4.
"""

import struct
from collections.abc import Mapping
from typing import ClassVar, Literal

from drivers.base import Driver, Identity, Reading, Seconds
from drivers.errors import BadData, OutOfRange
from drivers.kit.quantity import Quantity
from drivers.registers import Bits, Register
from drivers.simulation.silicon import WordChip, counts
from drivers.wires.wire import Bus

ERROR, READY, APPLICATION, RUNNING = 0x01, 0x08, 0x10, 0x80
"""Bits of the status: see the error register; a new result; firmware is there; it runs."""
MODES = {1: 1, 10: 2, 60: 3}
LOOK = 0.1
WRONG = (
    "a write to an unknown register", "a read of an unknown register", "an unknown mode",
    "a sensor resistance beyond the range", "a heater current beyond the range", "a heater without its voltage",
)  # fmt: skip


class CCS811(Driver):
    """Blocking: 2 ms where a result waits, else until there is one, `period` at most and a fifth more.

    period       seconds between two measurements: 1, 10 or 60; slower takes less current
    humidity     %, and
    temperature  degC of the air, which the chip corrects for
    """

    eco2 = Quantity("ppm", step=1, low=400, high=29_206)
    tvoc = Quantity("ppb", step=1, low=0, high=32_768)
    every: ClassVar[Seconds] = Seconds(10.0)
    address = 0x5A
    addresses = (0x5A, 0x5B)
    # hardware id and version
    identity = (Identity(0x20, (0x81,)), Identity(0x21, (0x10,), mask=0xF0))
    obeys = (0xF4,)
    stretches = True

    status = Register(0x00, writable=False)
    mode = Register(0x01)
    drive = Bits(mode, low=4, width=3)
    environment = Register(0x05, size=4)
    # low byte first: so it is the number that Adafruit's driver shows
    baseline = Register(0x11, size=2, endian="little")
    error = Register(0xE0, writable=False)

    def __init__(
        self,
        bus: Bus,
        address: int | None = None,
        *,
        period: Literal[1, 10, 60] = 1,
        humidity: float = 50.0,
        temperature: float = 25.0,
    ) -> None:
        super().__init__(bus, address)
        if not (0 <= humidity <= 100 and -25 <= temperature <= 100):
            raise OutOfRange(f"the air has 0 to 100 % and -25 to 100 degC, not {humidity:g} % and {temperature:g} degC")
        self._period = period
        self._air = round(humidity * 512) << 16 | round((temperature + 25) * 512)
        self._who = f"the CCS811 at {self.address:#04x}"

    def start(self) -> None:
        self.identify()
        # what others asked wrongly before us is told once, and forgotten
        _ = self.error
        if not self.status & RUNNING:
            self._run()
        if self.drive != MODES[self._period]:
            self.keep(CCS811.mode, MODES[self._period] << 4)
        self.environment = self._air
        self._complain(self.error)

    def read(self) -> Reading:
        for _ in range(round(1.2 * self._period / LOOK)):
            status = self.status
            if not status & RUNNING:
                raise BadData(f"{self._who} does not run: it lost its power or was reset; it needs a new start")
            if status & (READY | ERROR):
                break
            self.bus.wait(LOOK)
        else:
            raise BadData(f"{self._who} does not measure any more; it needs a new start")
        block = self.transfer(b"\x02", 6)
        if block[4] & ERROR:
            self._complain(self.error)
        eco2, tvoc = struct.unpack_from(">2H", block)
        return self.reading(eco2=float(eco2), tvoc=float(tvoc))

    def _run(self) -> None:
        if not self.status & APPLICATION:
            raise BadData(f"{self._who} has no valid firmware: replace it")
        self.transfer(b"\xf4")
        self.bus.wait(0.1)
        if not self.status & RUNNING:
            raise BadData(f"{self._who} does not start its firmware: check its power supply and that nWAKE is low")

    def _complain(self, errors: int) -> None:
        found = [text for bit, text in enumerate(WRONG) if errors >> bit & 1]
        if found:
            raise BadData(f"{self._who} reports {' and '.join(found)}")


class SimCCS811(WordChip):
    """Wakes up in its boot loader, which knows few registers; its application measures once a period.

    What it is asked and does not know is an error, kept until somebody reads it.
    """

    defaults: ClassVar[Mapping[str, float]] = {"eco2": 600.0, "tvoc": 40.0}
    words: ClassVar[Mapping[int, int]] = {
        0x00: 0,
        0x01: 0,
        0x02: 0,
        0x05: 0x64006400,
        0x11: 0xB8F4,
        0x20: 0x81,
        0x21: 0x12,
        0xE0: 0,
    }
    writable: ClassVar[Mapping[int, int]] = {0x01: 0x7C, 0x05: 0xFFFFFFFF, 0x11: 0xFFFF}
    sizes: ClassVar[Mapping[int, int]] = {0x00: 1, 0x01: 1, 0x02: 8, 0x05: 4, 0x20: 1, 0x21: 1, 0xE0: 1}
    boot = (0x00, 0x20, 0x21, 0xE0)
    periods: ClassVar[Mapping[int, float]] = {1: 1.0, 2: 10.0, 3: 60.0, 4: 0.25}

    def power_up(self) -> None:
        super().power_up()
        self.running = self.fresh = False
        self.errors = 0

    def write(self, data: bytes) -> None:
        if data == b"\xf4":
            self.running = True
        elif data == b"\xff\x11\xe5\x72\x8a":
            self.power_up()
        elif data[0] in (self.words if self.running else self.boot):
            super().write(data)
        else:
            self.errors |= 0b01 if len(data) > 1 else 0b10

    def store(self, register: int, value: int) -> None:
        super().store(register, value)
        if register == 0x01:
            self._converting = None
            self._begin()

    def converted(self) -> None:
        eco2 = counts(self.signal("eco2"), 1.0, 400, 29_206)
        tvoc = counts(self.signal("tvoc"), 1.0, 0, 32_768)
        self.held[0x02] = eco2 << 48 | tvoc << 32 | 0x0A1B
        self.fresh = True
        self._begin()

    def load(self, register: int) -> int:
        status = self.running << 7 | 0x10 | self.fresh << 3 | bool(self.errors)
        if register == 0x00:
            return status
        if register == 0x02:
            self.fresh = False
            return self.held[0x02] | status << 24 | self.errors << 16
        if register == 0xE0:
            errors, self.errors = self.errors, 0
            return errors
        return super().load(register)

    def _begin(self) -> None:
        mode = self.held[0x01] >> 4 & 0b111
        if mode in self.periods:
            self.convert(self.periods[mode])


DRIVER, SIM = CCS811, SimCCS811
