"""What the author of a micro-app writes against: the `@task` mark and the `Context` of a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar, overload

from edge.errors import NotGranted

__all__ = ["TASK_MARK", "Actuator", "Context", "NotGranted", "task"]

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


class Context(Protocol):
    """All that a run may do to the world. What `grant:` does not give raises `NotGranted`.

    Every call checks the run's time limit first and raises `RunTimeout` or `RunCancelled` when the run is over.
    """

    @property
    def correlation_id(self) -> str:
        """Follows event -> run -> publish -> outcome."""
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
