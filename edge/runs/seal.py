"""How every run ends: its outcome's record, counted, and told to whoever started it by hand."""

from __future__ import annotations

import logging
from collections.abc import Callable

from edge.clock import Clock
from edge.model import Record
from edge.runs.gates.gate import Gates
from edge.runs.run import Ending, Run
from edge.telemetry import Telemetry

log = logging.getLogger(__name__)


class Seal:
    """Any thread, once a run: whoever claimed its end."""

    def __init__(self, *, edge_id: str, gates: Gates, clock: Clock, telemetry: Telemetry) -> None:
        self._edge_id = edge_id
        self._gates = gates
        self._clock = clock
        self._seconds = telemetry.histogram("edge_run_seconds")
        self.answers: dict[str, Callable[[bytes | None, str], None]] = {}
        """Who waits for the outcome, by the run's id."""

    def seal(self, run: Run, ending: Ending) -> Record:
        """The outcome of a run that has ended now."""
        gate = self._gates[run.task.name]
        gate.ended[ending.status].add()
        if ending.missed:
            gate.missed.add()
        self._seconds.observe(self._clock.monotonic() - run.started)
        if log.isEnabledFor(logging.DEBUG):
            log.debug("%s %s", run.task.name, ending.status.value, extra={"action": "run_ended", "run": run.id})
        record = run.outcome(ending, self._clock, self._edge_id)
        run.task.ended(run.id, ending.status, ending.missed)
        if self.answers and run.id in self.answers:
            self.answers.pop(run.id)(record.body, "")
        return record
