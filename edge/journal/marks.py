"""Which records of one segment an upstream has done with: one bit a record, in the order they stand."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable

_REASONS = 64


class Marks:
    """Bits by ordinal, and how many are set. Only a prefix costs no memory at all."""

    __slots__ = ("_bits", "count", "start")

    def __init__(self, count: int = 0, bits: bytes = b"") -> None:
        self.count = count
        self._bits: bytearray | None = bytearray(bits) if bits else None  # None: exactly the first `count` are set
        self.start = 0  # offset of a frame before which all is settled; 0 where not known

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
        self.start = 0
        return True

    def copy(self) -> Marks:
        """The same marks, to go on separately."""
        return Marks(self.count, bytes(self._bits or b""))

    def add_all(self, ordinals: Iterable[int]) -> None:
        """Set many; back to a prefix where no hole is left."""
        for ordinal in sorted(ordinals):
            self.add(ordinal)
        if self._bits is not None and int.from_bytes(self._bits, "little") == (1 << self.count) - 1:
            self._bits = None

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


def mark_dead(dead: dict[str, dict[str, Marks]], upstream: str, reason: str, ordinals: Iterable[int]) -> None:
    """Remember which records `upstream` refused, and why. At most 64 reasons a segment: the rest share one."""
    reasons = dead.setdefault(upstream, {})
    if reason not in reasons and len(reasons) >= _REASONS:
        reason = "another reason"
    reasons.setdefault(reason, Marks()).add_all(ordinals)


def revive(marks: Marks, reasons: dict[str, Marks], ordinals: Iterable[int]) -> int:
    """Dead letters are pending again; returns how many of `ordinals` were dead letters."""
    count = 0
    for ordinal in ordinals:
        if any(dead.remove(ordinal) for dead in reasons.values()):
            count += marks.remove(ordinal)
    return count
