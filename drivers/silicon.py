"""What many simulated chips are made of, beyond the plain registers of `drivers.sim`.

class SimTMP102(WordChip):
    words = {0: 0, 1: 0x60A0, 2: 0x4B00, 3: 0x5000}      # register -> value after power-on
    writable = {1: 0x9FDF, 2: 0xFFFF, 3: 0xFFFF}          # register -> bits a driver can change

    def load(self, register): ...                         # registers that show the world
"""

from collections.abc import Mapping
from typing import ClassVar, Literal

from drivers.sim import SimChip, World


class WordChip(SimChip):
    """A pointer that stays where it is put, and registers of 16 bits: sensors of TI, Microchip, Vishay.

    words      register -> value after power-on; a register that is not here reads as all ones
    writable   register -> the bits a driver can change; a register that is not here is read-only
    sizes      register -> bytes, where it is not two
    order      which byte comes first
    pointers   the bits of the pointer that the chip looks at
    """

    words: ClassVar[Mapping[int, int]]
    writable: ClassVar[Mapping[int, int]] = {}
    sizes: ClassVar[Mapping[int, int]] = {}
    order: ClassVar[Literal["big", "little"]] = "big"
    pointers: ClassVar[int] = 0xFF

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.power_up()

    def power_up(self) -> None:
        """Forget everything, as when the supply drops."""
        self.pointer = 0
        self.held = dict(self.words)
        self._converting = None

    def write(self, data: bytes) -> None:
        self.pointer = data[0] & self.pointers
        size = self.sizes.get(self.pointer, 2)
        if len(data) > size:
            self.store(self.pointer, int.from_bytes(data[1 : 1 + size], self.order))

    def read(self, count: int) -> bytes:
        word = self.load(self.pointer) if self.pointer in self.words else 0xFFFF
        size = self.sizes.get(self.pointer, 2)
        return ((word & (1 << 8 * size) - 1).to_bytes(size, self.order) + b"\xff" * count)[:count]

    def load(self, register: int) -> int:
        """One register as the driver sees it; negative numbers are two's complement on the wire."""
        return self.held[register]

    def store(self, register: int, value: int) -> None:
        """One register written by the driver; override for side effects."""
        mask = self.writable.get(register, 0)
        if mask:
            self.held[register] = self.held[register] & ~mask | value & mask


def counts(value: float, step: float, low: int, high: int) -> int:
    """`value` in whole steps, held within what the converter can show."""
    return min(max(round(value / step), low), high)
