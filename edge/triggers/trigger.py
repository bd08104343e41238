"""One task's trigger: what it remembers between events.

Invariants
- A condition that becomes true is one start, however many events repeat it, until it has been false again.
- All times are those of events and deadlines, never "now": being asked late changes nothing but the delay.
- An event that says nothing, or that cannot be judged, changes nothing.

    false --event holds--> true, waits until t + for --deadline--> true, started --event does not hold--> false
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from edge.clock import Clock
from edge.ids import Minter
from edge.model import Event, EventKind, Start
from edge.telemetry import Counter, Telemetry
from edge.triggers.conditions import Condition

COOLDOWN: Final = "cooldown"
SCHEDULE: Final = "schedule/"
"""The source of a schedule's ticks is this and the task's name; no device or message source can have a slash."""


class Starter:
    """Makes the starts of one task and holds them back within its cooldown."""

    __slots__ = ("_cooldown", "_counts", "_quiet_until", "_task", "_telemetry")

    def __init__(self, task: str, cooldown: float | None, telemetry: Telemetry) -> None:
        self._task = task
        self._cooldown = cooldown
        self._quiet_until = -math.inf
        self._telemetry = telemetry
        self._counts: dict[str, Counter] = {}

    def start(self, event: Event, moment: float) -> Start | str:
        """The start of the task at this moment, or why not; counted."""
        if self._cooldown is not None:
            if moment < self._quiet_until:
                self.count(COOLDOWN)
                return COOLDOWN
            self._quiet_until = moment + self._cooldown
        return Start(self._task, event)

    def count(self, reason: str) -> None:
        """Something happened that could have started the task and, for this reason, did not."""
        counter = self._counts.get(reason)
        if counter is None:
            counter = self._telemetry.counter("edge_starts_suppressed_total", task=self._task, reason=reason)
            self._counts[reason] = counter
        counter.add()


class SourceTrigger:
    """A source with or without a condition.

    `pulse`: each event that holds is news by itself (pin edges, a source without condition). `doubtful`: it is shown
    readings that may be lies, too. `wait` is called when
    a `for` begins; `ripe` takes a start whose `for` had been over before an event said so.
    """

    __slots__ = (
        "_condition",
        "_each",
        "_for",
        "_held",
        "_latest",
        "_pulse",
        "_ripe",
        "_starter",
        "_wait",
        "deadline",
        "doubtful",
        "order",
        "queued",
    )

    def __init__(
        self,
        order: int,
        starter: Starter,
        condition: Condition,
        *,
        pulse: bool,
        each: bool = False,
        doubtful: bool = False,
        for_: float | None = None,
        wait: Callable[[SourceTrigger], None],
        ripe: Callable[[float, int, Start | str], None],
    ) -> None:
        self.order = order
        self.deadline: float | None = None
        self.queued = False
        self._starter = starter
        self._condition = condition
        self._pulse = pulse
        self._each = each
        self.doubtful = doubtful
        self._for = for_
        self._wait = wait
        self._ripe = ripe
        self._held = False
        self._latest: Event | None = None

    def see(self, event: Event) -> Start | str | None:
        """What this event of the source starts, or why it starts nothing where it might have."""
        verdict = self._condition(event, self._held)
        if verdict is True:
            if self._held and not self._pulse:
                return self._still_true(event)
            return self._becomes_true(event)
        if verdict is False:
            if self._held:
                self._held = False
                self._end_wait(event.monotonic)
            return None
        if verdict is not None:
            self._starter.count(verdict)
        return verdict

    def ring(self, now: float) -> Start | str:
        """The condition has held for `for`: the start, with the latest event that held."""
        moment, event = self.deadline, self._latest
        assert moment is not None
        assert event is not None
        self.deadline = self._latest = None
        return self._starter.start(event, moment)

    def _becomes_true(self, event: Event) -> Start | str | None:
        self._held = True
        moment = event.monotonic
        if self._for is None:
            return self._starter.start(event, moment)
        self._end_wait(moment)
        self.deadline = moment + self._for
        self._latest = event
        self._wait(self)
        return None

    def _still_true(self, event: Event) -> Start | str | None:
        if self.deadline is not None:
            if event.monotonic < self.deadline:
                self._latest = event
                return None
            self._end_wait(event.monotonic)
        return self._starter.start(event, event.monotonic) if self._each else None

    def _end_wait(self, moment: float) -> None:
        deadline = self.deadline
        if deadline is None:
            return
        if moment >= deadline:
            self._ripe(deadline, self.order, self.ring(moment))
        self.deadline = self._latest = None


class ScheduleTrigger:
    """`every`: a fixed rate on monotonic time. The k-th tick is at begin + k * period, so nothing drifts."""

    __slots__ = (
        "_begin",
        "_clock",
        "_minter",
        "_number",
        "_period",
        "_source",
        "_starter",
        "deadline",
        "order",
        "queued",
    )

    def __init__(self, order: int, task: str, starter: Starter, period: float, *, clock: Clock, minter: Minter) -> None:
        self.order = order
        self.queued = False
        self._starter = starter
        self._period = period
        self._source = SCHEDULE + task
        self._clock = clock
        self._minter = minter
        self._begin = clock.monotonic()
        self._number = 1
        self.deadline: float | None = self._begin + period

    def ring(self, now: float) -> Start | str:
        """The latest tick up to now; those missed before it are not made up."""
        self._number = max(self._number, math.floor((now - self._begin) / self._period))
        moment = self._begin + self._number * self._period
        self._number += 1
        self.deadline = self._begin + self._number * self._period
        event = Event(
            id=self._minter.mint(),
            source=self._source,
            kind=EventKind.TICK,
            values={},
            time=self._clock.wall() - (now - moment),
            monotonic=moment,
            quality=self._clock.quality(),
        )
        return self._starter.start(event, moment)
