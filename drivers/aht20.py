"""Aosong AHT20 (AHT21, AHT25, DHT20, AM2301B): temperature and relative humidity, one measurement on demand.

Commands, status bits, times, conversion and checksum are those of Zephyr's `drivers/sensor/aosong/dht20` and of the
datasheet's passage quoted in Zephyr pull request 41702: 40 ms after power-up, then the calibration bit, 0xBE where it
is missing. That the status is read without a command before it, and that one confuses the chip: aht20-driver pull
request 10. The datasheet itself was not seen.

The 20 ms after a reset are those of adafruit-circuitpython-ahtx0. The AHT10 has no checksum: `driver: aht10`. The
chip measures for 80 ms; oftener than every two seconds warms it.
"""

from collections.abc import Mapping
from typing import ClassVar

from drivers.base import Driver, Reading, Seconds
from drivers.crc import check, crc8
from drivers.errors import BadData, Nack
from drivers.quantity import Quantity
from drivers.sim import SimChip, World

RESET, INITIALISE, MEASURE = b"\xba", b"\xbe\x08\x00", b"\xac\x33\x00"
BUSY, CALIBRATED = 0x80, 0x08


class AHT20(Driver):
    """Blocking: 80 ms a reading."""

    temperature = Quantity("degC", step=0.0002, low=-40, high=85)
    humidity = Quantity("%", step=0.0001, low=0, high=100)
    every: ClassVar[Seconds] = Seconds(5.0)
    address = 0x38
    addresses = (0x38,)
    initialise: ClassVar[bytes] = INITIALISE
    initialises: ClassVar[float] = 0.010
    obeys = range(0x100)

    def start(self) -> None:
        self.transfer(RESET)
        self.bus.wait(0.040)
        if not self._status() & CALIBRATED:
            self.transfer(self.initialise)
            self.bus.wait(self.initialises)
        if not self._status() & CALIBRATED:
            raise BadData(f"{self._who} does not load its calibration: check its power supply, or replace it")
        self._prove()

    def _prove(self) -> None:
        # it has no id, but a checksum that fits
        self.read()

    def read(self) -> Reading:
        self.transfer(MEASURE)
        self.bus.wait(0.080)
        for _ in range(5):
            answer = self.transfer(b"", 7)
            if not answer[0] & BUSY:
                return self._decode(answer)
            self.bus.wait(0.010)
        raise BadData(f"{self._who} takes too long to measure")

    def _decode(self, answer: bytes) -> Reading:
        data = self._checked(answer)
        if not data[0] & CALIBRATED:
            raise BadData(f"{self._who} lost its calibration while it measured: check its power supply")
        both = int.from_bytes(data[1:], "big")
        return self.reading(temperature=(both & 0xFFFFF) * 200 / 0x100000 - 50, humidity=(both >> 20) * 100 / 0x100000)

    def _checked(self, answer: bytes) -> bytes:
        """Six bytes that can be believed."""
        return check(answer, self._who)

    def _status(self) -> int:
        return self.transfer(b"", 1)[0]

    @property
    def _who(self) -> str:
        return f"the {type(self).__name__} at {self.address:#04x}"


class SimAHT20(SimChip):
    """Answers while it measures, and says that it is busy; after a reset it does not answer for a while.

    It wakes up without its calibration, as some do.
    """

    defaults: ClassVar[Mapping[str, float]] = {"temperature": 21.0, "humidity": 45.0}
    initialise = b"\xbe\x08\x00"

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.power_up()

    def power_up(self) -> None:
        """What the chip knows after its supply came up or after a reset."""
        self.status = 0x10
        self.data = bytes(5)
        self._left: float | None = None
        self._asleep = 0.0

    def write(self, data: bytes) -> None:
        self._wake()
        if data == b"\xba":
            self.power_up()
            self._asleep = 0.019
        elif data == self.initialise:
            self.status |= 0x08
        elif data[:1] == b"\xac" and len(data) == 3:
            self.status |= 0x80
            self._left = 0.075
        else:
            raise Nack(f"{self.name}: no answer: the chip does not know {data.hex(' ')}")

    def read(self, count: int) -> bytes:
        self._wake()
        return self.answer(bytes([self.status]) + self.data).ljust(count, b"\xff")[:count]

    def answer(self, data: bytes) -> bytes:
        """What it makes of status and measurement: a checksum stands behind them."""
        return data + bytes([crc8(data)])

    def elapse(self, seconds: float) -> None:
        self._asleep -= seconds
        if self._left is None:
            return
        self._left -= seconds
        if self._left <= 0:
            self._left = None
            self.status &= ~0x80
            self.data = self.measured()

    def _wake(self) -> None:
        if self._asleep > 0:
            raise Nack(f"{self.name}: no answer: the chip wakes up")

    def measured(self) -> bytes:
        """20 bits of humidity, then 20 of temperature, as they stand in the world now."""
        shares = self.signal("humidity") / 100, (self.signal("temperature") + 50) / 200
        humidity, temperature = (min(max(round(share * 1048576), 0), 1048575) for share in shares)
        return (humidity << 20 | temperature).to_bytes(5, "big")


DRIVER, SIM = AHT20, SimAHT20
