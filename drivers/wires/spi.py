"""Chips on the header's SPI bus. The real wire is opened by `drivers.gpio`, which is gpiozero's and lgpio's home.

A transfer is full duplex and one chip select: as many bytes come as go. There is no acknowledgement on this bus: a chip
that is missing reads as whatever MISO rests at, so a driver has to recognise it by its bytes. A resistor of 10 kOhm
from MISO to 3.3 V makes that certain.
"""

from collections.abc import Callable
from typing import Any, ClassVar

from drivers.base import Device
from drivers.errors import BusFault, BusUnavailable
from drivers.wires.wire import Spi


class HeaderSpi:
    """A gpiozero SPI interface as a wire; made by `HeaderPins.spi`."""

    def __init__(self, name: str, interface: Any, *, wait: Callable[[float], None]) -> None:
        self.name = name
        self._interface = interface
        self._wait = wait

    def transfer(self, data: bytes) -> bytes:
        if self._interface.closed:
            raise BusUnavailable(f"{self.name} is closed")
        try:
            return bytes(self._interface.transfer(list(data)))
        except Exception as error:
            # lgpio's error and gpiozero's OSError have nothing in common
            raise BusFault(f"{self.name}: the transfer failed: {error}") from error

    def wait(self, seconds: float) -> None:
        self._wait(seconds)

    def close(self) -> None:
        self._interface.close()


class SpiDevice(Device):
    """Base of a chip on SPI: `Chip(spi, select, **options)`.

    mode  clock polarity and phase, 0 to 3; rate: clock in Hz
    """

    wire = "spi"
    mode: ClassVar[int] = 0
    rate: ClassVar[int] = 500_000

    def __init__(self, spi: Spi, select: int | None = None) -> None:
        self.spi = spi
        self.select = select

    def start(self) -> None:
        """Take one reading and drop it."""
        self.read()

    def close(self) -> None:
        """Nothing to do for a chip that may simply go on."""
        return
