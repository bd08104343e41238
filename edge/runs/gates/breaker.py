"""A circuit breaker: a task that keeps failing is left alone for a while, and then tried with one run.

    closed ---- `timeouts` in a row, or `failures` percent of the last `of` ----> open
    open ------ after `pause` ----> half-open: one run may try
    half-open - it succeeds ----> closed;  it fails ----> open, for twice the pause, up to `longest`

It judges outcomes, not attempts: a run that is tried again and then succeeds has not failed.
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum

from edge.config.tasks import Breaker as Settings
from edge.model import Status


class State(StrEnum):
    """What a breaker lets through: all, one run that tries, nothing."""

    CLOSED = "closed"
    HALF_OPEN = "half-open"
    OPEN = "open"


class Breaker:
    """One task's breaker, a state machine without a clock or a lock of its own: times are monotonic seconds, and
    whoever calls from several threads holds the pipeline's lock."""

    __slots__ = ("_failed", "_last", "_pause", "_settings", "_streak", "_trying", "reason", "since", "until")

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.reset()

    def reset(self) -> None:
        """Close it, and forget what it has seen."""
        self.since = 0.0
        """When it opened; it may have tried since."""
        self.until: float | None = None
        """When one run may try; None while it is closed."""
        self.reason = ""
        """Why it opened; empty while it is closed."""
        self._pause: float = self._settings.pause
        self._trying: str | None = None
        self._streak = 0  # timeouts in a row
        self._last: deque[bool] = deque()  # whether they failed, at most `of`
        self._failed = 0  # of these

    def state(self, now: float) -> State:
        """As it stands at `now`."""
        if self.until is None:
            return State.CLOSED
        return State.OPEN if now < self.until else State.HALF_OPEN

    def admits(self, now: float, *, waiting: bool) -> bool:
        """Whether a new start is accepted. `waiting`: runs that were promised before it; they try first."""
        if self.until is None:
            return True
        return now >= self.until and self._trying is None and not waiting

    def lets(self, run: str, now: float) -> bool:
        """Whether the run with that id may begin; while half-open the first one that asks is the one that tries."""
        if self.until is None:
            return True
        if now < self.until or self._trying not in (None, run):
            return False
        self._trying = run
        return True

    def ended(self, run: str, status: Status, now: float) -> None:
        """A run has its outcome. One that was cancelled says nothing about the task; while the breaker is not closed,
        only the run that tries counts."""
        tried = run == self._trying
        if tried:
            self._trying = None
        if status in (Status.CANCELLED, Status.REJECTED):
            return
        failed = status in (Status.FAILURE, Status.TIMEOUT)
        if self.until is None:
            self._count(status, failed)
            if reason := self._judge():
                self._open(reason, now)
        elif tried and failed:
            self._pause = min(self._pause * 2, self._settings.longest)
            self.until = now + self._pause
        elif tried:
            self.reset()

    def _count(self, status: Status, failed: bool) -> None:
        self._streak = self._streak + 1 if status is Status.TIMEOUT else 0
        self._last.append(failed)
        self._failed += failed
        if len(self._last) > self._settings.of:
            self._failed -= self._last.popleft()

    def _judge(self) -> str:
        settings = self._settings
        if settings.timeouts and self._streak >= settings.timeouts:
            return f"{self._streak} timeouts in a row" if self._streak > 1 else "a timeout"
        seen = len(self._last)
        if settings.failures and seen >= settings.of and self._failed * 100 >= settings.failures * seen:
            return f"{self._failed} of the last {seen} runs failed" if seen > 1 else "the last run failed"
        return ""

    def _open(self, reason: str, now: float) -> None:
        self.reason = reason
        self.since = now
        self.until = now + self._pause
