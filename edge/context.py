"""What the author of a micro-app writes against: the `@task` mark and the `Context` of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar, overload

from edge.errors import NotGranted

__all__ = ["TASK_MARK", "Actuator", "Context", "Memory", "NotGranted", "Scratch", "task"]

F = TypeVar("F", bound=Callable[..., Any])
TASK_MARK = "__edge_task__"


class Actuator(Protocol):
    """A granted device. Commands act at once; every call counts against `limits.calls`."""

    def on(self) -> None:
        """Switch it on."""
        ...

    def off(self) -> None:
        """Switch it off."""
        ...

    def set(self, value: Any) -> None:
        """Set it to `value`; raises ValueError when the device cannot take it."""
        ...

    def read(self) -> dict[str, float | bool]:
        """Sample it now: channel -> value, in the channel's unit."""
        ...


class Memory(Protocol):
    """What a task remembers across runs, restarts and power cuts; bounded by its `memory:` in edge.yaml."""

    def append(self, value: Any, ttl: float | None = None) -> None:
        """Remember `value`, which must be JSON, for `ttl` seconds at most; durable on return. The oldest entries go
        where there is no room."""
        ...

    def read(self, limit: int = 100) -> list[Any]:
        """The newest values, newest first."""
        ...

    def search(self, text: str, limit: int = 100) -> list[Any]:
        """The newest values whose JSON contains `text`, upper and lower case alike; newest first."""
        ...


class Scratch(Protocol):
    """What a run notes down for itself while it is tried again: 64 KB, gone with its outcome."""

    def get(self, key: str, default: Any = None) -> Any:
        """The value put last, or `default`."""
        ...

    def put(self, key: str, value: Any) -> None:
        """Note down a value, which must be JSON."""
        ...


class Context(Protocol):
    """All that a run may do to the world. What `grant:` does not give raises `NotGranted`.

    Every call checks the run's time limit first and raises `RunTimeout` or `RunCancelled` when the run is over.
    """

    @property
    def correlation_id(self) -> str:
        """Follows event -> run -> publish -> outcome."""
        ...

    @property
    def config(self) -> Mapping[str, Any]:
        """The task's `config:` in edge.yaml; a copy."""
        ...

    @property
    def readings(self) -> Mapping[str, Mapping[str, float | bool]]:
        """Device -> channel -> last value when the run began, of the devices in the task's `readings:`; empty for one
        that gave none yet. Touches no bus."""
        ...

    @property
    def recalled(self) -> Sequence[Any]:
        """The newest values of the task's memory when the run began, as many as `memory.recall`; newest first."""
        ...

    @property
    def resumed(self) -> Any:
        """What this run gave to `checkpoint` last before a crash interrupted it; None in a run that was not."""
        ...

    @property
    def scratch(self) -> Scratch:
        """Notes of this run to itself, kept while it is tried again."""
        ...

    @property
    def memory(self) -> Memory:
        """What the task remembers; needs `memory:` at the task."""
        ...

    def tool(self, name: str) -> Any:
        """A tool of edge.yaml, with its operations as methods; needs `grant: {tools: [name]}`."""
        ...

    def checkpoint(self, value: Any) -> None:
        """Keep `value`, which must be JSON, so that a run which a crash interrupts can go on from it; durable on
        return. Does nothing unless the task has `on_crash: resume`."""
        ...

    def device(self, name: str) -> Actuator:
        """A device of edge.yaml; needs `grant: {devices: [name]}`."""
        ...

    def publish(self, topic: str, value: Any) -> None:
        """Send `value` as JSON to the `mqtt:` broker, after this run's outcome is durable and only if it succeeds.

        Needs `grant: {publish: [filter]}`.
        """
        ...

    def note(self, text: str, **fields: Any) -> None:
        """Add a line to the outcome's notes."""
        ...

    def remaining(self) -> float:
        """Seconds left of `limits.time`."""
        ...

    def partial(self, reason: str) -> None:
        """Mark the outcome `partial`: the run did part of its work."""
        ...


@overload
def task(function: F) -> F: ...
@overload
def task(*, raw: bool = False) -> Callable[[F], F]: ...
def task(function: F | None = None, *, raw: bool = False) -> F | Callable[[F], F]:
    """Mark a function `(event, ctx) -> result` as a micro-app; its return annotation is the outcome's schema.

    `raw=True` asks for payloads that are not JSON: the event then carries `payload` bytes.
    """

    def mark(marked: F) -> F:
        setattr(marked, TASK_MARK, {"raw": raw})
        return marked

    return mark(function) if function is not None else mark
