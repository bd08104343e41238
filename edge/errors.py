"""Every error the runtime raises on purpose.

    EdgeError
    |- ConfigError        the configuration cannot be used; carries every problem at once
    |- TaskError          a run ended in a way the author or owner can mend
    |  |- NotGranted      the task asked for what edge.yaml did not give
    |  |- LimitExceeded   a limit of the task was reached; the message names number and limit
    |  |- ToolError       a tool could not do what was asked of it
    |  |- RunTimeout      the time limit was reached
    |  `- RunCancelled    the runtime is stopping, or the run was replaced
    |- TaskLoadError      the file or function of a task cannot be used
    |- SnapshotRefused    a saved sandbox session is not what this gateway can or may go on from
    |- ExpressionError    an expression cannot be read, or not be evaluated over the values it was given
    |- LinkError          a broker or server refused us for good: wrong password, unknown host key
    |- PayloadError       a message cannot become an event; `reason` is the counter's label
    `- RuntimeUnreachable no runtime answers on the control socket

A failure of a task's code is a value (an outcome); a failure of ours is one of these. Each inherits the natural
builtin too. Driver errors live in `drivers.errors`, journal errors in `edge.journal`: both rooms stand alone.
"""

from __future__ import annotations

from dataclasses import dataclass


class EdgeError(Exception):
    """Base of all: `except EdgeError` catches what the runtime says on purpose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One mistake in the configuration, as `edge check --json` prints it."""

    file: str
    line: int
    path: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        path = f"{self.path}: " if self.path else ""
        return f"{where}: {path}{self.message}" + (f" ({self.hint})" if self.hint else "")


class ConfigError(EdgeError, ValueError):
    """The configuration cannot be used. `problems` holds every mistake found, in file order."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


class TaskError(EdgeError):
    """A run ended in a way the author or the owner of the device can mend."""


class NotGranted(TaskError, PermissionError):
    """The task asked for something that `grant:` in edge.yaml does not give it."""


class LimitExceeded(TaskError):
    """A limit of the task was reached; the message names the number and the limit."""


class ToolError(TaskError, RuntimeError):
    """A tool could not do what was asked of it; says which, what and why."""


class RunTimeout(TaskError, TimeoutError):
    """The run's time limit was reached."""


class RunCancelled(TaskError):
    """The run was told to end: the runtime stops, or a newer run replaced it."""


class TaskLoadError(EdgeError, ImportError):
    """The file or the function that `run:` names cannot be used."""


class SnapshotRefused(EdgeError, ValueError):
    """A saved session of the sandbox is of another run or version, or was changed; its run can only start anew."""


class ExpressionError(EdgeError, ValueError):
    """An expression cannot be read, or not be evaluated over the values it was given; says which part."""


class LinkError(EdgeError, ConnectionError):
    """A broker or server refused us in a way that trying again will not mend."""


class PayloadError(EdgeError, ValueError):
    """A message cannot become an event. `reason` is a short label from a closed list, for counters."""

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)


class RuntimeUnreachable(EdgeError, ConnectionError):
    """No runtime answers on the control socket."""
