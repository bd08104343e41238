"""Sensirion SCD40, SCD41 and SCD43: carbon dioxide, temperature and humidity, measured by itself every five seconds.

Commands, waiting times, limits and what is allowed while it measures are those of Sensirion's `embedded-i2c-scd4x`
(scd4x_i2c.h, model version 2.0); that 0x8000 means "nothing new", and that a chip which measures does not acknowledge
other commands, was also said by a Sensirion engineer (raspberry-pi-i2c-scd4x, issue 6). The datasheet was not seen.

That a single measurement is for the SCD41 and SCD43, what an SCD40 makes of it, and the variant's code are told in
Adafruit's `adafruit_scd4x` 1.4.13 and the header of a newer version of Sensirion's.

A sample is one read of the chip's buffer, which that empties. The chip's five seconds and ours drift apart, so a read
may wait for the next measurement: a moment in a steady rhythm, up to five seconds for the first sample and where the
device is asked more often than the chip measures.
"""

from collections.abc import Mapping
from typing import ClassVar

from drivers.base import Driver, Reading, Seconds
from drivers.errors import BadData, Nack, NotStarted, OutOfRange, WrongChip
from drivers.kit.crc import pack_words, unpack_words
from drivers.kit.quantity import Quantity
from drivers.sim import World
from drivers.simulation.silicon import CommandChip
from drivers.wires.wire import Bus

START, STOP, READY, MEASUREMENT, SERIAL = b"\x21\xb1", b"\x3f\x86", b"\xe4\xb8", b"\xec\x05", b"\x36\x82"
OFFSET, ALTITUDE, PRESSURE, SELF_CALIBRATION = b"\x24\x1d", b"\x24\x27", b"\xe0\x00", b"\x24\x16"
SHOT, VARIANT = b"\x21\x9d", b"\x20\x2f"
SINGLE_SHOT = (0x1000, 0x5000)
"""The variants SCD41 and SCD43."""
PERIOD, LOOK = 5.0, 0.1
"""Seconds between measurements, and between two looks whether there is one."""


class SCD4X(Driver):
    """Blocking: 3 ms where a measurement waits, else until there is one, 6 s at most. `start()` takes half a second.

    altitude            metres above the sea, 0 to 3000: the chip corrects CO2 by the usual pressure there
    pressure            hPa, 700 to 1200: the same by a known pressure; one of the two
    temperature_offset  degC, 0 to 20: how much warmer the housing makes it; a new chip has 4
    self_calibration    takes the lowest CO2 of a week for fresh air (400 ppm); false where that never comes in
    single_shot         SCD41 and SCD43: it rests between samples and measures when asked, which holds the bus for 5 s;
                        self-calibration then counts on a sample every five minutes

    What is not given stays as the chip has it.
    """

    co2 = Quantity("ppm", step=1, low=0, high=40000)
    temperature = Quantity("degC", step=0.0027, low=-10, high=60)
    humidity = Quantity("%", step=0.0016, low=0, high=100)
    every: ClassVar[Seconds] = Seconds(10.0)
    address = 0x62
    addresses = (0x62,)

    def __init__(
        self,
        bus: Bus,
        address: int | None = None,
        *,
        altitude: float | None = None,
        pressure: float | None = None,
        temperature_offset: float | None = None,
        self_calibration: bool | None = None,
        single_shot: bool = False,
    ) -> None:
        super().__init__(bus, address)
        if altitude is not None and pressure is not None:
            raise OutOfRange("altitude and pressure correct the same thing: give one of them")
        self._who = f"the SCD4x at {self.address:#04x}"
        self._settings: list[tuple[bytes, int]] = []
        if self_calibration is not None:
            self._settings.append((SELF_CALIBRATION, int(self_calibration)))
        if temperature_offset is not None:
            offset = _within("temperature_offset", temperature_offset, 0, 20, "degC")
            self._settings.append((OFFSET, round(offset * 65535 / 175)))
        if altitude is not None:
            self._settings.append((ALTITUDE, round(_within("altitude", altitude, 0, 3000, "m"))))
        if pressure is not None:
            self._settings.append((PRESSURE, round(_within("pressure", pressure, 700, 1200, "hPa"))))
        self._single_shot = single_shot
        self._started = False

    def start(self) -> None:
        self._started = False
        # one that measures takes no other command; one that does not mind
        self.transfer(STOP)
        self.bus.wait(0.5)
        serial = self._ask(SERIAL, 3)
        if len(set(serial)) == 1:
            raise WrongChip(f"{self.address:#04x} gives one and the same word for everything: it is no SCD4x")
        if self._single_shot:
            (variant,) = self._ask(VARIANT, 1)
            if variant & 0xF000 not in SINGLE_SHOT:
                raise WrongChip(f"{self._who} has no single_shot: only SCD41 and SCD43 have it")
        else:
            self._set()
            self.transfer(START)
        self._started = True

    def read(self) -> Reading:
        if not self._started:
            raise NotStarted(f"{self._who} is not started")
        if self._single_shot:
            # the settings go with every sample: one that lost its power would not tell
            self._set()
            self.transfer(SHOT)
            self.bus.wait(PERIOD)
        self._await()
        co2, temperature, humidity = self._ask(MEASUREMENT, 3)
        if co2 == 0:
            raise BadData(f"{self._who} gave no CO2 value: its measurement failed, check its power supply")
        return self.reading(
            co2=float(co2), temperature=-45 + 175 * temperature / 65535, humidity=100 * humidity / 65535
        )

    def _await(self) -> None:
        for _ in range(round(1.2 * PERIOD / LOOK)):
            (ready,) = self._ask(READY, 1)
            if ready & 0x7FF:
                return
            self.bus.wait(LOOK)
        self._started = False
        raise BadData(f"{self._who} does not measure any more: it lost its power or was stopped; it needs a new start")

    def _set(self) -> None:
        for command, word in self._settings:
            self.transfer(command + pack_words(word))
            self.bus.wait(0.001)

    def _ask(self, command: bytes, words: int) -> tuple[int, ...]:
        self.transfer(command)
        self.bus.wait(0.001)
        return unpack_words(self.transfer(b"", 3 * words), self._who)


def _within(option: str, value: float, low: int, high: int, unit: str) -> float:
    if not low <= value <= high:
        raise OutOfRange(f"{option} must be {low} to {high} {unit}, not {value:g}")
    return value


class SimSCD4X(CommandChip):
    """Idle or measuring. While it measures it acknowledges only what may be asked then; its buffer is read once."""

    defaults: ClassVar[Mapping[str, float]] = {"co2": 600.0, "temperature": 21.0, "humidity": 45.0}
    serial = (0x1307, 0x9F07, 0x3B37)
    """That of a real one (raspberry-pi-i2c-scd4x, issue 3)."""
    variant = 0x1000
    """An SCD41."""

    getters: ClassVar[Mapping[int, int]] = {0x2318: 0x241D, 0x2322: 0x2427, 0x2313: 0x2416, 0xE000: 0xE000}
    while_measuring = (0xEC05, 0xE4B8, 0x3F86, 0xE000)

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self._forget()

    def power_up(self) -> None:
        """The supply dropped: settings that were not saved are gone, and it needs a second to come up."""
        self._forget()
        self.busy(1.0)

    def _forget(self) -> None:
        self.settings = {0x241D: 1498, 0x2427: 0, 0x2416: 1, 0xE000: 1013}
        self.measuring = False
        self._until = 0.0
        self._fresh: bytes | None = None

    def command(self, data: bytes) -> None:
        code = int.from_bytes(data[:2], "big")
        if self.measuring and code not in self.while_measuring:
            raise Nack(f"{self.name}: no answer: the chip measures and takes no other command")
        if len(data) == 5:
            self._set(code, data[2:])
        elif code == 0x21B1:
            self.measuring, self._until, self._fresh = True, 5.0, None
        elif code == 0x3F86:
            self.measuring, self._fresh = False, None
            self.busy(0.5)
        elif code == 0xE4B8:
            self.reply(lambda: pack_words(0x8006 if self._fresh else 0x8000), 0.0009)
        elif code == 0xEC05:
            fresh, self._fresh = self._fresh, None
            self.reply(lambda: fresh or b"", 0.0009)
        elif code == 0x3682:
            self.reply(lambda: pack_words(*self.serial), 0.0009)
        elif code == 0x202F:
            self.reply(lambda: pack_words(self.variant | 0x0440), 0.0009)
        elif code == 0x219D:
            self.reply(self._shot, 4.99)
        elif code in self.getters:
            self.reply(lambda: pack_words(self.settings[self.getters[code]]), 0.0009)

    def elapse(self, seconds: float) -> None:
        super().elapse(seconds)
        if not self.measuring:
            return
        self._until -= seconds
        if self._until <= 1e-9:
            self._until = self._until % 5.0 or 5.0
            self._fresh = self.measured()

    def _shot(self) -> bytes:
        self._fresh = self.measured()
        return b""

    def measured(self) -> bytes:
        """The words of one measurement, as they stand in the world now."""
        words = (
            round(self.signal("co2")),
            round((self.signal("temperature") + 45) / 175 * 65535),
            round(self.signal("humidity") / 100 * 65535),
        )
        return pack_words(*(min(max(word, 0), 65535) for word in words))

    def _set(self, code: int, argument: bytes) -> None:
        if pack_words(int.from_bytes(argument[:2], "big")) != argument or code not in self.settings:
            raise Nack(f"{self.name}: no answer: the chip does not take this setting")
        self.settings[code] = int.from_bytes(argument[:2], "big")
        self.busy(0.0009)


DRIVER, SIM = SCD4X, SimSCD4X
