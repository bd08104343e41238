"""Promised runs, from their `accepted` record to their one outcome: who begins next, who waits, who tries again.

    promise -> durable -> ready -> begin -> conclude -> outcome
                            ^       |          |
                            |       v          v
                            +--- waiting     later (a retry, until its time)

Invariants
- A promised run has one outcome, whatever happens, and one attempt that can still act: the others are over.
- A run that waits - for a place, for its task's turn, for a breaker, for its next attempt - holds no thread. When the
  runtime stops it stays promised, and runs after the next start.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
from collections.abc import Callable, Iterable

from edge.clock import Clock
from edge.model import Record, Status, Stored
from edge.runs.gates import retries
from edge.runs.gates.breaker import State
from edge.runs.gates.gate import Gate, Gates
from edge.runs.gates.queue import RunQueue
from edge.runs.needs import Journal
from edge.runs.run import OVER, Ending, Promise, Run, cancelled, interrupted
from edge.runs.seal import Seal

log = logging.getLogger(__name__)


class Promised:
    """`lock` guards what the leader, the watchdog and runs beside the lead share; who calls holds it where it says
    so. `random` draws from [0, 1)."""

    def __init__(
        self, *, gates: Gates, journal: Journal, seal: Seal, clock: Clock, random: Callable[[], float]
    ) -> None:
        self.lock = threading.Lock()
        self.ready = RunQueue()
        """Durable, to be begun by the leader. Any thread may push."""
        self._gates = gates
        self._journal = journal
        self._seal = seal
        self._clock = clock
        self._random = random
        self._places = itertools.count(1)
        self._later: list[tuple[float, int, Gate, Run | None]] = []  # a heap: retries, and ends of breakers' pauses

    # -- before a run begins ------------------------------------------------------------------------------------------

    def promise(self, run: Run) -> Record:
        """Its `accepted` record, to be journalled; under the lock."""
        self._keep(run)
        return run.accepted()

    def _keep(self, run: Run) -> None:
        run.place = next(self._places)
        self._gates[run.task.name].pending[run.id] = run
        self._gates.promised += 1

    def recover(self, unfinished: Iterable[Stored], edge_id: str) -> int:
        """Before the first step: what the last boot promised is ready again. Returns how many runs that are."""
        count = 0
        for stored in unfinished:
            promise = Promise.read(stored, self._clock.monotonic())
            gate = self._gates.get(promise.task)
            if gate is None:
                self._journal.append([promise.abandoned(self._clock, edge_id)])
                continue
            run = Run(promise.id, gate.task, promise.event, promise.event_json, recovered=True)
            if not gate.task.begins(promise.id):
                self._refuse(run, cancelled(run, OVER))
            elif gate.task.settings.on_crash == "fail":
                self._refuse(run, interrupted(run))
            else:
                self._keep(run)
                self.ready.push(run)
                count += 1
        return count

    def _refuse(self, run: Run, ending: Ending) -> None:
        run.unbegun(self._clock)
        self._journal.append([self._seal.seal(run, ending)])

    def begin(self, run: Run) -> bool:
        """Whether a run from `ready` may begin now; where not, it waits for its turn, or is over. The leader."""
        with self.lock:
            if run.over:
                return False
            gate = self._gates[run.task.name]
            if not gate.closed and not gate.lets(run, self._clock.monotonic()):
                gate.waiting.push(run)
                return False
            gate.retrying.discard(run)
            why = gate.closed or ("" if run.task is gate.task or run.turn_to(gate.task) else OVER)
            if why and run.end():
                run.unbegun(self._clock)
                self.write(run, cancelled(run, why))
            return not why

    @property
    def deadline(self) -> float | None:
        """Monotonic time at which `due` has something to do."""
        return self._later[0][0] if self._later else None

    def due(self, now: float) -> bool:
        """Let one thing go on that only time held back; False where there is none. The leader."""
        if not self._later or self._later[0][0] > now:
            return False
        with self.lock:
            _, _, gate, run = heapq.heappop(self._later)
            if run is None:
                self._release(gate)
            else:
                self.ready.push(run)
        return True

    def _at(self, time: float, gate: Gate, run: Run | None = None) -> None:
        heapq.heappush(self._later, (time, next(self._places), gate, run))

    # -- when a run ends; all under the lock, by whoever claimed its end ----------------------------------------------

    def conclude(self, run: Run, ending: Ending) -> None:
        """An attempt has ended: another follows, or the outcome is written."""
        gate = self._gates[run.task.name]
        pause = retries.pause(run.task.settings.retries, ending, run.attempt, self._random)
        if pause is None:
            self.write(run, ending)
            return
        if log.isEnabledFor(logging.DEBUG):
            log.debug("%s is tried again in %g s", run.task.name, pause, extra={"action": "run_again", "run": run.id})
        again = gate.pending[run.id] = run.again()
        gate.retrying.add(again)
        gate.retried.add()
        self._at(self._clock.monotonic() + pause, gate, again)
        self._release(gate)

    def write(self, run: Run, ending: Ending) -> None:
        """Journal its outcome."""
        self._journal.append(self._close(run, ending))

    def _close(self, run: Run, ending: Ending) -> list[Record]:
        """Its outcome, with what it published; the next of its task may begin."""
        gate = self._gates[run.task.name]
        records = [self._seal.seal(run, ending)]
        if ending.status in (Status.SUCCESS, Status.PARTIAL):
            records += run.publishes
        del gate.pending[run.id]
        self._gates.promised -= 1
        self.judge(run, ending.status)
        self._release(gate)
        return records

    def judge(self, run: Run, status: Status) -> None:
        """Tell the breaker of its task how a run ended."""
        gate = self._gates[run.task.name]
        if (breaker := gate.breaker) is None:
            return
        now = self._clock.monotonic()
        before, until = breaker.state(now), breaker.until
        breaker.ended(run.id, status, now)
        if breaker.until is None:
            if before is not State.CLOSED:
                log.info("%s works again: its breaker is closed", run.task.name, extra={"action": "breaker_closed"})
        elif breaker.until != until:
            self._at(breaker.until, gate)
            log.warning(
                "%s is left alone for %g s: %s", run.task.name, breaker.until - now, breaker.reason,
                extra={"action": "breaker_opened"},
            )  # fmt: skip

    def withdraw(self, run: Run, ending: Ending) -> list[Record]:
        """End a run that nobody waits for any more, wherever it is: its outcome, to be journalled."""
        if not run.begun:
            gate = self._gates[run.task.name]
            if run in gate.retrying:
                gate.retrying.discard(run)
                self._later = [entry for entry in self._later if entry[3] is not run]
                heapq.heapify(self._later)
            self.ready.discard(run)
            gate.waiting.discard(run)
            run.unbegun(self._clock)
        return self._close(run, ending)

    def shut(self, gate: Gate, why: str) -> None:
        """Nothing of its task begins any more: what is promised ends for that reason when its turn comes, and what
        waits for its turn has it now."""
        gate.closed = why
        while gate.waiting.runs:
            self.ready.push(gate.waiting.pop())

    def reset(self, gate: Gate) -> None:
        """Close its breaker, if it has one: what waited for it goes on."""
        if gate.breaker is not None:
            gate.breaker.reset()
            self._release(gate)

    def _release(self, gate: Gate) -> None:
        if not gate.waiting.runs:
            return
        for _ in range(min(gate.places(self._clock.monotonic()), len(gate.waiting.runs))):
            self.ready.push(gate.waiting.pop())
