"""How often a task may start: exact windows, and a bucket that spreads what they let through.

A window (`per_minute`, `per_hour`) counts the starts of the last minute or hour, whenever they came. `burst` adds a
token bucket to the shortest window that is set: at most `burst` starts come back to back, and then one every
window / limit; a pause fills the bucket again, up to `burst`. Both must let a start pass.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

from edge.config.tasks import Limits

_MINUTE, _HOUR = 60.0, 3600.0
_ROUNDING = 1e-6  # seconds: sums of intervals are not exact, and who comes on time is not too early


class Rate(Protocol):
    """Asked first, told afterwards. Times are monotonic seconds. One thread."""

    def full(self, now: float) -> bool:
        """Whether one more start would be too many."""
        ...

    def count(self, now: float) -> None:
        """One more started."""
        ...


class Window:
    """At most `limit` starts in any `seconds`. Exact: it remembers the last `limit` moments."""

    __slots__ = ("_limit", "_seconds", "_starts")

    def __init__(self, limit: int, seconds: float) -> None:
        self._limit = limit
        self._seconds = seconds
        self._starts: deque[float] = deque(maxlen=limit)

    def full(self, now: float) -> bool:
        starts = self._starts
        return len(starts) == self._limit and now - starts[0] < self._seconds

    def count(self, now: float) -> None:
        self._starts.append(now)


class Bucket:
    """At most `size` starts back to back, and one every `interval` seconds in the long run.

    Kept as the moment at which the bucket is full again (the "virtual scheduling" form of a token bucket), so that
    nothing has to be refilled.
    """

    __slots__ = ("_full_at", "_interval", "_slack")

    def __init__(self, size: int, interval: float) -> None:
        self._interval = interval
        self._slack = (size - 1) * interval
        self._full_at = 0.0

    def full(self, now: float) -> bool:
        return self._full_at - now > self._slack + _ROUNDING

    def count(self, now: float) -> None:
        self._full_at = max(self._full_at, now) + self._interval


def rates(limits: Limits) -> list[tuple[str, Rate]]:
    """What a task's `limits:` ask for, each with the reason that a rejected outcome gives."""
    windows = [("per_minute", limits.per_minute, _MINUTE), ("per_hour", limits.per_hour, _HOUR)]
    given = [(reason, limit, seconds) for reason, limit, seconds in windows if limit is not None]
    made: list[tuple[str, Rate]] = [(reason, Window(limit, seconds)) for reason, limit, seconds in given]
    if given and limits.burst is not None:
        _, limit, seconds = given[0]
        made.append(("burst", Bucket(limits.burst, seconds / limit)))
    return made
