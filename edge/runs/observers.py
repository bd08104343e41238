"""The observers of edge.yaml at work: loaded once, told of every run, dropped when they raise."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from edge.errors import TaskLoadError
from edge.model import Status
from edge.observer import ObservedEnd, ObservedRun, Observer
from edge.runs.calls import DIRECT, CallLate, Calls
from edge.runs.load import own
from edge.runs.run import Ending, Run
from edge.runs.text import for_a_test

log = logging.getLogger(__name__)

LONGEST = 1.0  # seconds that a hook may take: whoever leads or watches waits for it

_KILLED: dict[Status, Literal["timeout", "cancelled"]] = {
    Status.TIMEOUT: "timeout",
    Status.CANCELLED: "cancelled",
}


class Observers:
    """Any thread. Never raises, and never waits long: an observer that raises, or takes longer than `LONGEST`, is left
    out from then on, and the log says why."""

    def __init__(
        self, observers: Sequence[Observer] = (), now: Callable[[], float] = lambda: 0.0, calls: Calls = DIRECT
    ) -> None:
        """`now` is monotonic seconds; `calls` are theirs alone: who hangs here takes nobody else's place."""
        self.calls = calls
        self._observers = tuple(observers)
        self._now = now
        self._lock = threading.Lock()

    def started(self, run: Run) -> None:
        if self._observers:
            self._tell("started", run)

    def step(self, run: Run, use: str) -> None:
        if self._observers:
            self._tell("step", run, use)

    def tool_call(self, run: Run, tool: str, operation: str) -> None:
        if self._observers:
            self._tell("tool_call", run, tool, operation)

    def ended(self, run: Run, ending: Ending, *, stuck: bool = False) -> None:
        """`finished`, or `killed` and why; `stuck`: its thread did not return."""
        if not self._observers:
            return
        end = ObservedEnd(
            status=ending.status.value,
            result=ending.result,
            error=None if ending.error is None else MappingProxyType(dict(ending.error)),
            usage=MappingProxyType(run.usage.data()),
            seconds=self._now() - run.started,
        )
        why = "stuck" if stuck else _KILLED.get(ending.status)
        if why is None:
            self._tell("finished", run, end)
        else:
            self._tell("killed", run, end, why)

    def _tell(self, hook: str, run: Run, *arguments: Any) -> None:
        for observer in self._observers:
            call = partial(getattr(observer, hook), _seen(run), *arguments)
            try:
                self.calls.make(call, LONGEST)
            except BaseException as error:  # a spectator must not harm the run
                if for_a_test(error):
                    raise
                self._drop(observer, hook, error)

    def _drop(self, observer: Observer, hook: str, error: BaseException) -> None:
        with self._lock:
            rest = tuple(one for one in self._observers if one is not observer)
            if len(rest) == len(self._observers):
                return  # another thread was first
            self._observers = rest
        name, extra = type(observer).__name__, {"action": "observer_removed"}
        if isinstance(error, CallLate):
            log.error("observer %s hangs in %s (%s) and is told nothing more", name, hook, error, extra=extra)
        else:
            message = "observer %s raised %s in %s and is told nothing more"
            log.error(message, name, type(error).__name__, hook, exc_info=error, extra=extra)


def _seen(run: Run) -> ObservedRun:
    event = run.event._replace(values=MappingProxyType(dict(run.event.values)))
    correlation_id = event.correlation_id or event.id
    return ObservedRun(run.id, run.task.name, run.task.engine.name, run.attempt, event, correlation_id)


def load_observers(places: Sequence[str], now: Callable[[], float]) -> Observers:
    """The observers at `FILE.py:CLASS`. Raises `TaskLoadError`."""
    return Observers([_load(place) for place in places], now, Calls())


def _load(place: str) -> Observer:
    made = own("runs.observers", place, Path.cwd())
    try:
        observer = made()
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        raise TaskLoadError(f"runs.observers: {place} cannot be made without arguments: {why}") from error
    if not isinstance(observer, Observer):
        raise TaskLoadError(f"runs.observers: {place} is no edge.Observer; write `class ...(Observer):`")
    return observer
