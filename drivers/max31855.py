"""Maxim MAX31855 thermocouple amplifier on SPI: the hot end, and the chip's own temperature as the cold junction.

Bit positions, steps (0.25 and 0.0625 degC) and the fault bits are those of Linux
`drivers/iio/temperature/maxim_thermocouple.c` and of Adafruit's `max31855` 3.3.0; the datasheet was not seen. Bits 17
and 3 are always 0, and a word of nothing but zeros or ones is an empty line: 0.00 degC at both ends in the same moment
is read as that, once.
"""

from collections.abc import Mapping
from typing import ClassVar, Literal

from drivers.base import Reading
from drivers.errors import BadData, Nack, WrongChip
from drivers.kit.quantity import Quantity
from drivers.sim import World
from drivers.simulation.spi import SimSpiChip
from drivers.wires.spi import SpiDevice

FAULTS = {
    0x1: "the thermocouple is not connected, or broken",
    0x2: "the thermocouple touches ground",
    0x4: "the thermocouple touches the supply",
}


class MAX31855(SpiDevice):
    """One transfer of four bytes a reading; the chip measures by itself."""

    temperature = Quantity("degC", step=0.25, low=-270, high=1800)
    junction = Quantity("degC", step=0.0625, low=-55, high=125)

    def read(self) -> Reading:
        data = self.spi.transfer(bytes(4))
        word = int.from_bytes(data, "big")
        if word in (0, 0xFFFFFFFF):
            raise Nack(f"{self.spi.name}: no MAX31855 answers: check wiring, power and `select:`")
        if word & 0x0002_0008:
            raise WrongChip(f"{self.spi.name}: {data.hex(' ')} has bits that a MAX31855 never sets: another chip")
        faults = [text for bit, text in FAULTS.items() if word & bit]
        if faults or word & 0x0001_0000:
            raise BadData(f"{self.spi.name}: {', '.join(faults) or 'the MAX31855 reports a fault'}")
        hot = int.from_bytes(data[:2], "big", signed=True) >> 2
        cold = int.from_bytes(data[2:], "big", signed=True) >> 4
        return self.reading(temperature=hot * 0.25, junction=cold * 0.0625)


class SimMAX31855(SimSpiChip):
    """Says its 32 bits whatever it hears. `fault`: what is wrong at the screws."""

    defaults: ClassVar[Mapping[str, float]] = {"temperature": 180.0, "junction": 24.0}

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.fault: Literal["open", "ground", "supply"] | None = None

    def exchange(self, data: bytes) -> bytes:
        hot = min(max(round(self.signal("temperature") * 4), -8192), 8191)
        cold = min(max(round(self.signal("junction") * 16), -2048), 2047)
        bits = f"{hot & 0x3FFF:014b}0{int(self.fault is not None)}{cold & 0xFFF:012b}0"
        bits += "".join(str(int(self.fault == end)) for end in ("supply", "ground", "open"))
        return (int(bits, 2).to_bytes(4, "big") + bytes(len(data)))[: len(data)]


DRIVER, SIM = MAX31855, SimMAX31855
