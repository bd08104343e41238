"""Aosong AHT10: as the AHT20, but with another command for its initialisation and without a checksum.

What differs is told in Adafruit's issue CircuitPython_AHTx0 3 (0xE1 instead of 0xBE) and done so by `adafruit_ahtx0`
1.0.30 and radon-lab's NixieClock (up to 0.35 s until it is initialised); six bytes and no checksum is how all read it.
The datasheet was not seen.

Without a checksum and an id, a disturbed wire gives a wrong value that only its jump can betray. What `start()` can
check is that the chip says it is busy while it measures, and that it is no AHT20.
"""

from collections.abc import Mapping
from typing import ClassVar

from drivers.aht20 import AHT20, BUSY, MEASURE, SimAHT20
from drivers.base import FASTEST
from drivers.errors import WrongChip
from drivers.kit.crc import crc8


class AHT10(AHT20):
    """Blocking: 80 ms a reading."""

    slew: ClassVar[Mapping[str, float]] = {"temperature": FASTEST["degC"], "humidity": FASTEST["%"]}
    initialise = b"\xe1\x08\x00"
    initialises = 0.35

    def _prove(self) -> None:
        # one checksum may fit by chance, two do not
        if all(self._fits() for _ in range(2)):
            raise WrongChip(f"{self._who} sends a checksum: it is an AHT20; use it, with driver: aht20")
        self.read()

    def _fits(self) -> bool:
        self.transfer(MEASURE)
        if not self._status() & BUSY:
            raise WrongChip(f"{self.address:#04x} is not busy while it should measure: another chip answers there")
        self.bus.wait(0.080)
        answer = self.transfer(b"", 7)
        return crc8(answer[:6]) == answer[6]

    def _checked(self, answer: bytes) -> bytes:
        return answer[:6]


class SimAHT10(SimAHT20):
    """Ends after six bytes: whoever reads on reads ones."""

    initialise = b"\xe1\x08\x00"

    def answer(self, data: bytes) -> bytes:
        return data


DRIVER, SIM = AHT10, SimAHT10
