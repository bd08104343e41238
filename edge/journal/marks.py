"""Which records of one segment an upstream has done with: one bit a record, in the order they stand."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable, Iterator


class Marks:
    """Bits by ordinal, and how many are set. Only a prefix costs no memory at all."""

    __slots__ = ("_bits", "count")

    def __init__(self, count: int = 0, bits: bytes = b"") -> None:
        self.count = count
        self._bits: bytearray | None = bytearray(bits) if bits else None  # None: exactly the first `count` are set

    def __contains__(self, ordinal: int) -> bool:
        if self._bits is None:
            return ordinal < self.count
        byte = ordinal >> 3
        return byte < len(self._bits) and bool(self._bits[byte] >> (ordinal & 7) & 1)

    def add(self, ordinal: int) -> bool:
        """Set one; False where it was set."""
        if ordinal in self:
            return False
        if self._bits is None:
            if ordinal == self.count:
                self.count += 1
                return True
            self._bits = bytearray(((1 << self.count) - 1).to_bytes((self.count >> 3) + 1, "little"))
        byte = ordinal >> 3
        if byte >= len(self._bits):
            self._bits.extend(bytes(byte + 1 - len(self._bits)))
        self._bits[byte] |= 1 << (ordinal & 7)
        self.count += 1
        return True

    def remove(self, ordinal: int) -> bool:
        """Clear one; False where it was not set."""
        if ordinal not in self:
            return False
        if self._bits is None:
            self._bits = bytearray(((1 << self.count) - 1).to_bytes((self.count >> 3) + 1, "little"))
        self._bits[ordinal >> 3] &= ~(1 << (ordinal & 7))
        self.count -= 1
        return True

    def copy(self) -> Marks:
        """The same marks, to go on separately."""
        return Marks(self.count, bytes(self._bits or b""))

    def add_all(self, ordinals: Iterable[int]) -> int:
        """Set many, and be a prefix again where no hole is left; returns how many were not set."""
        before = self.count
        for ordinal in sorted(ordinals):
            self.add(ordinal)
        if self._bits is not None and int.from_bytes(self._bits, "little") == (1 << self.count) - 1:
            self._bits = None
        return self.count - before

    @property
    def mask(self) -> int:
        """All of them as one number, the first ordinal in its lowest bit."""
        return (1 << self.count) - 1 if self._bits is None else int.from_bytes(self._bits, "little")

    @property
    def prefix(self) -> int:
        """How many are set before the first that is not."""
        if self._bits is None:
            return self.count
        unset = ~self.mask
        return (unset & -unset).bit_length() - 1

    def __iter__(self) -> Iterator[int]:
        return (ordinal for ordinal in range(self.mask.bit_length()) if ordinal in self)

    def dump(self) -> list[int | str]:
        """Plain data for a checkpoint."""
        if self._bits is None:
            return [self.count]
        return [self.count, base64.b85encode(zlib.compress(bytes(self._bits), 1)).decode()]

    @classmethod
    def load(cls, data: list[int | str]) -> Marks:
        """From `dump`; raises ValueError for anything else."""
        if len(data) == 1:
            return cls(int(data[0]))
        try:
            return cls(int(data[0]), zlib.decompress(base64.b85decode(str(data[1]))))
        except zlib.error as error:
            raise ValueError(f"marks cannot be read: {error}") from None


def ranges(ordinals: Iterable[int]) -> list[int]:
    """Ordinals as [first, last, first, last, ...]: acknowledged in order, a batch is two numbers."""
    flat: list[int] = []
    for ordinal in sorted(ordinals):
        if flat and ordinal == flat[-1] + 1:
            flat[-1] = ordinal
        else:
            flat += (ordinal, ordinal)
    return flat


def unranged(flat: list[int]) -> list[int]:
    """The ordinals that `ranges` wrote."""
    return [ordinal for first, last in zip(flat[::2], flat[1::2], strict=True) for ordinal in range(first, last + 1)]
