"""Which runs may begin now: limits of their tasks, and room for their outcomes in the journal.

Invariants
- Nothing is begun whose outcome the journal does not take. A message waits for that, unacknowledged, while other
  classes go on past it; what nobody would send again is rejected, and counted in one outcome like any refusal.
- At most `PARKED` messages wait so. Then the whole inbox waits, alarms too: what a message starts is known only when
  it is taken.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence

import orjson

from edge.clock import Clock
from edge.model import MAX_HOPS, Event, Incoming, RecordClass, Start, Status
from edge.runs.gates.gate import Gates
from edge.runs.gates.refusals import Refusals
from edge.runs.run import Ending, Run

PARKED = 1000  # more than most brokers send unacknowledged
_JOURNAL_FULL = "journal_full"
_CLASSES = (RecordClass.TELEMETRY, RecordClass.ALARM)


class Admission:
    """Belongs to the leading thread, `refused` to any. `takes`: whether the journal has room for outcomes of a class;
    `mint` gives ids."""

    def __init__(
        self, gates: Gates, *, takes: Callable[[RecordClass], bool], clock: Clock, mint: Callable[[], str]
    ) -> None:
        self._gates = gates
        self._takes = takes
        self._clock = clock
        self._mint = mint
        self._refusals = Refusals(clock)
        self._parked: deque[tuple[Incoming, deque[Run]]] = deque()

    def admit(self, starts: Sequence[Start], event: Event) -> deque[Run]:
        """The runs that the limits of their tasks let begin; the others are refused."""
        event_json = orjson.dumps(event.data())
        tried = [self._one(start, event, event_json) for start in starts]
        return deque(run for run in tried if not isinstance(run, str))

    def admit_one(self, start: Start, event: Event) -> Run | str:
        """The run, or in one word why it was refused."""
        return self._one(start, event, orjson.dumps(event.data()))

    def _one(self, start: Start, event: Event, event_json: bytes) -> Run | str:
        gate = self._gates[start.task]
        id = self._mint()
        crowded = self._gates.crowded
        reason = "too_many_hops" if event.hops > MAX_HOPS else gate.admit(self._clock.monotonic(), crowded=crowded)
        if reason is None and not gate.task.begins(id):
            reason = "app_over"
        if reason is None:
            return Run(id, gate.task, event, event_json)
        self._refusals.add(start.task, reason, event)
        return reason

    def fits(self, runs: Iterable[Run]) -> bool:
        """Whether the journal takes the frame that these runs will make: it has the worth of the dearest."""
        alarm = any(run.task.settings.klass == "alarm" for run in runs)
        return self._takes(RecordClass.ALARM if alarm else RecordClass.TELEMETRY)

    def hold(self, incoming: Incoming | None, runs: deque[Run]) -> None:
        """There is no room for them: keep them until there is, or refuse what nobody holds on to."""
        if incoming is not None and incoming.delivery is not None:
            self._parked.append((incoming, runs))
            return
        for run in runs:
            self._refusals.add(run.task.name, _JOURNAL_FULL, run.event)
        self.give_up(runs)
        if incoming is not None:
            incoming.settle()

    def give_up(self, runs: Iterable[Run]) -> None:
        """They might begin, and do not: an app whose runs are counted has them back."""
        for run in runs:
            run.task.ended(run.id, Status.REJECTED)

    def freed(self) -> tuple[Incoming, deque[Run]] | None:
        """The oldest that was held, if there is room for it now."""
        if self._parked and self.fits(self._parked[0][1]):
            return self._parked.popleft()
        return None

    @property
    def held(self) -> int:
        """How many messages wait."""
        return len(self._parked)

    @property
    def deadline(self) -> float | None:
        """When `refused` has something to say; not while the journal has no room for that."""
        due = self._refusals.deadline
        return due if due is not None and all(map(self._takes, _CLASSES)) else None

    def refused(self, *, all: bool) -> Iterator[tuple[Run, Ending]]:
        """A rejected run for every task and reason whose minute is over, or for every one, with the count."""
        for name, reason, event, count in self._refusals.due(all=all):
            run = Run(self._mint(), self._gates[name].task, event, orjson.dumps(event.data()))
            run.unbegun(self._clock)
            when = "while it was" if reason == _JOURNAL_FULL else "within a minute"
            message = f"{reason}: {count} {'start' if count == 1 else 'starts'} refused {when}"
            error = {"type": "Rejected", "message": message, "where": f"tasks.{name}", "reason": reason, "count": count}
            yield run, Ending(Status.REJECTED, error=error)
