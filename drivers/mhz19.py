"""Winsen MH-Z19 (B, C) carbon dioxide sensor on a serial port.

Commands, answer and checksum are those of the package `mh-z19` 3.1.7 by UedaTakeyuki, which also gives the (coarse,
undocumented) temperature; that the sensor shows plausible but constant values for three minutes after power-on is
reported by users of WifWaf/MH-Z19 and Tasmota; the datasheet was not seen.

abc: true    "automatic baseline correction": once a day the lowest value seen is taken for 400 ppm, fresh air
abc: false   for rooms that nobody airs, such as greenhouses and cellars: there ABC pulls the values down day by day

Zero and span calibration are not offered: sent at the wrong moment they spoil the sensor for good.
"""

from collections.abc import Mapping
from typing import ClassVar

from drivers.base import Reading, Seconds
from drivers.errors import BadData
from drivers.kit.quantity import Quantity
from drivers.sim import World
from drivers.simulation.uart import SimTalker
from drivers.wires.uart import Line, SerialDevice

READ, ABC = 0x86, 0x79


class MHZ19(SerialDevice):
    """Blocking until the answer came: some 20 ms, 1 s where it does not come."""

    co2 = Quantity("ppm", step=1, low=0, high=10_000)
    temperature = Quantity("degC", step=1, low=-40, high=100)
    every = Seconds(10.0)

    def __init__(self, line: Line, port: str | None = None, *, abc: bool = True) -> None:
        super().__init__(line, port)
        self.abc = abc

    def start(self) -> None:
        """Set the baseline correction, and take one reading and drop it."""
        self.line.write(command(ABC, 0xA0 if self.abc else 0x00))
        # some answer this command and some do not
        self.line.wait(0.1)
        self.read()

    def read(self) -> Reading:
        self.line.drain()
        self.line.write(command(READ))
        answer = self.line.read(9, within=1.0)
        if answer[:2] == bytes([0xFF, ABC]):
            # a late answer to what `start` said
            answer = self.line.read(9, within=1.0)
        if len(answer) < 9:
            raise self.silence()
        if answer[0] != 0xFF or answer[1] != READ:
            raise BadData(
                f"{self.line.name}: {answer.hex(' ')} is no answer of an MH-Z19: another sensor, or lost bytes"
            )
        if checksum(answer[1:8]) != answer[8]:
            raise BadData(f"{self.line.name}: wrong checksum: a long or noisy line")
        ppm = answer[2] << 8 | answer[3]
        if ppm == 0:
            raise BadData(f"{self.line.name}: the MH-Z19 has no value yet: it warms up for three minutes")
        return self.reading(co2=float(ppm), temperature=float(answer[4] - 40))


def command(code: int, *arguments: int) -> bytes:
    """The nine bytes of a command."""
    body = bytes([0x01, code, *arguments]).ljust(7, b"\0")
    return b"\xff" + body + bytes([checksum(body)])


def checksum(seven: bytes) -> int:
    """What makes the seven bytes before it and itself add up to a multiple of 256."""
    return -sum(seven) & 0xFF


class SimMHZ19(SimTalker):
    """Answers command 86; remembers in `abc` what it was told.

    noisy   one bit of the answers is wrong; `warming` shows no value, as in its first minutes
    """

    command = 9
    defaults: ClassVar[Mapping[str, float]] = {"co2": 620.0, "temperature": 22.0}

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.abc = True
        self.noisy = False
        self.warming = False

    def obey(self, data: bytes) -> None:
        if data[:2] != b"\xff\x01" or (0xFF - sum(data[1:8]) % 256 + 1) % 256 != data[8]:
            return
        if data[2] == 0x79:
            self.abc = data[3] == 0xA0
            self.say(self._framed([0x79, 1, 0, 0, 0, 0, 0]), after=0.02)
        elif data[2] == 0x86:
            ppm = 0 if self.warming else min(max(round(self.signal("co2")), 1), 65535)
            celsius = min(max(round(self.signal("temperature")), -40), 215)
            self.say(self._framed([0x86, ppm // 256, ppm % 256, celsius + 40, 0, 0, 0]), after=0.02)

    def _framed(self, seven: list[int]) -> bytes:
        frame = [0xFF, *seven, (255 - sum(seven) % 256 + 1) % 256]
        if self.noisy:
            frame[3] ^= 0x10
        return bytes(frame)


DRIVER, SIM = MHZ19, SimMHZ19
