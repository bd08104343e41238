"""The `Context` of a run: every door a task has to the world, each checked against grants, limits and the clock."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from edge.config.tasks import Limits
from edge.config.topics import unsendable
from edge.context import Memory
from edge.errors import LimitExceeded, NotGranted, RunCancelled, RunTimeout
from edge.model import MAX_HOPS, Record, RecordClass, RecordKind
from edge.runs import limits
from edge.runs.limits import Usage
from edge.runs.run import Run
from edge.runs.scratch import Scratch
from edge.runs.surroundings import Device, Surroundings
from edge.runs.text import legible
from edge.runs.tools.tool import GrantedTool

_NOTE_BYTES = 1000
_UNREAD: Any = object()


class RunContext:
    """One run's view. Used by the thread that runs the task, and by threads the task started."""

    __slots__ = ("_around", "_readings", "_recalled", "_resumed", "_run")

    def __init__(self, run: Run, around: Surroundings) -> None:
        """Made when the run begins: what it is given is as of now."""
        self._run = run
        self._around = around
        settings = run.task.settings
        self._readings = {name: dict(around.readings(name)) for name in settings.readings} if settings.readings else {}
        self._recalled = _recall(run, around) if settings.memory is not None and settings.memory.recall else ()
        self._resumed: Any = _UNREAD

    @property
    def correlation_id(self) -> str:
        return self._run.event.correlation_id or self._run.event.id

    @property
    def config(self) -> Mapping[str, Any]:
        return copy.deepcopy(self._run.task.settings.config)

    @property
    def readings(self) -> Mapping[str, Mapping[str, float | bool]]:
        return {name: dict(values) for name, values in self._readings.items()}

    @property
    def recalled(self) -> Sequence[Any]:
        if isinstance(self._recalled, Exception):
            raise self._recalled
        return self._recalled

    @property
    def resumed(self) -> Any:
        if self._resumed is _UNREAD:
            checkpoints = self._around.checkpoints if self._run.recovered and self._resumes else None
            self._resumed = None if checkpoints is None else checkpoints.load(self._run)
        return self._resumed

    @property
    def scratch(self) -> Scratch:
        return self._run.scratch

    @property
    def memory(self) -> Memory:
        self._in_time()
        if self._run.task.settings.memory is None or self._around.memories is None:
            raise self._not_granted("memory", "memory: {}")
        return GrantedMemory(self._around.memories.of(self._run), self._step)

    def remaining(self) -> float:
        return max(0.0, self._run.deadline - self._around.clock.monotonic())

    def device(self, name: str) -> GrantedDevice:
        self._step("device")
        if name not in self._run.task.settings.grant.devices:
            raise self._not_granted(f"device {name!r:.80}", "grant.devices")
        return GrantedDevice(self._around.devices[name], self._call)

    def tool(self, name: str) -> GrantedTool:
        self._step("tool")
        tool, grant = self._around.tools.get(name), self._run.task.settings.grant
        if tool is None or not grant.gives_tool(name, safe=tool.safe_by_default):
            raise self._not_granted(f"tool {name!r:.80}", "grant.tools")
        return GrantedTool(tool, lambda operation: self._tool_call(name, operation))

    def publish(self, topic: str, value: Any) -> None:
        self._step("publish")
        run = self._run
        if not any(self._around.matches(filter, topic) for filter in run.task.settings.grant.publish):
            raise self._not_granted(f"publishing to {topic!r:.80}", "grant.publish")
        problem = unsendable(topic)
        if problem:
            raise ValueError(f"{topic[:80]!r} is not a topic to publish on: {problem}")
        if run.event.hops >= MAX_HOPS:
            raise LimitExceeded(f"this event came through {run.event.hops} publishes, the limit is {MAX_HOPS}")
        body = {"payload": value, "correlation_id": self.correlation_id, "hops": run.event.hops + 1}
        encoded = orjson.dumps(body)
        self._spend(limits.publish, len(encoded))
        run.publishes.append(Record(RecordKind.PUBLISH, RecordClass.PUBLISH, self._around.mint(), encoded, topic))

    def note(self, text: str, **fields: Any) -> None:
        self._step("note")
        encoded = orjson.dumps({"text": str(text), **fields}, default=str)
        if len(encoded) > _NOTE_BYTES:
            raise LimitExceeded(f"a note of over {_NOTE_BYTES} bytes; put data into the result")
        self._spend(limits.note, len(encoded))
        self._run.notes.append(orjson.loads(encoded))

    def partial(self, reason: str) -> None:
        self._step("partial")
        self._run.partial = legible(str(reason), _NOTE_BYTES)

    def checkpoint(self, value: Any) -> None:
        self._step("checkpoint")
        if self._around.checkpoints is not None and self._resumes:
            _ = self.resumed  # what came before the crash, which this replaces
            self._around.checkpoints.save(self._run, value)

    @property
    def _resumes(self) -> bool:
        return self._run.task.settings.on_crash == "resume"

    # -- checked before acting ----------------------------------------------------------------------------------------

    def _not_granted(self, what: str, key: str) -> NotGranted:
        name = self._run.task.name
        return NotGranted(f"{what} is not granted to {name}; add it to tasks.{name}.{key} in edge.yaml")

    def _step(self, use: str) -> None:
        self._in_time()
        self._spend(limits.step)
        self._around.observers.step(self._run, use)

    def _in_time(self) -> None:
        run = self._run
        if run.cancelled:
            raise RunCancelled("the runtime told this run to end")
        if self._around.clock.monotonic() > run.deadline:
            raise RunTimeout(f"limits.time of {run.task.settings.limits.time:g} s is over")
        if run.over:
            raise RunCancelled("this run is over: its outcome is written")

    def _spend(self, more: Callable[..., Usage], *amounts: Any) -> None:
        run = self._run
        allowed: Limits = run.task.settings.limits
        run.usage = more(run.usage, allowed, *amounts)

    def _call(self) -> None:
        self._in_time()
        self._spend(limits.call)

    def _tool_call(self, name: str, operation: str) -> float:
        self._in_time()
        self._spend(limits.tool_call, name)
        self._around.observers.tool_call(self._run, name, operation)
        return self.remaining()


def _recall(run: Run, around: Surroundings) -> Sequence[Any] | Exception:
    """A memory that cannot be read fails the task that asks for it, not the thread that starts runs."""
    try:
        return () if around.memories is None else tuple(around.memories.recall(run))
    except Exception as error:  # noqa: BLE001 - kept, and raised where the task asks
        return error


class GrantedMemory:
    """A memory in a task's hand: each use is checked and counted as a step."""

    __slots__ = ("_memory", "_step")

    def __init__(self, memory: Memory, step: Callable[[str], None]) -> None:
        self._memory = memory
        self._step = step

    def append(self, value: Any, ttl: float | None = None) -> None:
        self._step("memory.append")
        self._memory.append(value, ttl)

    def read(self, limit: int = 100) -> list[Any]:
        self._step("memory.read")
        return self._memory.read(limit)

    def search(self, text: str, limit: int = 100) -> list[Any]:
        self._step("memory.search")
        return self._memory.search(text, limit)


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
