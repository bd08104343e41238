"""The sparse index of a segment: where to begin reading for a record in its middle.

It only saves time. What it lacks is found by reading on from an earlier entry, or from the beginning.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from itertools import accumulate, pairwise
from typing import Any

STEP = 1 << 16
_MOST = 512


class Index:
    """Frames about every 64 KB: number of the first record, outcomes and publishes of the segment before it, offset.

    At most 512 of them: then every other one goes, and the steps double. `due`: the offset from which the next frame
    is wanted.
    """

    __slots__ = ("_columns", "_step", "due")

    def __init__(self) -> None:
        self._columns = tuple(array("Q") for _ in range(4))
        self._step = STEP
        self.due = 0

    def __len__(self) -> int:
        return len(self._columns[0])

    def add(self, sequence: int, outcomes: int, publishes: int, offset: int) -> None:
        """Enter a frame; each stands behind those before."""
        for column, value in zip(self._columns, (sequence, outcomes, publishes, offset), strict=True):
            column.append(value)
        if len(self) > _MOST:
            self._columns = tuple(column[::2] for column in self._columns)
            self._step *= 2
        self.due = offset + self._step

    def seek(self, **wanted: int | None) -> tuple[int, int] | None:
        """Offset and sequence number of a frame from which on everything stands that is wanted; None: the beginning.

        `sequence`: records from that number on; `outcomes`, `publishes`: from that ordinal on. Of several, each must
        be met, so the furthest counts.
        """
        columns = dict(zip(("sequence", "outcomes", "publishes"), self._columns, strict=False))
        at = max((bisect_right(columns[name], value) for name, value in wanted.items() if value is not None), default=0)
        return (self._columns[3][at - 1], self._columns[0][at - 1]) if at else None

    def dump(self) -> list[list[int]]:
        """Plain data for a footer: each column as its first value and the differences from there."""
        return [[after - before for before, after in pairwise([0, *column])] for column in self._columns]

    @classmethod
    def load(cls, data: Any) -> Index:
        """From `dump`; an empty one from anything else."""
        index = cls()
        try:
            rows = list(zip(*(accumulate(column) for column in data), strict=True))
            for row in rows:
                index.add(*row)
        except (TypeError, ValueError, OverflowError):
            return cls()
        return index
