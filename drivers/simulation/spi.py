"""The simulated end of an SPI wire: a chip that answers bytes with as many; see `drivers.wires.spi`."""

from abc import abstractmethod
from collections.abc import Callable

from drivers.simulation.line import SimEnd, SimLine


class SimSpiChip(SimEnd):
    """The chip's side of SPI."""

    @abstractmethod
    def exchange(self, data: bytes) -> bytes:
        """Bytes on MOSI while it is selected, and as many on MISO."""

    def line(self, *, wait: Callable[[float], None] | None = None) -> "SimSpi":
        return SimSpi(self, wait=wait)


class SimSpi(SimLine[SimSpiChip]):
    """An SPI bus with one chip, with the contract of `Spi`.

    rests   what MISO rests at while no chip drives it: high with the recommended resistor
    """

    wire = "spi"
    rests = True

    def transfer(self, data: bytes) -> bytes:
        with self.exchange(data):
            if not self.heard:
                return (b"\xff" if self.rests else b"\0") * len(data)
            return self.faults.distort(self.part.exchange(data))
