"""How old a record is, by the journal's own clock: which sequence numbers were given out before which age.

A list of ticks for all streams together, finer for what is young: a record's age is known to a sixteenth of itself.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from itertools import pairwise

EVER = 1 << 62
_PART = 16


class Ages:
    """Each tick says: what has a higher number than `sequence` was appended at `age` or later. Not thread-safe."""

    def __init__(self) -> None:
        self._ages: list[float] = []
        self._sequences: list[int] = []

    @property
    def latest(self) -> float:
        """The age of the last tick; less than any where there is none."""
        return self._ages[-1] if self._ages else -math.inf

    def tick(self, age: float, sequence: int, step: float) -> bool:
        """Remember this moment, if the last one is `step` seconds past."""
        if self._ages and age - self._ages[-1] < step:
            return False
        if self._ages and self._sequences[-1] == sequence:  # nothing came since: later is the better word
            self._ages[-1] = age
            return True
        self._ages.append(age)
        self._sequences.append(sequence)
        self._compact(step)
        return True

    def _compact(self, step: float) -> None:
        """Leave out ticks that are closer together than a sixteenth of their age."""
        now = self._ages[-1]
        kept = [0]
        for at, after in pairwise(range(1, len(self._ages))):
            since = self._ages[kept[-1]]
            if self._ages[after] - since > max(step, (now - self._ages[after]) / _PART):
                kept.append(at)
        if len(self._ages) > 1:
            kept.append(len(self._ages) - 1)
        self._ages = [self._ages[at] for at in kept]
        self._sequences = [self._sequences[at] for at in kept]

    def until(self, age: float) -> int:
        """The highest number that may have been appended at `age` or before: no lower one is younger than the next
        tick, so it is at most a sixteenth too early to call it that old. 0: none; `EVER`: all there are."""
        at = bisect_right(self._ages, age)
        if not at:
            return 0
        return self._sequences[at] if at < len(self._sequences) else EVER

    def dump(self) -> list[tuple[float, int]]:
        """Plain data for a checkpoint."""
        return list(zip(self._ages, self._sequences, strict=True))

    def load(self, data: list[tuple[float, int]]) -> None:
        """From `dump`; raises ValueError for anything else."""
        self._ages = [float(age) for age, _ in data]
        self._sequences = [int(sequence) for _, sequence in data]
