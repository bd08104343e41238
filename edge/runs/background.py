"""Runs that go on beside the lead, each on the thread that led when it turned out to be slow.

Invariants
- A run whose outcome is written is over, whatever its thread still does.
- A thread holds its place until it returns: a run that was ended from outside is `leaving` until then, and one that
  is still there after its time limit is stuck. As many stuck ones as there are places ask for a restart.
"""

from __future__ import annotations

from collections.abc import Callable

from edge.model import Record
from edge.runs.gates.gate import Gate, Gates
from edge.runs.promised import Promised
from edge.runs.run import Ending, Run, cancelled, too_late
from edge.runs.surroundings import Surroundings


class Background:
    """Shares the lock of `promised`. `wake` lets the leader look again."""

    def __init__(
        self, *, places: int, gates: Gates, promised: Promised, around: Surroundings, wake: Callable[[], None]
    ) -> None:
        self._places = places
        self._gates = gates
        self._promised = promised
        self._lock = promised.lock
        self._clock = around.clock
        self._observers = around.observers
        self._wake = wake
        self._going_on: set[Run] = set()
        self._leaving: set[Run] = set()

    def __bool__(self) -> bool:
        """Whether a run without an outcome goes on."""
        return bool(self._going_on)

    @property
    def free(self) -> bool:
        """Whether another run may begin."""
        return len(self._going_on) + len(self._leaving) < self._places

    @property
    def stuck(self) -> tuple[str, ...]:
        """The task of each thread that did not return although the time of its run is over. Any thread."""
        now = self._clock.monotonic()
        return tuple(sorted(run.task.name for run in tuple(self._leaving) if run.deadline < now))

    def enter(self, run: Run) -> None:
        """It left the lead; under the lock."""
        self._gates[run.task.name].running += 1
        self._going_on.add(run)

    def finish(self, run: Run, ending: Ending) -> None:
        """Its thread returned; by that thread."""
        with self._lock:
            self._leaving.discard(run)
            if in_time := run.end():
                self._leave(run)
                self._promised.conclude(run, ending)
        if in_time:
            self._observers.ended(run, ending)
        self._wake()

    def end_overdue(self, now: float) -> None:
        """End those whose time is over; by the watchdog."""
        for run in tuple(self._going_on):
            if now > run.deadline:
                self._give_up(run, too_late(run))

    def _give_up(self, run: Run, ending: Ending) -> None:
        """It is over, and its thread may keep its place for ever."""
        with self._lock:
            if not run.end():
                return
            self._leave(run)
            self._leaving.add(run)
            self._promised.conclude(run, ending)
        self._observers.ended(run, ending, stuck=True)
        self._wake()

    def replace(self, gate: Gate, id: str) -> list[Record]:
        """End a promised run, whether it goes on here or has not begun, because a newer one takes its place: its
        outcome, for the newer one's frame; nothing where it ended by itself. By the leader."""
        with self._lock:
            run = gate.pending.get(id)  # the latest attempt: one may have ended since, and another be due
            if run is None or not run.end():
                return []
            if begun := run in self._going_on:
                self._leave(run)
                self._leaving.add(run)
            ending = cancelled(run, "replaced by a newer run")
            outcome = self._promised.withdraw(run, ending)
        run.cancel()
        if begun:
            self._observers.ended(run, ending)
        return outcome

    def cancel(self, *, grace_over: bool) -> None:
        """Tell all to end; with `grace_over` write `cancelled` for those that did not."""
        for run in tuple(self._going_on):
            run.cancel()
            if grace_over:
                self._give_up(run, cancelled(run, "the runtime stopped while it ran"))

    def cancel_all_of(self, task: str) -> None:
        """Tell the runs of one task to end."""
        for run in tuple(self._going_on):
            if run.task.name == task:
                run.cancel()

    def _leave(self, run: Run) -> None:
        self._going_on.discard(run)
        self._gates[run.task.name].running -= 1
