"""One run, from start to outcome: the mutable heart of the room, and the records it becomes."""

from __future__ import annotations

import base64
import math
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson

from drivers import DriverError
from edge import envelope
from edge.clock import Clock, Quality, iso
from edge.errors import LimitExceeded, NotGranted, RunCancelled, RunTimeout, ToolError
from edge.model import Event, EventKind, Incoming, Record, RecordClass, RecordKind, Status, Stored
from edge.runs import limits
from edge.runs.load import Task
from edge.runs.scratch import Scratch
from edge.runs.text import MESSAGE

OVER = "it was promised, and the life of its app was over before its turn came"


class Cause(StrEnum):
    """What a run failed of, as far as trying again is concerned."""

    NONE = "none"
    TRANSIENT = "transient"  # a device, a tool, the system: may pass by itself
    TIMEOUT = "timeout"
    FAILURE = "failure"  # any other error of the task
    FINAL = "final"  # a grant, a limit, or being told to end: trying again changes nothing


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended. `result` is JSON; `error` says type, message and where; `missed`: it is partial because the
    task's `check:` was not so."""

    status: Status
    result: bytes | None = None
    error: Mapping[str, Any] | None = None
    cause: Cause = Cause.NONE
    missed: bool = False


def cause_of(error: type[BaseException]) -> Cause:
    """What an error that left a task makes of its run."""
    if issubclass(error, RunTimeout):
        return Cause.TIMEOUT
    if issubclass(error, NotGranted | LimitExceeded | RunCancelled):
        return Cause.FINAL
    return Cause.TRANSIENT if issubclass(error, OSError | DriverError | ToolError) else Cause.FAILURE


class Run:
    """One attempt at a task for an event. `id` is the outcome's id for ever, in every attempt; `recovered`: a crash
    interrupted it before.

    Two claims decide races between the thread that runs it and the watchdog, each won once: `detach` (the leader's
    role moved on, the run goes on) and `end` (its outcome is written).
    """

    __slots__ = ("_attached", "_open", "attempt", "cancelled", "event", "event_json", "id", "notes", "on_cancel",
                 "partial", "place", "publishes", "recovered", "scratch", "started", "started_wall", "task",
                 "usage")  # fmt: skip

    def __init__(self, id: str, task: Task, event: Event, event_json: bytes, *, recovered: bool = False) -> None:
        self.id = id
        self.task = task
        self.event = event
        self.event_json = event_json
        self.started = math.inf  # until it begins
        self.started_wall = 0.0
        self.attempt = 1
        self.place = 0  # in the order of acceptance, once it is promised
        self.recovered = recovered
        self.scratch = Scratch()
        self.usage = limits.NOTHING
        self.notes: list[dict[str, Any]] = []
        self.partial: str | None = None
        self.publishes: list[Record] = []
        self.cancelled = False
        self.on_cancel: Callable[[], None] = _nothing
        """What ends it at once, where its engine can: set it, then look at `cancelled`. Any thread calls it, once; it
        neither blocks nor raises."""
        self._attached = threading.Lock()
        self._open = threading.Lock()

    @property
    def deadline(self) -> float:
        """Monotonic seconds at which its time limit is reached."""
        return self.started + self.task.settings.limits.time

    def detach(self) -> bool:
        """Claim the moment at which leading and running part. False when the other side was first."""
        return self._attached.acquire(blocking=False)

    def end(self) -> bool:
        """Claim the right to write the outcome. False when it is written already."""
        return self._open.acquire(blocking=False)

    def turn_to(self, task: Task) -> bool:
        """Be a run of what has its task's name now. False where that may not begin another one."""
        self.task.ended(self.id, Status.CANCELLED)
        self.task = task
        return task.begins(self.id)

    @property
    def over(self) -> bool:
        """Its outcome is written: whatever the task still does counts for nothing."""
        return self._open.locked()

    def cancel(self) -> None:
        """Tell it to end: its next use of `ctx` raises, and an engine that can kills it now."""
        if not self.cancelled:
            self.cancelled = True
            self.on_cancel()

    def again(self) -> Run:
        """The next attempt. It takes what stands in `scratch` with it, and nothing else: what this one noted down,
        spent or wanted to publish is gone, and whatever its thread still does reaches nobody."""
        run = Run(self.id, self.task, self.event, self.event_json, recovered=self.recovered)
        run.attempt = self.attempt + 1
        run.place = self.place
        run.scratch = self.scratch.copy()
        return run

    def unbegun(self, clock: Clock) -> None:
        """It ends without having begun: only the attempts before it were made."""
        self.attempt -= 1
        self.started, self.started_wall = clock.monotonic(), clock.wall()

    @property
    def begun(self) -> bool:
        return self.started < math.inf

    def accepted(self) -> Record:
        """The promise that this run will happen: enough to run it again after a crash."""
        event = self.event
        body: dict[str, Any] = {
            "task": self.task.name,
            "kind": event.kind.value,
            "event": orjson.Fragment(self.event_json),
        }
        body["at"] = event.time
        body["quality"] = event.quality
        if event.correlation_id:
            body["correlation_id"] = event.correlation_id
        if event.payload is not None:
            body["payload"] = base64.b64encode(event.payload).decode()
        return Record(RecordKind.ACCEPTED, RecordClass(self.task.settings.klass), self.id, orjson.dumps(body))

    def outcome(self, ending: Ending, clock: Clock, edge_id: str) -> Record:
        """The outcome's envelope, sealed now. Times, notes and usage are those of this attempt."""
        wall = clock.wall()
        data: dict[str, Any] = {
            "task": self.task.name,
            "status": ending.status.value,
            "event": orjson.Fragment(self.event_json),
            "result": None if ending.result is None else orjson.Fragment(ending.result),
            "error": ending.error,
            "attempts": self.attempt,
            "started": iso(self.started_wall),
            "duration_ms": round((clock.monotonic() - self.started) * 1000, 3),
            "usage": self.usage.data(),
            "limits": self.task.limits,
            "clock": clock.quality(),
            **_correlated(self.event),
        }
        if self.task.life is not None:
            data["app"] = self.task.life.mark
        if self.notes:
            data["notes"] = self.notes
        if self.partial is not None:
            data["partial"] = self.partial
        body = envelope.seal(id=self.id, edge_id=edge_id, task=self.task.name, time=iso(wall), data=data)
        return Record(RecordKind.OUTCOME, RecordClass(self.task.settings.klass), self.id, body)


def _correlated(event: Event) -> dict[str, str]:
    """What an outcome says besides its event's own id, where that was not the first of its chain."""
    first = event.correlation_id
    return {"correlation_id": first} if first and first != event.id else {}


def _nothing() -> None:
    """What ends a run that nobody can end."""


def returned(run: Run, encoded: bytes) -> Ending:
    """What a run ends with whose task returned a result of the declared type."""
    try:
        run.usage = limits.output(run.usage, run.task.settings.limits, len(encoded))
    except LimitExceeded as error:
        return failed("LimitExceeded", str(error), run.task.program.file, Cause.FINAL)
    goal = run.task.goal
    why = "" if goal is None else goal.missed(encoded, run.event, run.usage)
    if why:
        run.partial = "; ".join(filter(None, (run.partial, f"check: {why}")))
    return Ending(Status.SUCCESS if run.partial is None else Status.PARTIAL, result=encoded, missed=bool(why))


def failed(type: str, message: str, where: str, cause: Cause = Cause.FAILURE) -> Ending:
    """What a run ends with that somebody else than the task's own `raise` ended; `where`: a file, a line, or a key."""
    return Ending(Status.FAILURE, error={"type": type, "message": message[:MESSAGE], "where": where}, cause=cause)


def too_late(run: Run) -> Ending:
    """What a run ends with that did not end in time."""
    message = f"the run did not end within limits.time of {run.task.settings.limits.time:g} s"
    error = {"type": "RunTimeout", "message": message, "where": run.task.program.file}
    return Ending(Status.TIMEOUT, error=error, cause=Cause.TIMEOUT)


def cancelled(run: Run, why: str) -> Ending:
    """What a run ends with that nobody lets go on, or begin."""
    error = {"type": "RunCancelled", "message": why, "where": run.task.program.file}
    return Ending(Status.CANCELLED, error=error, cause=Cause.FINAL)


def interrupted(run: Run) -> Ending:
    """What a run ends with that a crash interrupted and that may not run again."""
    name = run.task.name
    message = (
        "the run was promised before a restart, nobody knows how far it got,"
        f" and tasks.{name}.on_crash is fail: it does not run again"
    )
    return failed("Interrupted", message, f"tasks.{name}", Cause.FINAL)


class Dispatch:
    """What one incoming item started, as far as it got: the watchdog completes it when a run takes long."""

    __slots__ = ("incoming", "promised", "records", "runs")

    def __init__(self, incoming: Incoming | None, runs: deque[Run]) -> None:
        self.incoming = incoming
        self.runs = runs  # still to be begun
        self.records: list[Record] = []  # the frame so far
        self.promised: list[Run] = []


@dataclass(frozen=True, slots=True)
class Promise:
    """An accepted record read back after a crash: what to run again, under the same id."""

    id: str
    task: str
    klass: RecordClass
    event: Event
    event_json: bytes

    @classmethod
    def read(cls, stored: Stored, monotonic: float) -> Promise:
        """Raises ValueError or KeyError when the record is not one of ours."""
        body = orjson.loads(stored.record.body)
        data = body["event"]
        quality: Quality = body["quality"]
        payload = body.get("payload")
        event = Event(
            id=data["id"],
            source=data["source"],
            kind=EventKind(body["kind"]),
            values=data["values"],
            time=body["at"],
            monotonic=monotonic,
            quality=quality,
            topic=data.get("topic"),
            payload=None if payload is None else base64.b64decode(payload),
            correlation_id=body.get("correlation_id", ""),
            hops=data.get("hops", 0),
            doubt=data.get("doubt", ""),
        )
        return cls(stored.record.id, body["task"], stored.record.klass, event, orjson.dumps(data))

    def abandoned(self, clock: Clock, edge_id: str) -> Record:
        """The outcome of a promise that nobody can keep: its task is not there any more."""
        now = iso(clock.wall())
        message = "the run was promised before a restart, and its task is not there any more"
        data = {
            "task": self.task,
            "status": Status.CANCELLED.value,
            "event": orjson.Fragment(self.event_json),
            "result": None,
            "error": {"type": "RunCancelled", "message": message, "where": f"tasks.{self.task}"},
            "attempts": 0,
            "started": now,
            "duration_ms": 0.0,
            "usage": {},
            "limits": {},
            "clock": clock.quality(),
            **_correlated(self.event),
        }
        body = envelope.seal(id=self.id, edge_id=edge_id, task=self.task, time=now, data=data)
        return Record(RecordKind.OUTCOME, self.klass, self.id, body)
