"""The composition root: a configuration and the outside become a runtime. The only place where threads are made.

Order of start: journal, devices, links, then the lead. Order of stop: sources, inbox, runs, journal, links; outputs
are in their safe state before their wires are given back.

    one thread a link      `mqtt`: ingest, live state, what runs publish; `up-NAME`: that upstream's sync
    one thread a wire      `i2c-1`, `pins`: the devices on it
    dispatch-N, watchdog   the pipeline
    journal                group commit
    scheduler              APScheduler's own
    apps                   vets and loads what is installed on the fly
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from edge.apphost import AppHost
from edge.config import Config
from edge.desk import Desk
from edge.ids import Minter
from edge.ingest.inbox import Inbox
from edge.ingest.mqtt import Arrival
from edge.ingest.tally import Tally
from edge.ingest.topics import covers
from edge.instruments import Instruments
from edge.journal import Journal, JournalError, Keyring, Limits, open_journal
from edge.links.calendar import Schedule
from edge.outside import Outside
from edge.parts import Part, until
from edge.pipeline import Pipeline
from edge.roster import Roster
from edge.runs.calls import Calls
from edge.runs.crew import Crew
from edge.runs.engine import Engine
from edge.runs.engines import open_engines
from edge.runs.load import Task, load_task
from edge.runs.observers import load_observers
from edge.runs.stores import Stores
from edge.runs.surroundings import Surroundings
from edge.runs.tools.build import build_tools
from edge.status import complaints, parts_of
from edge.telemetry import Telemetry
from edge.threads import Threads
from edge.traffic import Traffic
from edge.triggers import Triggers

log = logging.getLogger(__name__)

_LOOK = 1.0  # seconds the lead sleeps at most: it must notice that the runtime stops
_STEP = 0.02  # seconds between two looks whether what was taken in is done


class Runtime:
    """A configured gateway. Making one opens the journal and loads the tasks; nothing moves before `start`."""

    def __init__(self, config: Config, outside: Outside) -> None:
        self.config = config
        self.outside = outside
        self.clock = outside.clock
        self.telemetry = Telemetry()
        self.minter = Minter(config.edge.id, outside.clock, outside.random)
        self.tally = Tally(self.telemetry)
        self.inbox = Inbox(dropped=self.telemetry.counter("edge_events_dropped_total", reason="inbox_full"))
        self.calls = Calls()
        self.engines = open_engines(
            self.clock, self.calls, self.telemetry, config.runs.at_once, lambda: self.stores.snapshots
        )
        tasks = _load_tasks(config, self.engines)
        self._draining = self._stopping = self._stopped = False
        self._ended = threading.Condition()
        self._failed: str | None = None
        self._progress = -1
        self._began = self.clock.wall()
        self._threads = Threads(self._fail)
        self.journal = self._open_journal()
        self.stores = Stores(self.journal, outside.clock, outside.files, config.journal)
        self.instruments = self._make_instruments()
        bodies = outside.tools(self.journal.table, self._threads.spawn)
        self.tools = build_tools(config.tools, bodies, self.telemetry)
        self.around = self._make_surroundings()
        self.triggers = self._make_triggers(tasks)
        self.pipeline = self._make_pipeline(tasks)
        self.traffic = self._make_traffic(tasks)
        self.calendar = self._make_calendar()
        self.roster = self._make_roster(tasks)
        self.apphost = AppHost(self)
        self.parts: list[Part] = [*self.traffic.parts, *self.instruments.parts, self.apphost]
        self.crew = self._make_crew()
        self.desk = Desk(self)
        self._gauges()

    # -- building ---------------------------------------------------------------------------------------------------

    def _open_journal(self) -> Journal:
        settings = self.config.journal
        return open_journal(
            settings.path,
            clock=self.clock,
            files=self.outside.files,
            upstreams=tuple(self.config.upstream),
            formerly={name: upstream.formerly for name, upstream in self.config.upstream.items() if upstream.formerly},
            limits=Limits.of(settings),
            keys=Keyring(*settings.keys),
            on_durable=self._on_durable,
        )

    def _make_instruments(self) -> Instruments:
        return Instruments(
            self.config,
            self.outside.wires,
            clock=self.clock,
            inbox=self.inbox,
            minter=self.minter,
            telemetry=self.telemetry,
            show=self._show,
        )

    def _show(self, device: str, values: Mapping[str, float | bool]) -> None:
        self.traffic.show(device, values)  # made after the instruments, which it may set

    def _make_triggers(self, tasks: Mapping[str, Task]) -> Triggers:
        return Triggers(
            {name: task.settings for name, task in tasks.items()},
            clock=self.clock,
            minter=self.minter,
            telemetry=self.telemetry,
        )

    def _make_pipeline(self, tasks: Mapping[str, Task]) -> Pipeline:
        return Pipeline(
            edge_id=self.config.edge.id,
            inbox=self.inbox,
            triggers=self.triggers,
            tasks=tasks,
            journal=self.journal,
            around=self.around,
            tally=self.tally,
            telemetry=self.telemetry,
            runs=self.config.runs,
        )

    def _make_surroundings(self) -> Surroundings:
        return Surroundings(
            clock=self.clock,
            mint=self.minter.mint,
            matches=covers,
            devices=self.instruments.handles,
            readings=self.instruments.values,
            tools=self.tools,
            memories=self.stores.memories,
            checkpoints=self.stores.checkpoints,
            random=self.outside.random.random,
            observers=load_observers(self.config.runs.observers, self.clock.monotonic),
        )

    def _make_traffic(self, tasks: Mapping[str, Task]) -> Traffic:
        return Traffic(
            self.config,
            self.outside,
            journal=self.journal,
            inbox=self.inbox,
            minter=self.minter,
            tasks=tasks,
            outputs=self.instruments.remote,
            mail=self.instruments.mail,
            install=self._install,
            telemetry=self.telemetry,
        )

    def _make_crew(self) -> Crew:
        crew = Crew(
            step=self.pipeline.step,
            wait=self._wait_for_work,
            watch=self.pipeline.watch,
            spawn=self._threads.spawn,
        )
        self.pipeline.promote = crew.promote
        self.pipeline.watching = crew.stir
        return crew

    def _install(self, name: str, arrival: Arrival) -> None:
        self.apphost.deliver(name, arrival)  # made after the traffic, which it shows itself on

    def _on_durable(self, sequence: int) -> None:
        self.pipeline.on_durable(sequence)
        self.traffic.wake()

    def _make_calendar(self) -> Schedule:
        calendar = self.outside.open_calendar(self._calendar_report)
        self.traffic.plan(calendar)
        return calendar

    def _make_roster(self, tasks: Mapping[str, Task]) -> Roster:
        return Roster(
            tasks,
            self.pipeline,
            self.triggers,
            self.calendar,
            clock=self.clock,
            minter=self.minter,
            inbox=self.inbox,
        )

    def _calendar_report(self, name: str, label: str) -> None:
        self.telemetry.counter("edge_schedule_misses_total", task=name, kind=label).add()
        log.warning("schedule of %s: %s", name, label, extra={"action": "schedule_missed", "task": name})

    # -- running ----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Outputs into their safe state, sources on, threads running. Comes back at once; never fails on a missing
        part: that is `degraded`."""
        self.prepare()
        for calls in (self.calls, self.around.observers.calls):
            calls.open(self._threads.spawn)
        self._threads.spawn("journal", self._write_journal)
        self.crew.start()
        for part in self.parts:
            self._threads.spawn(part.name, lambda part=part: self._turn(part))  # type: ignore[misc]

    def prepare(self) -> None:
        """What comes before the first turn: tests call it, and then turn the parts themselves."""
        self.instruments.start_outputs()
        self.calendar.start()
        self.apphost.load_installed()
        self.stores.start({name: task.settings for name, task in self.roster.tasks.items()})
        promised = self.pipeline.recover()
        if promised:
            log.info("%d runs promised before the last stop run now", promised, extra={"action": "runs_recovered"})

    def _turn(self, part: Part) -> None:
        part.start()
        source = part in self.instruments.parts
        while not self._stopping and not (source and self._draining):
            part.turn(block=True)

    def _write_journal(self) -> None:
        pause = threading.Event()
        while not self._stopping:
            self.journal.wait(_LOOK)
            if not self.commit():
                pause.wait(_LOOK)

    def commit(self) -> bool:
        """One turn of the journal's writer, also when there is nothing to write: it keeps house. False where the disk
        refuses: the frames stay, and nothing is acknowledged until it takes them."""
        try:
            self.journal.commit()
            self.stores.tick()
        except JournalError:  # the journal says so itself, in the log and in its stats
            return False
        return True

    def _wait_for_work(self) -> None:
        due = min(until(self.clock, self.pipeline.deadline), _LOOK)
        if self.pipeline.held_up:
            self.inbox.rest(due)
        else:
            self.inbox.wait(due)

    def wait(self, timeout: float) -> bool:
        """Mind the house for `timeout` seconds; True as soon as something failed that only a restart mends."""
        self.calendar.watch_clock()
        stuck = self.pipeline.stuck
        if len(stuck) >= self.config.runs.at_once:
            tasks = ", ".join(sorted(set(stuck)))
            self._fail(f"{len(stuck)} runs did not return: every slot is taken by a stuck thread (of {tasks})")
        with self._ended:
            return self._ended.wait_for(lambda: self._failed is not None, timeout)

    @property
    def failed(self) -> str | None:
        """Why only a restart helps; None while none is needed."""
        return self._failed

    def _fail(self, reason: str) -> None:
        with self._ended:
            self._failed = self._failed or reason
            self._ended.notify_all()

    def progress(self) -> bool:
        """Whether every part is alive and the lead moved, or had nothing to do, since the last call."""
        moved = self.crew.progress != self._progress or not len(self.inbox)
        self._progress = self.crew.progress
        wanted = {"journal", "watchdog", *(part.name for part in self.parts)}
        return moved and self._failed is None and wanted <= set(self._threads.alive())

    def stop(self, *, grace: float = 10.0) -> None:
        """Take nothing more in, finish what was begun for up to `grace` seconds, keep the rest. Idempotent."""
        if self._stopped:
            return
        pause = threading.Event()
        self._draining = True
        self.calendar.stop()
        self.traffic.drain()
        deadline = self.clock.monotonic() + grace
        while not self.pipeline.idle and self.clock.monotonic() < deadline:
            if self.clock.monotonic() > deadline - grace / 2:
                self.pipeline.cancel(grace_over=False)
            pause.wait(_STEP)
        self.crew.stop()
        with suppress(JournalError):  # closing tries once more, and says it
            self.pipeline.cancel(grace_over=True)
            self.journal.commit()
        self._stopping = True
        closing = (self.calls.close, self.around.observers.calls.close)
        for wake in (self.inbox.wake, *closing, *(part.wake for part in self.parts)):
            wake()
        self._threads.join(2.0)
        self._stopped = True
        self.close()

    def close(self) -> None:
        """Give back what the outside lent, outputs in their safe state first. `stop` does it; tests may alone."""
        with ExitStack() as stack:
            stack.callback(self._close_journal)
            for tool in self.tools.values():
                stack.callback(tool.close)
            stack.callback(self.apphost.close)
            for engine in self.engines.values():
                stack.callback(engine.close)
            stack.callback(self.traffic.close)
            stack.callback(self.instruments.close)

    def _close_journal(self) -> None:
        self.stores.stop()
        try:
            self.journal.close()
        except JournalError as error:  # a disk that refuses must not keep the rest from stopping in good order
            log.error("what was not confirmed is lost: %s", error, extra={"action": "journal_lost"})

    def let_run(self, answered: threading.Event, timeout: float) -> None:
        """Wait until `answered`, or for `timeout` seconds. Tests, which have no threads, put their pump here."""
        answered.wait(timeout)

    def spawn(self, name: str, body: Callable[[], None]) -> None:
        """A thread of the runtime's for something that lives beside it: control socket, metrics."""
        self._threads.spawn(name, body)

    # -- how it is doing ----------------------------------------------------------------------------------------------

    def status(self) -> list[dict[str, Any]]:
        """Every part: name, kind, state, since, last_error."""
        return list(parts_of(self, self._began))

    def degraded(self) -> list[str]:
        """What does not work as configured, one sentence each; empty when all is well."""
        found = complaints(self.status())
        return [*found, self._failed] if self._failed else found

    def _gauges(self) -> None:
        telemetry, journal = self.telemetry, self.journal
        for name in self.config.upstream:
            telemetry.gauge("edge_journal_pending_records", lambda name=name: journal.backlog(name), upstream=name)  # type: ignore[misc]
        telemetry.gauge("edge_journal_bytes", lambda: journal.stats()["bytes"])
        telemetry.gauge("edge_build_info", lambda: 1, version=version("edge-runtime"))


def _load_tasks(config: Config, engines: Mapping[str, Engine]) -> dict[str, Task]:
    folder = Path.cwd()
    return {name: load_task(name, task, folder, engines[task.engine]) for name, task in config.tasks.items()}


def build(config: Config, outside: Outside) -> Runtime:
    """A runtime for this configuration. Raises TaskLoadError, JournalLocked, JournalFormat, OSError."""
    return Runtime(config, outside)


__all__ = ["Outside", "Runtime", "build"]
