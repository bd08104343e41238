"""Which tasks run, and what starts them: the pipeline's gates, the triggers and the calendar, changed together."""

from __future__ import annotations

from collections.abc import Mapping

from edge.clock import Clock
from edge.ids import Minter
from edge.ingest.inbox import Inbox
from edge.links.calendar import Schedule
from edge.model import Event, EventKind, Happened
from edge.pipeline import Pipeline
from edge.runs.load import Task
from edge.triggers import SCHEDULE, Triggers


class Roster:
    """`put` and `drop` belong to the leading thread once it leads; `tasks` is a new mapping after each, read by any."""

    def __init__(
        self,
        tasks: Mapping[str, Task],
        pipeline: Pipeline,
        triggers: Triggers,
        calendar: Schedule,
        *,
        clock: Clock,
        minter: Minter,
        inbox: Inbox,
    ) -> None:
        """`pipeline` and `triggers` have the tasks already; `calendar` is told of them here."""
        self.tasks: Mapping[str, Task] = dict(tasks)
        self._pipeline = pipeline
        self._triggers = triggers
        self._calendar = calendar
        self._clock = clock
        self._minter = minter
        self._inbox = inbox
        for task in tasks.values():
            self._plan(task)

    def put(self, task: Task) -> None:
        """Events start it from now on; what had its name before starts no more."""
        self._calendar.remove(task.name)
        self._pipeline.add(task)
        self._triggers.add(task.name, task.settings)
        self._plan(task)
        self.tasks = {**self.tasks, task.name: task}

    def drop(self, name: str, why: str) -> None:
        """Nothing starts it any more; what was promised to it ends for that reason."""
        self._calendar.remove(name)
        self._triggers.remove(name)
        self._pipeline.remove(name, why)
        self.tasks = {known: task for known, task in self.tasks.items() if known != name}

    def _plan(self, task: Task) -> None:
        when = task.settings.when
        if when.cron is not None:
            self._calendar.cron(task.name, when.cron, when.timezone, lambda: self._tick(task.name))

    def _tick(self, task: str) -> None:
        event = Event(
            id=self._minter.mint(),
            source=SCHEDULE + task,
            kind=EventKind.TICK,
            values={},
            time=self._clock.wall(),
            monotonic=self._clock.monotonic(),
            quality=self._clock.quality(),
        )
        self._inbox.push(Happened(event))
