"""The warm processes of one task: one that stays, and as many more as runs go on at once.

A process that ended or was killed is replaced at once, without waiting for the new one: that loads the task's file
while nobody needs it, and whoever needs it waits for it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

import orjson

from edge.clock import Clock
from edge.errors import TaskLoadError
from edge.runs.worker.frames import SHORT_ROOM, Garbled, Kind
from edge.runs.worker.process import Died, Late, Process

log = logging.getLogger(__name__)

LOADING = 60.0  # seconds that a task's file may take to load: numpy from a slow card

Fork = Callable[[bool], Process]
"""A new process for the task; whether it stays. Raises OSError, `Late` and `Died`."""


class Pool:
    """Any thread."""

    def __init__(self, name: str, fork: Fork, clock: Clock) -> None:
        self._name = name
        self._fork = fork
        self._clock = clock
        self._lock = threading.Lock()
        self._idle: list[Process] = []
        self._staying = False
        self.degraded = ""
        """Why it has no process at the moment, empty when it has."""

    def open(self) -> dict[str, Any]:
        """Start the one that stays; what it says of the task's file. Raises `TaskLoadError`."""
        try:
            process = self._start()
        except (OSError, Late, Died) as error:
            raise TaskLoadError(f"tasks.{self._name}: its worker cannot be started: {error}") from error
        try:
            facts = _until_ready(process, self._clock.monotonic() + LOADING)
        except Late:
            process.close()
            raise TaskLoadError(f"tasks.{self._name}: its file did not load within {LOADING:g} s") from None
        except Died as died:
            process.close()
            raise TaskLoadError(f"tasks.{self._name}: {died}, while it loaded the task's file") from None
        except TaskLoadError:
            process.close()
            raise
        self.give(process)
        return facts

    def take(self, until: float) -> Process:
        """One that is ready for a run: give it back or lose it. Raises `Late`, `Died`, `TaskLoadError`, OSError."""
        while True:
            process = self._pick() or self._start()
            if not process.ready:
                self._await(process, until)
                return process
            if process.silent:
                return process
            self.lose(process)  # it left, or was killed

    def give(self, process: Process) -> None:
        """It waits for its next run."""
        with self._lock:
            self._idle.insert(0, process)

    def lose(self, process: Process) -> None:
        """It is gone or shall go: kill what is left of it, and start another if it was the one that stays."""
        process.close()
        if not process.stays:
            return
        with self._lock:
            self._staying = False
        try:
            self.give(self._start())
        except (OSError, Late, Died) as error:
            self.degraded = f"{self._name} has no process until its next run: {error}"
            log.warning("%s", self.degraded, extra={"action": "worker_failed"})

    def close(self) -> None:
        """Nothing runs any more."""
        with self._lock:
            for process in self._idle:
                process.close()
            self._idle.clear()

    def _pick(self) -> Process | None:
        """The one that stays before others, which come to leave so, and of those the last that worked."""
        with self._lock:
            best = max(self._idle, key=lambda process: (process.ready, process.stays), default=None)
            if best is not None:
                self._idle.remove(best)
            return best

    def _start(self) -> Process:
        with self._lock:
            stays, self._staying = not self._staying, True
        try:
            process = self._fork(stays)
        except BaseException:
            if stays:
                with self._lock:
                    self._staying = False
            raise
        self.degraded = ""
        return process

    def _await(self, process: Process, until: float) -> None:
        began = self._clock.monotonic()
        try:
            _until_ready(process, until)
            process.waited = self._clock.monotonic() - began
        except Late:  # it is not to blame, and would never be ready were it replaced each time
            if self._clock.monotonic() - process.since > LOADING:
                self.lose(process)
            else:
                self.give(process)
            raise
        except BaseException:
            self.lose(process)
            raise


def _until_ready(process: Process, until: float) -> dict[str, Any]:
    """Raises `Late`, `Died`, `TaskLoadError`."""
    process.born(until)
    try:
        kind, body = process.next(lambda kind: SHORT_ROOM, until)
        if kind is Kind.REFUSED:
            raise TaskLoadError(body.decode(errors="replace"))
        facts: dict[str, Any] = orjson.loads(body)
    except (Garbled, orjson.JSONDecodeError) as error:
        raise Died(f"its process did not say that it is ready: {error}") from None
    process.ready = True
    return facts
