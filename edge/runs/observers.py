"""The observers of edge.yaml at work: loaded once, told of every run, dropped when they raise."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from edge.errors import TaskLoadError
from edge.model import Status
from edge.observer import ObservedEnd, ObservedRun, Observer
from edge.runs.load import own
from edge.runs.run import Ending, Run

log = logging.getLogger(__name__)

_KILLED: dict[Status, Literal["timeout", "cancelled"]] = {
    Status.TIMEOUT: "timeout",
    Status.CANCELLED: "cancelled",
}


class Observers:
    """Any thread. Never raises: what an observer raises is logged with its trace, and that one is left out from then
    on."""

    def __init__(self, observers: Sequence[Observer] = (), now: Callable[[], float] = lambda: 0.0) -> None:
        """`now` is monotonic seconds."""
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
            try:
                getattr(observer, hook)(_seen(run), *arguments)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a spectator must not harm the run
                self._drop(observer, hook, error)

    def _drop(self, observer: Observer, hook: str, error: BaseException) -> None:
        with self._lock:
            rest = tuple(one for one in self._observers if one is not observer)
            if len(rest) == len(self._observers):
                return  # another thread was first
            self._observers = rest
        name, kind = type(observer).__name__, type(error).__name__
        message = "observer %s raised %s in %s and is told nothing more"
        log.error(message, name, kind, hook, exc_info=error, extra={"action": "observer_removed"})


def _seen(run: Run) -> ObservedRun:
    event = run.event._replace(values=MappingProxyType(dict(run.event.values)))
    correlation_id = event.correlation_id or event.id
    return ObservedRun(run.id, run.task.name, run.task.engine.name, run.attempt, event, correlation_id)


def load_observers(places: Sequence[str], now: Callable[[], float]) -> Observers:
    """The observers at `FILE.py:CLASS`. Raises `TaskLoadError`."""
    return Observers([_load(place) for place in places], now)


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
