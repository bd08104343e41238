"""The `Context` of a run: every door a task has to the world, each checked against grants, limits and the clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import orjson

from edge.clock import Clock
from edge.errors import LimitExceeded, NotGranted, RunCancelled, RunTimeout
from edge.model import MAX_HOPS, Record, RecordClass, RecordKind
from edge.runs.run import Run

_NOTE_BYTES = 1000


class Device(Protocol):
    """What the runtime lends of a configured device. Any thread; blocks for as long as the bus does."""

    def set(self, value: Any) -> None: ...

    def read(self) -> dict[str, float | bool]: ...


Topic = Callable[[str, str], bool]
"""Whether a topic lies inside a filter."""


class RunContext:
    """One run's view. Used by the thread that runs the task, and by threads the task started."""

    __slots__ = ("_clock", "_devices", "_matches", "_mint", "_run")

    def __init__(
        self, run: Run, clock: Clock, devices: Mapping[str, Device], matches: Topic, mint: Callable[[], str]
    ) -> None:
        self._run = run
        self._clock = clock
        self._devices = devices
        self._matches = matches
        self._mint = mint

    @property
    def correlation_id(self) -> str:
        return self._run.event.correlation_id or self._run.event.id

    def remaining(self) -> float:
        return max(0.0, self._run.deadline - self._clock.monotonic())

    def device(self, name: str) -> GrantedDevice:
        self._begin()
        if name not in self._run.task.settings.grant.devices:
            raise NotGranted(
                f"device {name!r} is not granted to {self._run.task.name}; "
                f"add it to tasks.{self._run.task.name}.grant.devices in edge.yaml"
            )
        return GrantedDevice(self._devices[name], self._spend_call)

    def publish(self, topic: str, value: Any) -> None:
        self._begin()
        run = self._run
        if not any(self._matches(granted, topic) for granted in run.task.settings.grant.publish):
            raise NotGranted(
                f"publishing to {topic!r} is not granted to {run.task.name}; "
                f"add it to tasks.{run.task.name}.grant.publish in edge.yaml"
            )
        if "+" in topic or "#" in topic or not topic:
            raise ValueError(f"{topic!r} is not a topic to publish on: wildcards and empty topics are for subscribing")
        if run.event.hops >= MAX_HOPS:
            raise LimitExceeded(f"this event came through {run.event.hops} publishes, the limit is {MAX_HOPS}")
        self._spend("publishes", run.usage.publishes, run.task.settings.limits.publishes)
        run.usage.publishes += 1
        body = {"payload": value, "correlation_id": self.correlation_id, "hops": run.event.hops + 1}
        run.publishes.append(Record(RecordKind.PUBLISH, RecordClass.PUBLISH, self._mint(), orjson.dumps(body), topic))

    def note(self, text: str, **fields: Any) -> None:
        self._begin()
        run = self._run
        self._spend("notes", len(run.notes), run.task.settings.limits.notes)
        note = {"text": str(text), **fields}
        if len(orjson.dumps(note, default=str)) > _NOTE_BYTES:
            raise LimitExceeded(f"a note of over {_NOTE_BYTES} bytes; put data into the result")
        run.notes.append(orjson.loads(orjson.dumps(note, default=str)))

    def partial(self, reason: str) -> None:
        self._begin()
        self._run.partial = str(reason)[:_NOTE_BYTES]

    def _begin(self) -> None:
        run = self._run
        if run.cancelled:
            raise RunCancelled("the runtime told this run to end")
        if run.over or self._clock.monotonic() > run.deadline:
            raise RunTimeout(f"limits.time of {run.task.settings.limits.time:g} s is over")

    def _spend(self, what: str, spent: int, limit: int) -> None:
        if spent >= limit:
            raise LimitExceeded(f"{what}: {spent} spent, limits.{what} is {limit}")

    def _spend_call(self) -> None:
        self._begin()
        self._spend("calls", self._run.usage.calls, self._run.task.settings.limits.calls)
        self._run.usage.calls += 1


class GrantedDevice:
    """A device in a task's hand: each command is checked and counted, and acts at once."""

    __slots__ = ("_device", "_spend")

    def __init__(self, device: Device, spend: Callable[[], None]) -> None:
        self._device = device
        self._spend = spend

    def on(self) -> None:
        self.set(True)

    def off(self) -> None:
        self.set(False)

    def set(self, value: Any) -> None:
        self._spend()
        self._device.set(value)

    def read(self) -> dict[str, float | bool]:
        self._spend()
        return self._device.read()
