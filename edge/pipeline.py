"""The main job: an event in, triggers matched, tasks run, outcomes in the journal, and only then acknowledged.

Owns no thread. Production puts threads around it (`edge.runs.crew`, made in app.py), tests call `step()`.

Invariants
- What one incoming message matched becomes durable in one frame; only that frame's durability settles the message.
- A run without grants happens at once and its frame holds the outcome. Any other run is promised first: its
  `accepted` record is durable before it starts.
- One thread at a time leads (`step`). A run that outlasts `patience` keeps its thread, and the lead moves on: its
  frame is completed with promises (`watch`), so a slow run delays neither the next event nor an acknowledgement.
- A run whose outcome is written is over, whatever its thread still does. A thread that never returns keeps a slot.
- Nothing is begun whose outcome the journal does not take: `edge.runs.admission` says what becomes of it.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from edge.errors import PayloadError
from edge.ingest.inbox import Inbox
from edge.ingest.tally import Tally
from edge.model import Delivery, Event, Fired, Incoming, Record, RecordClass, Start, Status, Stored
from edge.runs.admission import PARKED, Admission
from edge.runs.context import RunContext
from edge.runs.crew import HandedOver
from edge.runs.load import Task
from edge.runs.run import Dispatch, Ending, Promise, Run, given_up, too_late
from edge.runs.surroundings import Surroundings
from edge.telemetry import Telemetry

log = logging.getLogger(__name__)

PATIENCE = 0.05  # seconds a run may keep the lead: longer than nearly all runs, shorter than anyone notices
SLOTS = 4  # runs that may go on beside the lead; as many stuck ones ask for a restart


class Ticket(Protocol):
    @property
    def due(self) -> int:
        """The receipt is good when the journal's `durable` reaches this."""


class Journal(Protocol):
    """What the pipeline needs of the journal. Any thread."""

    @property
    def durable(self) -> int: ...

    @property
    def stalled(self) -> bool:
        """The disk refuses, and as much waits in memory as may."""

    def takes(self, klass: RecordClass) -> bool:
        """Whether a run of that class may be begun. `on_durable` is called when it turns true."""

    def append(self, records: Sequence[Record], delivery: Delivery | None = None) -> Ticket: ...

    def unfinished(self) -> Iterable[Stored]: ...


class Triggers(Protocol):
    """What the pipeline needs of the triggers. Only the leading thread calls."""

    @property
    def deadline(self) -> float | None: ...

    def match(self, event: Event) -> tuple[Sequence[Start], str | None]: ...

    def due(self) -> Sequence[Start]: ...


class Pipeline:
    """See the module's invariants. `step` and `deadline` belong to the leading thread, `watch` to the watchdog,
    `on_durable` to the journal's writer; the rest says its own."""

    def __init__(
        self,
        *,
        edge_id: str,
        inbox: Inbox,
        triggers: Triggers,
        tasks: Mapping[str, Task],
        journal: Journal,
        around: Surroundings,
        tally: Tally,
        telemetry: Telemetry,
    ) -> None:
        self._edge_id = edge_id
        self._inbox = inbox
        self._triggers = triggers
        self._journal = journal
        self._around = around
        self._observers = around.observers
        self._clock = around.clock
        self._tally = tally
        self._admission = Admission(tasks, takes=journal.takes, clock=around.clock, mint=around.mint)
        self._gates = self._admission.gates
        self._ready: deque[Run] = deque()  # promised, durable, to be started by the leader
        self._awaiting: deque[tuple[int, Incoming | None, list[Run]]] = deque()  # appended, not yet durable
        self._lock = threading.Lock()  # everything that leader, watchdog and runs beside share
        self._release_lock = threading.Lock()
        self._leading: tuple[Run, Dispatch | None] | None = None
        self._answers: dict[str, Callable[[bytes | None, str], None]] = {}
        self._beside: set[Run] = set()
        self._stuck: set[Run] = set()
        self.promote: Callable[[], None] = lambda: None
        """Called by the watchdog when the lead must move to another thread."""
        self.watching: Callable[[], None] = lambda: None
        """Called when a run begins: there is something to watch."""
        self._runs = telemetry.histogram("edge_run_seconds")
        self._missed = {name: telemetry.counter("edge_goal_violations_total", task=name) for name in tasks}
        self._ended = {
            (name, status): telemetry.counter("edge_runs_total", task=name, status=status.value)
            for name in tasks
            for status in Status
        }

    # -- the leading thread ---------------------------------------------------------------------------------------

    def step(self) -> bool:
        """Do one thing that is due; False when there was nothing. Raises `HandedOver` where the lead was lost."""
        if self._journal.stalled:
            return False
        if self._ready and self.slots_free:
            self._start_promised(self._ready.popleft())
            return True
        if (freed := self._admission.freed()) is not None:
            self._begin(*freed)
            return True
        now = self._clock.monotonic()
        due = self._triggers.deadline
        if due is not None and due <= now:
            for start in self._triggers.due():
                self._offer(None, self._admission.admit((start,), start.event))
            return True
        if (minute := self._admission.deadline) is not None and minute <= now:
            self._record_refusals(all=False)
            return True
        incoming = None if self.held_up else self._inbox.take()
        if incoming is not None:
            self._dispatch(incoming)
        return incoming is not None

    @property
    def deadline(self) -> float | None:
        """Monotonic time of the next thing that time alone makes due."""
        times = [time for time in (self._triggers.deadline, self._admission.deadline) if time is not None]
        return None if self._journal.stalled else min(times, default=None)

    @property
    def held_up(self) -> bool:
        """Nothing is taken from the inbox until the journal takes what waits."""
        return self._admission.held >= PARKED or self._journal.stalled

    def _dispatch(self, incoming: Incoming) -> None:
        if isinstance(incoming, Fired):
            self._fire(incoming)
            return
        try:
            events = incoming.events()
        except PayloadError as error:
            self._tally.refused(error)
            incoming.settle()
            return
        runs: deque[Run] = deque()
        for event in events:
            starts, suppressed = self._triggers.match(event)
            self._tally.received(event.source)
            if starts:
                self._tally.matched()
                runs.extend(self._admission.admit(starts, event))
            else:
                self._tally.missed(suppressed)
        if runs:
            self._offer(incoming, runs)
        else:
            incoming.settle()

    def _offer(self, incoming: Incoming | None, runs: deque[Run]) -> None:
        if self._admission.fits(runs):
            self._begin(incoming, runs)
        else:
            self._admission.hold(incoming, runs)

    def _fire(self, fired: Fired) -> None:
        self._tally.received(fired.start.event.source)
        self._tally.matched()
        runs = self._admission.admit((fired.start,), fired.start.event)
        if not runs:
            fired.answer(None, f"{fired.start.task} is at one of its limits; a rejected outcome will say which")
            return
        if not self._admission.fits(runs):
            fired.answer(None, "the journal is full and takes no more outcomes of its class until some are delivered")
            return
        self._answers[runs[0].id] = fired.answer
        self._begin(fired, runs)

    def _begin(self, incoming: Incoming | None, runs: deque[Run]) -> None:
        dispatch = Dispatch(incoming, runs)
        while runs:
            run = runs.popleft()
            if run.task.direct and self.slots_free and not self._gates[run.task.name].pending:
                dispatch.records.append(self._seal(run, self._execute(run, dispatch)))
            else:
                self._promise(run, dispatch)
        self._append(dispatch)

    def _promise(self, run: Run, dispatch: Dispatch) -> None:
        with self._lock:
            self._gates[run.task.name].pending += 1
        dispatch.records.append(run.accepted())
        dispatch.promised.append(run)

    def _start_promised(self, run: Run) -> None:
        gate = self._gates[run.task.name]
        with self._lock:
            if not gate.free:
                gate.waiting.append(run)
                return
        ending = self._execute(run, None)
        with self._lock:
            self._write(run, ending)

    def _execute(self, run: Run, dispatch: Dispatch | None) -> Ending:
        run.started = self._clock.monotonic()
        run.started_wall = self._clock.wall()
        self._leading = (run, dispatch)
        self.watching()
        self._observers.started(run)
        ending = run.task.engine.run(run, RunContext(run, self._around))
        if self._clock.monotonic() > run.deadline:
            ending = too_late(run)
        if run.detach():
            self._leading = None
            run.end()
            self._observers.ended(run, ending)
            return ending
        self._finish_beside(run, ending)
        raise HandedOver

    def _seal(self, run: Run, ending: Ending) -> Record:
        self._ended[run.task.name, ending.status].add()
        if ending.missed:
            self._missed[run.task.name].add()
        self._runs.observe(self._clock.monotonic() - run.started)
        if log.isEnabledFor(logging.DEBUG):
            log.debug("%s %s", run.task.name, ending.status.value, extra={"action": "run_ended", "run": run.id})
        record = run.outcome(ending, self._clock, self._edge_id)
        if self._answers and run.id in self._answers:
            self._answers.pop(run.id)(record.body, "")
        return record

    def _append(self, dispatch: Dispatch) -> None:
        if not dispatch.records:
            return
        delivery = dispatch.incoming.delivery if dispatch.incoming is not None else None
        due = self._journal.append(dispatch.records, delivery).due
        self._awaiting.append((due, dispatch.incoming, dispatch.promised))
        durable = self._journal.durable
        if durable >= due:  # the writer was faster than this line
            self.on_durable(durable)

    def _write(self, run: Run, ending: Ending) -> None:
        """The outcome of a promised run, with what it published; under the lock."""
        records = [self._seal(run, ending)]
        if ending.status in (Status.SUCCESS, Status.PARTIAL):
            records += run.publishes
        self._journal.append(records)
        gate = self._gates[run.task.name]
        gate.pending -= 1
        if gate.waiting and gate.free:
            self._ready.append(gate.waiting.popleft())

    def _record_refusals(self, *, all: bool) -> None:
        for run, ending in self._admission.refused(all=all):
            self._journal.append([self._seal(run, ending)])

    # -- the journal's writer -------------------------------------------------------------------------------------

    def on_durable(self, sequence: int) -> None:
        """All up to `sequence` is durable: acknowledge what waited for it and let promised runs start. Any thread."""
        promised = False
        with self._release_lock:
            while self._awaiting and self._awaiting[0][0] <= sequence:
                _, incoming, runs = self._awaiting.popleft()
                if incoming is not None:
                    incoming.settle()
                if runs:
                    self._ready.extend(runs)
                    promised = True
        if promised or self._admission.held or self._inbox:
            self._inbox.wake()

    # -- the watchdog ---------------------------------------------------------------------------------------------

    def watch(self) -> bool:
        """Move the lead away from a slow run and end overdue ones; False when nothing runs."""
        leading = self._leading
        now = self._clock.monotonic()
        if leading is not None and now - leading[0].started > PATIENCE:
            self._hand_over(*leading)
        for run in tuple(self._beside):
            if now > run.deadline:
                self._give_up(run, too_late(run))
        return leading is not None or bool(self._beside)

    def _hand_over(self, run: Run, dispatch: Dispatch | None) -> None:
        with self._lock:
            if not run.detach():
                return  # it ended in time after all
            gate = self._gates[run.task.name]
            gate.running += 1
            self._beside.add(run)
            if dispatch is not None:
                gate.pending += 1
                dispatch.records.append(run.accepted())
        # Until `promote` nobody leads: the dispatch is this thread's to complete.
        if dispatch is not None:
            for rest in dispatch.runs:
                self._promise(rest, dispatch)
            self._append(dispatch)
        self._leading = None
        self.promote()

    def _give_up(self, run: Run, ending: Ending) -> None:
        """It is over, and its thread may keep its slot for ever."""
        with self._lock:
            if not run.end():
                return
            self._beside.discard(run)
            self._stuck.add(run)
            self._gates[run.task.name].running -= 1
            self._write(run, ending)
        self._observers.ended(run, ending, stuck=True)
        self._inbox.wake()

    # -- a run that goes on beside the lead ------------------------------------------------------------------------

    def _finish_beside(self, run: Run, ending: Ending) -> None:
        with self._lock:
            self._beside.discard(run)
            self._stuck.discard(run)
            if in_time := run.end():
                self._gates[run.task.name].running -= 1
                self._write(run, ending)
        if in_time:
            self._observers.ended(run, ending)
        self._inbox.wake()

    # -- start, stop and what others may ask ------------------------------------------------------------------------

    def recover(self) -> int:
        """Before the first step: promised runs of the last boot start again under their ids. Returns how many."""
        count = 0
        for stored in self._journal.unfinished():
            promise = Promise.read(stored, self._clock.monotonic())
            gate = self._gates.get(promise.task)
            if gate is None:
                self._journal.append([promise.abandoned(self._clock, self._edge_id)])
                continue
            gate.pending += 1
            self._ready.append(Run(promise.id, gate.task, promise.event, promise.event_json, recovered=True))
            count += 1
        return count

    def cancel(self, grace_over: bool) -> None:
        """Tell runs beside the lead to end; with `grace_over` write `cancelled` for those that did not."""
        for run in tuple(self._beside):
            run.cancelled = True
            if grace_over:
                self._give_up(run, given_up(run))
        if grace_over:
            self._record_refusals(all=True)

    @property
    def slots_free(self) -> bool:
        """Whether another run may begin."""
        return len(self._beside) + len(self._stuck) < SLOTS

    @property
    def stuck(self) -> int:
        """Threads that did not return from a run that is over."""
        return len(self._stuck)

    @property
    def idle(self) -> bool:
        """Nothing taken in is unfinished, except stuck threads and what the journal does not take: that was not
        acknowledged and comes again."""
        if self._beside or self._leading:
            return False
        return self.held_up or not (self._inbox or self._ready or self._awaiting)
