"""Whether a new version fails more often than the one before it.

A run failed when its outcome is `failure` or `timeout`; `success` and `partial` did not; what was rejected or cancelled
says nothing about the code and is not counted. The old version's runs are all it had since it was installed.

"Worse" is Fisher's exact test, one-sided: were both versions equally good, and of all the runs of both together the
same number had failed, how likely is it that so many or more of the failures fall to the new one? The trial is looked
at after every run, and looking often finds something in the end, so the chance of an error is shared out: half of
`ERROR` for the verdict at the end, half for all looks before it together (Bonferroni). A version that is as good as
the old one is therefore rolled back in at most 5 of 100 trials, and one that always fails goes after two or three runs
where the old one never did.

An old version that ran less often than the new one has is counted as though it had run as often and not failed in the
rest: nothing is known against it, and it is what there was.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

ERROR = 0.05


@dataclass(frozen=True, slots=True)
class Tally:
    """How a version has done: runs that count, how many of them failed, and how many missed their goal."""

    runs: int = 0
    failed: int = 0
    missed: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.runs + other.runs, self.failed + other.failed, self.missed + other.missed)

    def __sub__(self, other: Tally) -> Tally:
        return Tally(self.runs - other.runs, self.failed - other.failed, self.missed - other.missed)


NOTHING = Tally()


def chance(new: Tally, old: Tally) -> float:
    """How likely at least so many of the failures fall to `new` if both are equally good: the hypergeometric tail."""
    failed, rest = new.failed + old.failed, new.runs + old.runs - new.failed - old.failed
    every = _ways(failed + rest, new.runs)
    counts = range(new.failed, min(failed, new.runs) + 1)
    return sum(math.exp(_ways(failed, count) + _ways(rest, new.runs - count) - every) for count in counts)


def _ways(all: int, some: int) -> float:
    """The logarithm of how many ways there are to choose: the numbers themselves have thousands of digits."""
    if not 0 <= some <= all:
        return -math.inf
    return math.lgamma(all + 1) - math.lgamma(some + 1) - math.lgamma(all - some + 1)


def is_worse(new: Tally, old: Tally, *, looks: int, last: bool) -> bool:
    """The verdict after a run; `looks` is how many runs a trial has, `last` whether this is its end."""
    known = Tally(max(old.runs, new.runs), old.failed)
    level = ERROR / 2 if last else ERROR / 2 / max(1, looks - 1)
    return new.failed > 0 and chance(new, known) < level
