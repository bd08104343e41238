"""What may start now: rate limits, modes and queues of each task. And how a "no" is recorded.

A rejection is an outcome, but a flood of them must not become a flood of outcomes: one a task, reason and minute,
with a count.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from edge.clock import Clock
from edge.model import Event
from edge.runs.load import Task
from edge.runs.run import Run

_MINUTE, _HOUR = 60.0, 3600.0


class Rate:
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


class Gate:
    """One task's way in. Used by the dispatch thread; `ended` under the pipeline's lock."""

    __slots__ = ("_rates", "closed", "pending", "running", "task", "waiting")

    def __init__(self, task: Task) -> None:
        limits = task.settings.limits
        self.task = task
        self.closed = ""  # why nothing of this task runs any more
        self.running = 0  # runs that left the leader and go on beside it
        self.pending = 0  # promised runs whose outcome is not written
        self.waiting: deque[Run] = deque()  # promised and durable, waiting for this task's own turn
        self._rates: list[tuple[str, Rate]] = []
        if limits.per_minute is not None:
            self._rates.append(("per_minute", Rate(limits.per_minute, _MINUTE)))
        if limits.per_hour is not None:
            self._rates.append(("per_hour", Rate(limits.per_hour, _HOUR)))

    def admit(self, now: float) -> str | None:
        """None, or why not: `removed`, `per_minute`, `per_hour`, `busy`, `queue_full`."""
        settings = self.task.settings
        if self.closed:
            return "removed"
        for reason, rate in self._rates:
            if rate.full(now):
                return reason
        if settings.mode == "single" and self.pending:
            return "busy"
        if self.pending >= settings.queue:
            return "queue_full"
        for _, rate in self._rates:
            rate.count(now)
        return None

    def follow(self, before: Gate) -> None:
        """Answer for the runs of the gate that had this name before, too."""
        self.running, self.pending, self.waiting = before.running, before.pending, before.waiting

    @property
    def idle(self) -> bool:
        """Whether nothing stands between a run and its beginning at once."""
        return not (self.pending or self.closed)

    @property
    def free(self) -> bool:
        """Whether another run of this task may begin beside those that go on."""
        settings = self.task.settings
        return self.running < (settings.max_runs if settings.mode == "parallel" else 1)


@dataclass(slots=True)
class _Refused:
    event: Event
    until: float
    count: int = 0


@dataclass(slots=True)
class Refusals:
    """Counts what was refused, by task and reason, and gives each back once when its minute is over."""

    clock: Clock
    _open: dict[tuple[str, str], _Refused] = field(default_factory=dict)

    def add(self, task: str, reason: str, event: Event) -> None:
        refused = self._open.get((task, reason))
        if refused is None:
            refused = self._open[task, reason] = _Refused(event, self.clock.monotonic() + _MINUTE)
        refused.count += 1

    @property
    def deadline(self) -> float | None:
        if not self._open:
            return None
        return min(refused.until for refused in self._open.values())

    def due(self, *, all: bool = False) -> list[tuple[str, str, Event, int]]:
        """(task, reason, first event, count) of every minute that is over; of every one at shutdown."""
        now = self.clock.monotonic()
        over = [key for key, refused in self._open.items() if all or refused.until <= now]
        taken = [(key, self._open.pop(key)) for key in over]
        return [(task, reason, refused.event, refused.count) for (task, reason), refused in taken]
