"""Aosong DHT22 (AM2302) through the kernel's IIO driver `dht11`: temperature and relative humidity.

    dtoverlay=dht11,gpiopin=4

The pulses of this sensor are too short for user space, and the kernel misses some as well: a reading that failed is
tried again. That a failed transfer ends in EIO or ETIMEDOUT, that both values come from one transfer which stays good
for 2 s, and the units are those of Linux `drivers/iio/humidity/dht11.c`; the datasheet was not seen. A SHT3x on I2C is
the better choice where there is one.
"""

from collections.abc import Mapping
from typing import ClassVar

from drivers.base import Reading, Seconds
from drivers.errors import BusError, OutOfRange
from drivers.kit.quantity import Quantity
from drivers.sim import World
from drivers.simulation.sysfs import SimFiles
from drivers.wires.sysfs import SysfsDevice, Tree, translated

PAUSE = 2.0
"""Seconds between two attempts, as long as the kernel waits before it asks the sensor anew."""


class DHT22(SysfsDevice):
    """Blocking: an attempt takes up to 1.1 s, and after each that failed the sensor rests for 2 s."""

    temperature = Quantity("degC", step=0.1, low=-40, high=80)
    humidity = Quantity("%", step=0.1, low=0, high=100)
    every = Seconds(10.0)
    tree_name = "iio"
    folder = "/sys/bus/iio/devices"
    prefix = ("iio:device",)
    advice = "switch it on with dtoverlay=dht11,gpiopin=4 (the pin it is on)"

    def __init__(self, tree: Tree, id: str | None = None, *, attempts: int = 3) -> None:
        super().__init__(tree, id)
        if not 1 <= attempts <= 10:
            raise OutOfRange(f"attempts must be 1 to 10, not {attempts}")
        self.attempts = attempts

    def is_it(self, name: str) -> bool:
        return any(told.startswith("dht11") for told in self.called(name))

    def read(self) -> Reading:
        for _ in range(self.attempts - 1):
            try:
                return self._attempt()
            except BusError as error:
                if not error.retry:
                    raise
            self.tree.wait(PAUSE)
        return self._attempt()

    def _attempt(self) -> Reading:
        # the first file makes the transfer, the second is answered from it
        temperature = self.number("in_temp_input") / 1000
        return self.reading(temperature=temperature, humidity=self.number("in_humidityrelative_input") / 1000)


class SimDHT22(SimFiles):
    """The kernel's `dht11` device: tenths, kept for 2 s; the next `misses` transfers lose edges."""

    defaults: ClassVar[Mapping[str, float]] = {"temperature": 21.0, "humidity": 45.0}
    node, label = "iio:device0", "dht11@4"

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.misses = 0
        self.transfers = 0
        self._kept: tuple[float, int, int] | None = None

    def paths(self) -> list[str]:
        return [f"{self.place}/{file}" for file in ("name", "in_temp_input", "in_humidityrelative_input")]

    def text(self, path: str) -> str:
        if path.endswith("/name"):
            return self.label
        _, temperature, humidity = self._measured(path)
        return str(100 * (temperature if path.endswith("/in_temp_input") else humidity))

    def _measured(self, path: str) -> tuple[float, int, int]:
        now = self.now()
        if self._kept is None or now - self._kept[0] >= 2.0:
            self.transfers += 1
            if self.misses:
                self.misses -= 1
                self._kept = None
                raise translated(path, 5 if self.misses % 2 else 110)  # EIO, ETIMEDOUT
            self._kept = now, round(self.signal("temperature") * 10), round(self.signal("humidity") * 10)
        return self._kept


DRIVER, SIM = DHT22, SimDHT22
