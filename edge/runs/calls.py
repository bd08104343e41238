"""Calls that may hang, each with an end: a parked thread makes the call, and whoever waits for it waits no longer.

Python cannot stop a thread, so one that hangs is counted and left, and at `MOST` no further call is made: a bus that
hangs costs four threads, not one for every run that touches it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

MOST = 4  # calls that may hang at once

Spawn = Callable[[str, Callable[[], None]], object]
"""Starts a thread of that name."""


class CallLate(TimeoutError):
    """The call did not end in time, or was not made because too many hang; it may still act."""


class _Answer(NamedTuple):
    value: Any
    error: BaseException | None


class _Job:
    """One call. Whoever is first under the lock decides: the thread that has the answer, or the one that gives up."""

    __slots__ = ("answers", "call", "done", "left")

    def __init__(self, call: Callable[[], Any]) -> None:
        self.call = call
        self.answers: SimpleQueue[_Answer] = SimpleQueue()
        self.done = self.left = False


class Calls:
    """Until `open`, and after `close`, calls are made in the thread that asks: tests under a virtual clock have one."""

    def __init__(self) -> None:
        self._spawn: Spawn | None = None
        self._lock = threading.Lock()
        self._parked: list[SimpleQueue[_Job | None]] = []
        self._made = 0
        self._stuck = 0

    def open(self, spawn: Spawn) -> None:
        """Threads may be started from now on."""
        self._spawn = spawn

    def close(self) -> None:
        """End the parked threads. Idempotent."""
        with self._lock:
            self._spawn, parked, self._parked = None, self._parked, []
        for inbox in parked:
            inbox.put(None)

    @property
    def stuck(self) -> int:
        """How many calls were given up and have not come back."""
        return self._stuck

    @property
    def degraded(self) -> str:
        """What is wrong, empty when nothing is."""
        if not self._stuck:
            return ""
        refused = "; no further ones are made" if self._stuck >= MOST else ""
        return f"{self._stuck} of at most {MOST} calls to devices and tools do not return{refused}"

    def make(self, call: Callable[[], Any], seconds: float) -> Any:
        """What `call` returns or raises, within `seconds`. Raises `CallLate`."""
        if self._spawn is None:
            return call()
        if self._stuck >= MOST:
            raise CallLate(f"{self._stuck} calls to devices and tools do not return; no further one is made")
        job = _Job(call)
        self._hand_out(job)
        try:
            answer = job.answers.get(timeout=seconds)
        except Empty:
            with self._lock:
                if not job.done:
                    job.left = True
                    self._stuck += 1
                    raise CallLate(f"it took longer than {seconds:.3g} s") from None
            answer = job.answers.get()
        if answer.error is not None:
            raise answer.error
        return answer.value

    def beside(self, job: Callable[[], None]) -> None:
        """Have `job` done by a parked thread, without waiting for it; where there are none it is not done at all. It
        must not raise."""
        if self._spawn is not None:
            self._hand_out(_Job(job))

    def _hand_out(self, job: _Job) -> None:
        with self._lock:
            spawn, inbox = self._spawn, self._parked.pop() if self._parked else None
            self._made += inbox is None
        if inbox is None:
            inbox = SimpleQueue()
            if spawn is not None:
                spawn(f"calls-{self._made}", lambda: self._serve(inbox))
        inbox.put(job)

    def _serve(self, inbox: SimpleQueue[_Job | None]) -> None:
        while (job := inbox.get()) is not None:
            try:
                answer = _Answer(job.call(), None)
            except BaseException as error:  # noqa: BLE001 - raised again where the call was asked for
                answer = _Answer(None, error)
            with self._lock:
                job.done = True
                self._stuck -= job.left
                if self._spawn is None:
                    job.answers.put(answer)
                    return
                self._parked.append(inbox)
            job.answers.put(answer)


DIRECT = Calls()
"""Never opened: every call is made in the thread that asks."""
