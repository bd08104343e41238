"""What somebody writes who wants to be told of every run: `runs: {observers: ["./observers/slow.py:Slow"]}`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from edge.model import Event


class ObservedRun(NamedTuple):
    """One attempt at a task for an event. `id` is the outcome's; `attempt` counts from 1."""

    id: str
    task: str
    engine: str
    attempt: int
    event: Event
    correlation_id: str


class ObservedEnd(NamedTuple):
    """How it ended: `status` as in its outcome, `result` as JSON, `error` with type, message and where, `usage` what it
    spent. `seconds` is how long it took, by the monotonic clock."""

    status: str
    result: bytes | None
    error: Mapping[str, Any] | None
    usage: Mapping[str, Any]
    seconds: float


class Observer:
    """Override what you want to hear; the rest does nothing. Made once, without arguments, when the runtime starts.

    Every run that started is either `finished` or `killed`, once. Hooks are called in the thread that runs the task or
    watches it, several at a time, and count as the run's own time: be quick, and leave work to a thread of your own.
    What a hook raises is logged, and the observer is not called again; the run goes on unharmed. An attempt that is
    told as ended is not yet durable in the journal.
    """

    def started(self, run: ObservedRun) -> None:
        """The task is about to be called."""

    def step(self, run: ObservedRun, use: str) -> None:
        """The task used `ctx`: `use` is `device`, `publish`, `note`, `tool`, `partial`, `checkpoint`, `memory.append`,
        `memory.read` or `memory.search`, and nothing else: `ctx.scratch` and what only looks is not told."""

    def tool_call(self, run: ObservedRun, tool: str, operation: str) -> None:
        """The task is about to use a tool that it has, within its limits."""

    def finished(self, run: ObservedRun, end: ObservedEnd) -> None:
        """The task returned or raised in time."""

    def killed(self, run: ObservedRun, end: ObservedEnd, why: Literal["timeout", "cancelled", "stuck"]) -> None:
        """The run was ended: it was late, it was told to end, or it did not return and still keeps its thread."""
