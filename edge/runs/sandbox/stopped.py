"""What one session may take, and how one that took more, or raised, is told in the words of edge.yaml."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from edge.runs.run import Cause


class Bounds(NamedTuple):
    """What one session may take: seconds, bytes of heap, and trips to the host."""

    time: float
    memory: int
    trips: int


# A limit stays what it is; a process that died, or none that was free, may pass by itself.
_CAUSES = {"LimitExceeded": Cause.FINAL, "SnapshotRefused": Cause.FINAL,
           "SandboxCrashed": Cause.TRANSIENT, "SandboxBusy": Cause.TRANSIENT}  # fmt: skip


class Stopped(Exception):
    """The source did not come to its end. `type` is the name of what it raised, or of what stopped it; `lines` are
    where it was, the deepest last, with those behind the task's own text; `timeout` when time was what ran out."""

    def __init__(self, type: str, message: str, lines: Sequence[int] = (), *, timeout: bool = False) -> None:
        self.type = type
        self.cause = _CAUSES.get(type, Cause.FAILURE)
        self.lines = lines
        self.timeout = timeout
        super().__init__(message)


def crashed(message: str, late: bool, bounds: Bounds) -> str:
    if late:
        return f"limits.time of {bounds.time:g} s is over, and its process had to be killed"
    return f"the sandbox's process ended: {message}"


def explained(error: Any, bounds: Bounds) -> Stopped:
    """What the library says, in the words of edge.yaml."""
    inner, text = error.exception(), str(error.exception())
    frames = error.traceback() if hasattr(error, "traceback") else []
    lines = [frame.line for frame in frames]
    if isinstance(inner, TimeoutError) and text.startswith("feed time limit"):
        return Stopped("RunTimeout", f"limits.time of {bounds.time:g} s is over", lines, timeout=True)
    if isinstance(inner, TimeoutError) and text.startswith("sleep limit"):
        return Stopped(
            "LimitExceeded", "a task in the sandbox cannot sleep; use a trigger with `every` or `for`", lines
        )
    if isinstance(inner, MemoryError):
        return Stopped("LimitExceeded", f"memory: limits.memory is {bounds.memory} bytes; {text}", lines)
    if isinstance(inner, RuntimeError) and text.startswith("suspension limit"):
        return Stopped("LimitExceeded", f"calls: more than {bounds.trips} trips out of the sandbox", lines)
    return Stopped(type(inner).__name__, text, lines)
