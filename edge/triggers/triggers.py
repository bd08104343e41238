"""All triggers of a configuration, found by source.

The cost of an event is that of the triggers on its source: tasks on other sources cost nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Final

from edge.clock import Clock
from edge.config.tasks import TaskSettings
from edge.ids import Minter
from edge.model import Event, Start
from edge.telemetry import Telemetry
from edge.triggers.conditions import compile_condition
from edge.triggers.timers import Timers
from edge.triggers.trigger import SCHEDULE, ScheduleTrigger, SourceTrigger, Starter

DOUBTFUL: Final = "doubtful"
_NOTHING: tuple[Sequence[Start], None] = ((), None)


class Triggers:
    """Events and time in, starts out. One thread; owns none; reads time only in `due`."""

    def __init__(
        self, tasks: Mapping[str, TaskSettings], *, clock: Clock, minter: Minter, telemetry: Telemetry
    ) -> None:
        self._clock = clock
        self._minter = minter
        self._telemetry = telemetry
        self._timers: Timers[SourceTrigger | ScheduleTrigger] = Timers()
        self._ripe: list[tuple[float, int, Start]] = []
        self._by_source: dict[str, list[SourceTrigger]] = {}
        self._known: dict[str, SourceTrigger | ScheduleTrigger] = {}
        self._added = itertools.count()
        for name, task in tasks.items():
            self.add(name, task)

    def match(self, event: Event) -> tuple[Sequence[Start], str | None]:
        """The starts for this event, in the order of the configuration.

        Also the reason (`cooldown`, `missing_field`, `not_a_number`, `doubtful`) where a trigger held without starting
        or could not judge. A trigger with `for` starts later, from `due`.
        """
        triggers = self._by_source.get(event.source)
        if triggers is None:
            return _NOTHING
        if event.doubt:
            triggers = [trigger for trigger in triggers if trigger.doubtful]
            if not triggers:
                return (), DOUBTFUL
        starts: list[Start] | None = None
        reason: str | None = None
        for trigger in triggers:
            found = trigger.see(event)
            if found is None:
                continue
            if isinstance(found, str):
                reason = reason or found
            elif starts is None:
                starts = [found]
            else:
                starts.append(found)
        if starts is None:
            return _NOTHING if reason is None else ((), reason)
        return starts, reason

    def due(self) -> Sequence[Start]:
        """What time alone has made true by now, earliest first: a `for` that has held, a tick of `every`.

        A start's event is the latest one that held, or the tick. Call it when `deadline` has come and before
        `match` of later events.
        """
        now = self._clock.monotonic()
        while (member := self._timers.take(now)) is not None:
            moment = member.deadline
            assert moment is not None
            self._keep(moment, member.order, member.ring(now))
            self._timers.watch(member)
        if not self._ripe:
            return ()
        ripe, self._ripe = sorted(self._ripe, key=lambda entry: entry[:2]), []
        return [start for _, _, start in ripe]

    @property
    def deadline(self) -> float | None:
        """Monotonic time of the next moment at which `due` has something to do; None while nothing waits."""
        if self._ripe:
            return self._ripe[0][0]
        return self._timers.deadline

    def _keep(self, moment: float, order: int, found: Start | str) -> None:
        if isinstance(found, Start):
            self._ripe.append((moment, order, found))

    def add(self, name: str, task: TaskSettings) -> None:
        """Let it start, after those there are; one of that name that was there goes."""
        self.remove(name)
        when, order = task.when, next(self._added)
        starter = Starter(name, task.cooldown, self._telemetry)
        if when.every is not None:
            schedule = ScheduleTrigger(order, name, starter, when.every, clock=self._clock, minter=self._minter)
            self._known[name] = schedule
            self._timers.watch(schedule)
            return
        levels = any(value is not None for value in (when.above, when.below, when.equals))
        trigger = SourceTrigger(
            order,
            starter,
            compile_condition(when),
            pulse=not levels,
            each=when.each,
            doubtful=when.doubtful,
            for_=when.for_,
            wait=self._timers.watch,
            ripe=self._keep,
        )
        self._known[name] = trigger
        self._by_source.setdefault(when.source or SCHEDULE + name, []).append(trigger)

    def remove(self, name: str) -> None:
        """It starts nothing any more, whatever it waited for; nothing where there is none."""
        gone = self._known.pop(name, None)
        if gone is None:
            return
        gone.deadline = None
        self._ripe = [entry for entry in self._ripe if entry[2].task != name]
        kept = {source: [one for one in triggers if one is not gone] for source, triggers in self._by_source.items()}
        self._by_source = {source: triggers for source, triggers in kept.items() if triggers}
