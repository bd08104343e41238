"""The threads around the pipeline: one leads at a time, the others finish runs that took long.

A thread a hand-over, no pool: only runs slower than the pipeline's patience ever cost one.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

_WATCH = 0.01  # seconds between two looks while something runs
_CALM = 100  # looks without a run before the watchdog sleeps: a quiet gateway wakes nobody


class HandedOver(Exception):
    """This thread no longer leads: unwind without touching anything. Never seen by users."""


class Crew:
    """`spawn(name, body)` starts a thread; `step` raises `HandedOver` in a thread that lost the lead."""

    def __init__(
        self,
        *,
        step: Callable[[], bool],
        wait: Callable[[], None],
        watch: Callable[[], bool],
        spawn: Callable[[str, Callable[[], None]], object],
    ) -> None:
        self._step = step
        self._wait = wait
        self._watch = watch
        self._spawn = spawn
        self._stopping = False
        self._leaders = 0
        self._stirred = threading.Event()
        self._looking = False
        self.progress = 0
        """Grows whenever the lead looked for work: the watchdog of the process asks whether it moves."""

    def start(self) -> None:
        self.promote()
        self._spawn("watchdog", self._look)

    def promote(self) -> None:
        """Give the lead to a fresh thread. The old one has lost it already, or there was none."""
        self._leaders += 1
        self._spawn(f"dispatch-{self._leaders}", self._lead)

    def stir(self) -> None:
        """A run begins: the watchdog must look."""
        if not self._looking:
            self._stirred.set()

    def stop(self) -> None:
        """Threads end after the step they are in."""
        self._stopping = True
        self._stirred.set()

    def _lead(self) -> None:
        with contextlib.suppress(HandedOver):
            while not self._stopping:
                self.progress += 1
                if not self._step():
                    self._wait()

    def _look(self) -> None:
        pause = threading.Event()
        while not self._stopping:
            self._stirred.wait()
            self._looking = True
            calm = 0
            while calm < _CALM and not self._stopping:
                pause.wait(_WATCH)
                calm = 0 if self._watch() else calm + 1
            self._looking = False
            self._stirred.clear()
            if self._watch():  # a run that began between the last look and the flag
                self._stirred.set()
