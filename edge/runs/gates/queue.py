"""Runs in the order in which they may begin: by the priority of their tasks, within one by their acceptance.

The order is strict: a run of low priority waits for as long as others with a higher one do.
"""

from __future__ import annotations

import heapq
import threading

from edge.runs.run import Run

_RANKS = {"high": 0, "normal": 1, "low": 2}


class RunQueue:
    """Any thread."""

    __slots__ = ("_lock", "runs")

    def __init__(self) -> None:
        self.runs: list[tuple[int, int, Run]] = []
        """A heap; to be looked at, not changed."""
        self._lock = threading.Lock()  # the journal's writer pushes while a leader pops

    def push(self, run: Run) -> None:
        """It has its `place`, by which it is sorted."""
        with self._lock:
            heapq.heappush(self.runs, (_RANKS[run.task.settings.priority], run.place, run))

    def pop(self) -> Run:
        """The next one. Raises IndexError."""
        with self._lock:
            return heapq.heappop(self.runs)[2]

    def discard(self, run: Run) -> None:
        """Take one out, if it is here."""
        with self._lock:
            self.runs = [entry for entry in self.runs if entry[2] is not run]
            heapq.heapify(self.runs)
