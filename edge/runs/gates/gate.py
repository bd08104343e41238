"""One task's way in, and all that is kept of a task while it is configured: `Gates` has one for each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from edge.clock import Clock
from edge.model import Status
from edge.runs.gates.breaker import Breaker, State
from edge.runs.gates.queue import RunQueue
from edge.runs.gates.rates import rates
from edge.runs.load import Task
from edge.runs.run import Run
from edge.telemetry import Counter, Telemetry

_LEVELS = {State.CLOSED: 0, State.HALF_OPEN: 1, State.OPEN: 2}


class Gate:
    """`admit` and `lets` belong to the leading thread; what they read is changed under the pipeline's lock."""

    __slots__ = (
        "_most",
        "_rates",
        "breaker",
        "closed",
        "ended",
        "missed",
        "pending",
        "retried",
        "retrying",
        "running",
        "task",
        "waiting",
    )

    def __init__(self, task: Task, telemetry: Telemetry) -> None:
        settings = task.settings
        self.task = task
        self.closed = ""
        """Why nothing of this task begins any more."""
        self.ended: Mapping[Status, Counter] = {
            status: telemetry.counter("edge_runs_total", task=task.name, status=status.value) for status in Status
        }
        self.missed = telemetry.counter("edge_goal_violations_total", task=task.name)
        """Counts outcomes that are partial because the task's `check:` was not so."""
        self.retried = telemetry.counter("edge_retries_total", task=task.name)
        """Counts attempts that were followed by another."""
        self.pending: dict[str, Run] = {}
        """Promised runs without an outcome by id, the latest attempt of each, in the order of their acceptance."""
        self.running = 0
        """Runs that left the lead and go on beside it."""
        self.retrying: set[Run] = set()
        """Attempts that wait for their time, and then for their place."""
        self.waiting = RunQueue()
        """Durable runs that wait for this task's turn or for its breaker."""
        self.breaker = None if settings.breaker is None else Breaker(settings.breaker)
        self._rates = rates(settings.limits)
        self._most = settings.max_runs if settings.mode == "parallel" else 1

    def admit(self, now: float, *, crowded: bool) -> str | None:
        """None, or why not: `removed`, `breaker_open`, `per_minute`, `per_hour`, `burst`, `busy`, `queue_full`,
        `quota`.

        `crowded`: all tasks together have as many promised runs as may be; what begins at once needs no promise.
        """
        if self.closed:
            return "removed"
        if self.breaker is not None and not self.breaker.admits(now, waiting=self._promised_wait):
            return "breaker_open"
        for reason, rate in self._rates:
            if rate.full(now):
                return reason
        if (crowded or self.pending) and (reason := self._crowded(crowded)):
            return reason
        for _, rate in self._rates:
            rate.count(now)
        return None

    @property
    def _promised_wait(self) -> bool:
        """Whether a promised run would begin if it could; one that waits for its time cannot."""
        return bool(self.waiting.runs) or len(self.pending) > self.running + len(self.retrying)

    def _crowded(self, crowded: bool) -> str:
        mode = self.task.settings.mode
        if mode == "restart" and self.pending:
            return ""  # it takes a place that is taken already
        if mode == "single" and self.pending:
            return "busy"
        if len(self.pending) >= self.task.settings.queue:
            return "queue_full"
        return "quota" if crowded and (self.pending or not self.task.direct) else ""

    @property
    def idle(self) -> bool:
        """Whether nothing of this task stands between a run and its beginning at once."""
        return not (self.pending or self.closed)

    def follow(self, before: Gate) -> None:
        """Answer for the runs of the gate that had this name before, too."""
        self.pending, self.running = before.pending, before.running
        self.retrying, self.waiting = before.retrying, before.waiting

    def lets(self, run: Run, now: float) -> bool:
        """Whether that run may begin now, beside those that go on.

        Where a task's runs take turns, one that is tried again keeps its turn.
        """
        if self.running >= self._most or (self._most == 1 and self.retrying and run not in self.retrying):
            return False
        return self.breaker is None or self.breaker.lets(run.id, now)

    def places(self, now: float) -> int:
        """How many of those in `waiting` may be looked at."""
        blocked = self.breaker is not None and self.breaker.state(now) is State.OPEN
        return 0 if blocked else self._most - self.running


class Broken(NamedTuple):
    """A breaker that is not closed. `since` and `until` are monotonic seconds; the latter may be over."""

    task: str
    state: State
    reason: str
    since: float
    until: float


class Gates(dict[str, Gate]):
    """Every task's gate by its name, and what they share. A task that goes leaves a gate that is closed."""

    def __init__(self, tasks: Iterable[Task], *, quota: int, clock: Clock, telemetry: Telemetry) -> None:
        super().__init__()
        self.quota = quota
        """How many promised runs all tasks together may have."""
        self.promised = 0
        """How many they have."""
        self._clock = clock
        self._telemetry = telemetry
        for task in tasks:
            self.add(task)

    def add(self, task: Task) -> Gate:
        """The gate of a task, with its counters; it takes the place of what had the name. Under the pipeline's lock,
        once it runs."""
        gate = Gate(task, self._telemetry)
        if (before := self.get(task.name)) is not None:
            gate.follow(before)
        self[task.name] = gate
        if (breaker := gate.breaker) is not None:
            read = lambda: _LEVELS[breaker.state(self._clock.monotonic())]  # noqa: E731
            self._telemetry.gauge("edge_breaker_state", read, task=task.name)
        return gate

    @property
    def crowded(self) -> bool:
        """No more may be promised."""
        return self.promised >= self.quota

    def broken(self) -> Iterator[Broken]:
        """Every breaker that is not closed."""
        now = self._clock.monotonic()
        for name, gate in tuple(self.items()):
            breaker = None if gate.closed else gate.breaker
            if breaker is not None and (until := breaker.until) is not None:
                state = State.OPEN if now < until else State.HALF_OPEN
                yield Broken(name, state, breaker.reason, breaker.since, until)
