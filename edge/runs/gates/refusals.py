"""How a "no" is recorded: one rejected outcome a task, reason and minute, with a count.

A rejection is an outcome, but a flood of them must not become a flood of outcomes.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from edge.clock import Clock
from edge.model import Event

_MINUTE = 60.0

_MEANT = {
    "too_many_hops": "its event came through too many publishes of tasks",
    "breaker_open": "it keeps failing and is left alone; `edge status` says why, `edge tasks reset {task}` lets it run",
    "per_minute": "as many as limits.per_minute allows started within the last minute",
    "per_hour": "as many as limits.per_hour allows started within the last hour",
    "burst": "as many as limits.burst allows came back to back; a little later it may run again",
    "busy": "a run of it goes on, and mode is single",
    "queue_full": "as many as queue allows wait already",
    "quota": "as many as runs.waiting allows wait already, of all tasks",
    "app_over": "the app has had all its runs or its time is over; `edge apps list` shows what is left",
    "removed": "it was removed",
}


def explained(reason: str, task: str) -> str:
    """What that word means for a person."""
    return _MEANT.get(reason, reason).format(task=task)


@dataclass(slots=True)
class _Refused:
    event: Event
    until: float
    count: int = 0


@dataclass(slots=True)
class Refusals:
    """Counts what was refused, by task and reason, and gives each back once when its minute is over. Any thread: who
    stops the runtime takes the rest while the lead may still go on."""

    clock: Clock
    _open: dict[tuple[str, str], _Refused] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, task: str, reason: str, event: Event) -> None:
        with self._lock:
            refused = self._open.get((task, reason))
            if refused is None:
                refused = self._open[task, reason] = _Refused(event, self.clock.monotonic() + _MINUTE)
            refused.count += 1

    @property
    def deadline(self) -> float | None:
        if not self._open:
            return None
        with self._lock:
            return min((refused.until for refused in self._open.values()), default=None)

    def due(self, *, all: bool = False) -> list[tuple[str, str, Event, int]]:
        """(task, reason, first event, count) of every minute that is over; of every one at shutdown."""
        now = self.clock.monotonic()
        with self._lock:
            over = [key for key, refused in self._open.items() if all or refused.until <= now]
            taken = [(key, self._open.pop(key)) for key in over]
        return [(task, reason, refused.event, refused.count) for (task, reason), refused in taken]
