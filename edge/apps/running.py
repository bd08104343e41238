"""What runs of the apps, and how often it has: asked for every start, told of every ending; in memory, one short lock.

What is counted here is collected by `Apps.tick` and written down; nothing on this path waits for a disk.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edge.apps.lifecycle import is_over
from edge.apps.records import Record
from edge.apps.trial import NOTHING, Tally
from edge.config.tasks import TaskSettings
from edge.model import Status
from edge.telemetry import Telemetry

_FAILED = (Status.FAILURE, Status.TIMEOUT)
_COUNTED = (Status.SUCCESS, Status.PARTIAL, *_FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """An app as the pipeline runs it: the task of its name. `output` is the type of its results, None where the source
    says it itself."""

    name: str
    version: int
    trial: bool
    settings: TaskSettings
    source: bytes
    output: Any = None

    @property
    def mark(self) -> dict[str, Any]:
        """What its outcomes say as `data.app`."""
        return {"name": self.name, "version": self.version, **({"trial": True} if self.trial else {})}


@dataclass(frozen=True, slots=True)
class Permit:
    """For one run; given back once with how it ended."""

    name: str
    version: int


class ActiveApps:
    """The apps that run now. Any thread."""

    def __init__(self, telemetry: Telemetry, lived: Callable[[], float]) -> None:
        self._telemetry = telemetry
        self._lived = lived
        self._lock = threading.Lock()
        self._serving: dict[str, tuple[Running, Record]] = {}
        self._open: dict[tuple[str, int], int] = {}
        self._new: dict[tuple[str, int], Tally] = {}

    def put(self, record: Record, running: Running | None) -> None:
        """This runs for the name from now on; None: nothing."""
        with self._lock:
            if running is None:
                self._serving.pop(record.name, None)
            else:
                self._serving[record.name] = running, record

    def get(self, name: str) -> Running | None:
        with self._lock:
            found = self._serving.get(name)
            return None if found is None else found[0]

    def begin(self, name: str) -> Permit | None:
        """A permit for one run; None where it has had all its runs, its time is over, or nothing of that name runs."""
        with self._lock:
            found = self._serving.get(name)
            if found is None:
                return None
            running, record = found
            key = name, running.version
            started = self._open.get(key, 0)
            if is_over(record, self._lived(), started + self._new.get(key, NOTHING).runs):
                return None
            self._open[key] = started + 1
            return Permit(name, running.version)

    def finished(self, permit: Permit, status: Status, goal_missed: bool) -> None:
        """How it ended. Without a verdict on the code (cancelled, rejected), the run is given back."""
        key = permit.name, permit.version
        counts = status in _COUNTED
        with self._lock:
            still = self._open.get(key, 0) - 1
            if still > 0:
                self._open[key] = still
            else:
                self._open.pop(key, None)
            if counts:
                self._new[key] = self._new.get(key, NOTHING) + Tally(1, int(status in _FAILED), int(goal_missed))
        if counts:
            self._telemetry.counter("edge_apps_iterations_total", app=permit.name).add()
        if status is Status.TIMEOUT:
            self._telemetry.counter("edge_apps_killed_total", app=permit.name).add()
        if goal_missed:
            self._telemetry.counter("edge_apps_goal_violations_total", app=permit.name).add()

    def uncounted(self, name: str) -> dict[int, Tally]:
        """What ended since it was last collected, by version."""
        with self._lock:
            return {version: tally for (known, version), tally in self._new.items() if known == name}

    def collected(self, record: Record, tallies: dict[int, Tally]) -> None:
        """The record holds these now, so that nothing counts twice or never."""
        with self._lock:
            for version, tally in tallies.items():
                key = record.name, version
                rest = self._new[key] - tally
                if rest.runs:
                    self._new[key] = rest
                else:
                    del self._new[key]
            if record.name in self._serving:
                self._serving[record.name] = self._serving[record.name][0], record
