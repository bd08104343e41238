"""Microchip MCP3008: eight analogue inputs of 10 bits on SPI, as voltages.

The command (start bit, single-ended, three bits of channel), the 10 bits of the answer and their worth of
reference / 1024 are those of Linux `drivers/iio/adc/mcp320x.c` and of Adafruit's `mcp3xxx` 1.5.2; the datasheet was
not seen. One bit before the value is always 0: where it is not, no chip drives the line.

Without the resistor at MISO (`drivers.wires.spi`) a missing chip reads as 0 V on every channel: that is a measurement
like any other, and nothing can tell.
"""

from collections.abc import Mapping
from typing import ClassVar

from drivers.base import Reading
from drivers.errors import Nack, OutOfRange
from drivers.sim import World
from drivers.simulation.spi import SimSpiChip
from drivers.wires.spi import SpiDevice
from drivers.wires.wire import Spi

CHANNELS = tuple(f"ch{number}" for number in range(8))
STEPS = 1024


class MCP3008(SpiDevice):
    """Eight transfers of three bytes a reading, one after the other.

    reference   volts at VREF, the value of a full scale
    """

    channels: ClassVar[Mapping[str, str]] = dict.fromkeys(CHANNELS, "V")
    resolution: ClassVar[Mapping[str, float]] = dict.fromkeys(CHANNELS, 3.3 / STEPS)

    def __init__(self, spi: Spi, select: int | None = None, *, reference: float = 3.3) -> None:
        super().__init__(spi, select)
        if not 0.25 <= reference <= 5.5:
            raise OutOfRange(f"reference must be 0.25 to 5.5 V, not {reference:g}")
        self.reference = reference

    def limits(self) -> Mapping[str, tuple[float, float]]:
        return dict.fromkeys(CHANNELS, (0.0, self.reference * (STEPS - 1) / STEPS))

    def read(self) -> Reading:
        return self.reading(**{name: self._volts(number) for number, name in enumerate(CHANNELS)})

    def _volts(self, number: int) -> float:
        answer = self.spi.transfer(bytes([0x01, 0x80 | number << 4, 0x00]))
        if answer[1] & 0x04:
            raise Nack(f"{self.spi.name}: no MCP3008 answers: check wiring, power and `select:`")
        return ((answer[1] & 0x03) << 8 | answer[2]) * self.reference / STEPS


class SimMCP3008(SimSpiChip):
    """Bit by bit: waits for a 1, takes four bits, samples for one clock, says 0 and then ten bits."""

    defaults: ClassVar[Mapping[str, float]] = dict.fromkeys(CHANNELS, 0.0)

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.reference = 3.3

    def fit(self, device: MCP3008) -> None:
        self.reference = device.reference

    def exchange(self, data: bytes) -> bytes:
        heard = [byte >> (7 - place) & 1 for byte in data for place in range(8)]
        said = [1] * len(heard)  # the resistor at MISO, until the chip drives it
        if 1 in heard:
            start = heard.index(1)
            mode = heard[start + 1 : start + 5]
            answer = [0, *self._bits(mode)] if len(mode) == 4 else []
            for place, bit in enumerate(answer, start + 6):
                if place < len(said):
                    said[place] = bit
        return bytes(int("".join(map(str, said[at : at + 8])), 2) for at in range(0, len(said), 8))

    def _bits(self, mode: list[int]) -> list[int]:
        single, channel = mode[0], mode[1] * 4 + mode[2] * 2 + mode[3]
        volts = self.signal(f"ch{channel}")
        if not single:
            volts -= self.signal(f"ch{channel ^ 1}")
        counts = min(max(int(volts / self.reference * 1024), 0), 1023)
        return [counts >> place & 1 for place in range(9, -1, -1)]


DRIVER, SIM = MCP3008, SimMCP3008
