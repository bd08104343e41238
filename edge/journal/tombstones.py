"""Tombstones: which records were given up, by range of sequence numbers.

Invariants
- For every upstream and reason the counts of its tombstones are what its books call dropped, whatever was merged.
- Their number is bounded: beyond `MOST`, the two oldest of a kind become one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from edge.clock import iso

MOST = 300


@dataclass(slots=True)
class Tombstone:
    """`count` records of a class, from sequence number `first` to `last` with others between them, were given up while
    each of `upstreams` waited for them. `time`: wall clock in seconds, when the last of them was."""

    first: int
    last: int
    klass: str
    reason: str
    upstreams: tuple[str, ...]
    count: int
    time: float

    def like(self, other: Tombstone) -> bool:
        """Whether the two may become one."""
        return (self.klass, self.reason, self.upstreams) == (other.klass, other.reason, other.upstreams)

    def absorb(self, other: Tombstone) -> None:
        """Be both."""
        self.first, self.last = min(self.first, other.first), max(self.last, other.last)
        self.count += other.count
        self.time = max(self.time, other.time)


class Tombstones:
    """All of a journal, oldest first. Not thread-safe: the journal's books lock guards it."""

    def __init__(self) -> None:
        self._all: list[Tombstone] = []

    def __iter__(self) -> Iterator[Tombstone]:
        return iter(self._all)

    def add(self, tombstone: Tombstone, *, joins: bool = False) -> None:
        """`joins`: nothing of its class is kept between it and the last one like it, so both are one range."""
        last = next((known for known in reversed(self._all) if known.like(tombstone)), None)
        joins = joins and last is not None and last.last < tombstone.first
        if last is not None and (joins or last.first - 1 <= tombstone.first <= last.last + 1):
            last.absorb(tombstone)
            return
        self._all.append(tombstone)
        if len(self._all) > MOST:
            self._merge_oldest()

    def _merge_oldest(self) -> None:
        for at, older in enumerate(self._all):
            for newer in self._all[at + 1 :]:
                if older.like(newer):
                    newer.absorb(older)
                    del self._all[at]
                    return

    def stats(self) -> list[dict[str, Any]]:
        """As `edge journal stats --json` shows them."""
        return [
            {
                "first": one.first,
                "last": one.last,
                "class": one.klass,
                "reason": one.reason,
                "upstreams": list(one.upstreams),
                "count": one.count,
                "time": iso(one.time),
            }
            for one in self._all
        ]

    def dump(self) -> list[list[Any]]:
        """Plain data for a checkpoint."""
        return [[one.first, one.last, one.klass, one.reason, one.upstreams, one.count, one.time] for one in self._all]

    def load(self, data: list[list[Any]]) -> None:
        """From `dump`; raises ValueError or TypeError for anything else."""
        self._all = [
            Tombstone(first, last, klass, reason, tuple(upstreams), count, time)
            for first, last, klass, reason, upstreams, count, time in data
        ]
