"""A bus that fails once, between a driver and its simulated chip."""

from __future__ import annotations

from drivers import Bus, Nack
from drivers.base import Timed
from drivers.errors import BusError


class Failing:
    """A bus on which one transfer, counted from now, ends in an error."""

    def __init__(self, bus: Bus, left: int = -1, error: type[BusError] = Nack) -> None:
        """`left` transfers go through before it; a negative number means that none fails."""
        self.bus = bus
        if isinstance(bus, Timed):
            self.now = bus.now
        self.left = left
        self.error = error

    def transfer(self, address: int, write: bytes, read: int = 0) -> bytes:
        self.left -= 1
        if self.left == -1:
            raise self.error("scripted")
        return self.bus.transfer(address, write, read)

    def wait(self, seconds: float) -> None:
        self.bus.wait(seconds)

    def close(self) -> None:
        self.bus.close()
