"""The main job: an event in, triggers matched, tasks run, outcomes in the journal, and only then acknowledged.

Owns no thread. Production puts threads around it (`edge.runs.crew`, made in app.py), tests call `step()`.

Invariants
- What one incoming message matched becomes durable in one frame; only that frame's durability settles the message.
- A run without grants happens at once and its frame holds the outcome. Any other run is promised first: its
  `accepted` record is durable before it starts (`edge.runs.promised` has it from there).
- One thread at a time leads (`step`). A run that outlasts `patience` keeps its thread, and the lead moves on: its
  frame is completed with promises (`watch`), so a slow run delays neither the next event nor an acknowledgement.
- What goes on beside the lead, and what is over while its thread is not, is `edge.runs.background`'s.
- Nothing is begun whose outcome the journal does not take: `edge.runs.admission` says what becomes of it.
- A promise is to a name: it runs as the task that has the name when its turn comes, after a restart as after `add`;
  where none has it, it ends as `cancelled`, and says why.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping

from edge.config.tasks import RunsSection
from edge.errors import PayloadError
from edge.ingest.inbox import Inbox
from edge.ingest.tally import Tally
from edge.model import Fired, Incoming
from edge.runs.admission import PARKED, Admission
from edge.runs.background import Background
from edge.runs.context import RunContext
from edge.runs.crew import HandedOver
from edge.runs.gates.gate import Broken, Gate, Gates
from edge.runs.gates.refusals import explained
from edge.runs.inline import raised
from edge.runs.load import Task
from edge.runs.needs import Journal, Triggers
from edge.runs.promised import Promised
from edge.runs.run import Dispatch, Ending, Run, too_late
from edge.runs.seal import Seal
from edge.runs.surroundings import Surroundings
from edge.runs.text import for_a_test
from edge.telemetry import Telemetry

log = logging.getLogger(__name__)

PATIENCE = 0.05  # seconds a run may keep the lead: longer than nearly all runs, shorter than anyone notices


class Pipeline:
    """See the module's invariants. `step` and `deadline` belong to the leading thread, as `add` and `remove` do once it
    leads; `watch` to the watchdog, `on_durable` to the journal's writer; the rest says its own."""

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
        runs: RunsSection,
    ) -> None:
        self._inbox = inbox
        self._triggers = triggers
        self._journal = journal
        self._around = around
        self._observers = around.observers
        self._clock = clock = around.clock
        self._tally = tally
        self._edge_id = edge_id
        self._gates = gates = Gates(tasks.values(), quota=runs.waiting, clock=clock, telemetry=telemetry)
        self._seal = seal = Seal(edge_id=edge_id, gates=gates, clock=clock, telemetry=telemetry)
        self._promised = promised = Promised(gates=gates, journal=journal, seal=seal, clock=clock, random=around.random)
        self._background = Background(
            places=runs.at_once, gates=gates, promised=promised, around=around, wake=inbox.wake
        )
        self._admission = Admission(gates, takes=journal.takes, clock=clock, mint=around.mint)
        self._ready = promised.ready
        self._lock = promised.lock
        self._awaiting: deque[tuple[int, Incoming | None, list[Run]]] = deque()  # appended, not yet durable
        self._errands: deque[Callable[[], None]] = deque()
        self._release_lock = threading.Lock()
        self._handing_over = threading.Lock()  # a run that left the lead ends after its promise is in the journal
        self._leading: tuple[Run, Dispatch | None] | None = None
        self.promote: Callable[[], None] = lambda: None
        """Called by the watchdog when the lead must move to another thread."""
        self.watching: Callable[[], None] = lambda: None
        """Called when a run begins: there is something to watch."""

    # -- the leading thread ---------------------------------------------------------------------------------------

    def step(self) -> bool:
        """Do one thing that is due; False when there was nothing. Raises `HandedOver` where the lead was lost."""
        if self._journal.stalled:
            return False
        if self._errands:
            self._errands.popleft()()
            return True
        if self._ready.runs and self._background.free:
            self._start_promised(self._ready.pop())
            return True
        if (freed := self._admission.freed()) is not None:
            self._begin(*freed)
            return True
        now = self._clock.monotonic()
        if self._promised.due(now):
            return True
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
        times = (self._triggers.deadline, self._admission.deadline, self._promised.deadline)
        return None if self._journal.stalled else min((time for time in times if time is not None), default=None)

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
        run = self._admission.admit_one(fired.start, fired.start.event)
        if isinstance(run, str):
            fired.answer(None, f"{run}: {explained(run, fired.start.task)}")
            return
        runs = deque((run,))
        if not self._admission.fits(runs):
            self._admission.give_up(runs)
            fired.answer(None, "the journal is full and takes no more outcomes of its class until some are delivered")
            return
        self._seal.answers[runs[0].id] = fired.answer
        self._begin(fired, runs)

    def _begin(self, incoming: Incoming | None, runs: deque[Run]) -> None:
        dispatch = Dispatch(incoming, runs)
        while runs:
            run = runs.popleft()
            gate = self._gates[run.task.name]
            self._displace(gate, run, dispatch)
            if run.task.direct and self._background.free and gate.idle and self._lets(gate, run):
                ending = self._execute(run, dispatch)
                dispatch.records.append(self._seal.seal(run, ending))
                if gate.breaker is not None:
                    with self._lock:
                        self._promised.judge(run, ending.status)
            else:
                self._promise(run, dispatch)
        self._append(dispatch)

    def _displace(self, gate: Gate, run: Run, dispatch: Dispatch) -> None:
        """What a newer run takes the place of ends in that run's frame."""
        if gate.pending and run.task.settings.mode == "restart":
            for older in tuple(gate.pending):
                dispatch.records += self._background.replace(gate, older)

    def _lets(self, gate: Gate, run: Run) -> bool:
        if gate.breaker is None:
            return True
        with self._lock:
            return gate.breaker.lets(run.id, self._clock.monotonic())

    def _promise(self, run: Run, dispatch: Dispatch) -> None:
        with self._lock:
            dispatch.records.append(self._promised.promise(run))
        dispatch.promised.append(run)

    def _start_promised(self, run: Run) -> None:
        if not self._promised.begin(run):
            return
        ending = self._execute(run, None)
        with self._lock:
            self._promised.conclude(run, ending)

    def _execute(self, run: Run, dispatch: Dispatch | None) -> Ending:
        run.started = self._clock.monotonic()
        run.started_wall = self._clock.wall()
        self._leading = (run, dispatch)
        self.watching()
        self._observers.started(run)
        try:
            ending = run.task.engine.run(run, RunContext(run, self._around))
        except BaseException as error:  # a fault of an engine, or a panic of its library: the lead must go on
            if for_a_test(error):
                raise
            log.exception("a run of %s fell out of its engine", run.task.name, extra={"action": "engine_failed"})
            ending = raised(error, run.task.program.file)
        if self._clock.monotonic() > run.deadline:
            ending = too_late(run)
        if run.detach():
            self._leading = None
            run.end()
            self._observers.ended(run, ending)
            return ending
        with self._handing_over:  # its promise comes before its outcome
            pass
        self._background.finish(run, ending)
        raise HandedOver

    def _append(self, dispatch: Dispatch) -> None:
        if not dispatch.records:
            return
        delivery = dispatch.incoming.delivery if dispatch.incoming is not None else None
        due = self._journal.append(dispatch.records, delivery).due
        self._awaiting.append((due, dispatch.incoming, dispatch.promised))
        durable = self._journal.durable
        if durable >= due:  # the writer was faster than this line
            self.on_durable(durable)

    def _record_refusals(self, *, all: bool) -> None:
        for run, ending in self._admission.refused(all=all):
            self._journal.append([self._seal.seal(run, ending)])

    # -- tasks that come and go -----------------------------------------------------------------------------------

    def soon(self, errand: Callable[[], None]) -> None:
        """Have the leading thread call `errand`, which must not raise, between two events. Any thread."""
        self._errands.append(errand)
        self._inbox.wake()

    def add(self, task: Task) -> None:
        """Events may start `task`, which takes the place of what had its name."""
        with self._lock:
            self._promised.reset(self._gates.add(task))

    def remove(self, name: str, why: str) -> None:
        """No run of that task begins any more: what was promised ends for that reason. What runs is told to end."""
        with self._lock:
            self._promised.shut(self._gates[name], why)
        self._background.cancel_all_of(name)

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
                    promised = True
                for run in runs:
                    if not run.over:
                        self._ready.push(run)
        if promised or self._admission.held or self._inbox:
            self._inbox.wake()

    # -- the watchdog ---------------------------------------------------------------------------------------------

    def watch(self) -> bool:
        """Move the lead away from a slow run and end overdue ones; False when nothing runs."""
        leading = self._leading
        now = self._clock.monotonic()
        if leading is not None and now - leading[0].started > PATIENCE:
            self._hand_over(*leading)
        self._background.end_overdue(now)
        return leading is not None or bool(self._background)

    def _hand_over(self, run: Run, dispatch: Dispatch | None) -> None:
        with self._handing_over:
            with self._lock:
                if not run.detach():
                    return  # it ended in time after all
                self._background.enter(run)
                if dispatch is not None:
                    dispatch.records.append(self._promised.promise(run))
            # Until `promote` nobody leads: the dispatch is this thread's to complete.
            if dispatch is not None:
                for rest in dispatch.runs:
                    self._displace(self._gates[rest.task.name], rest, dispatch)
                    self._promise(rest, dispatch)
                self._append(dispatch)
        self._leading = None
        self.promote()

    # -- start, stop and what others may ask ------------------------------------------------------------------------

    def recover(self) -> int:
        """Before the first step: promised runs of the last boot start again under their ids. Returns how many."""
        return self._promised.recover(self._journal.unfinished(), self._edge_id)

    def cancel(self, *, grace_over: bool) -> None:
        """Tell runs beside the lead to end; with `grace_over` that which leads too, and write `cancelled` for those
        that did not. Any thread."""
        with self._handing_over:
            self._background.cancel(grace_over=grace_over)
        if grace_over:
            if (leading := self._leading) is not None:
                leading[0].cancel()
            self._record_refusals(all=True)

    def reset(self, task: str) -> None:
        """Close the breaker of a task; what it held back goes on. Any thread. Raises KeyError."""
        with self._lock:
            self._promised.reset(self._gates[task])
        self._inbox.wake()

    def broken(self) -> Iterator[Broken]:
        """Every task whose breaker is not closed. Any thread."""
        return self._gates.broken()

    @property
    def stuck(self) -> tuple[str, ...]:
        """The task of each thread that did not return although the time of its run is over. Any thread."""
        return self._background.stuck

    @property
    def idle(self) -> bool:
        """Nothing taken in is unfinished, except stuck threads, runs that wait for a time, which stay promised, and
        what the journal does not take: that was not acknowledged and comes again."""
        if self._background or self._leading:
            return False
        return self.held_up or not (self._inbox or self._ready.runs or self._awaiting)
