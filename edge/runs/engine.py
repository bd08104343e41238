"""What an engine is: the thing that turns a task's file into a program, and a run of it into an ending."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from edge.config.tasks import TaskSettings
from edge.context import Context

if TYPE_CHECKING:  # a run knows its task, and the task its engine
    from edge.runs.run import Ending, Run


@dataclass(frozen=True, slots=True)
class Program:
    """What an engine made of a task's file. `entry` is the engine's own: a function, or source text."""

    entry: Any
    check: Callable[[Any], bytes]
    """A result to its JSON; raises ValueError naming the field that is wrong."""
    file: str
    raw: bool


class Engine(Protocol):
    """Runs the tasks that name it. `load` and `close` belong to whoever builds the runtime, `run` to any thread."""

    name: str

    @property
    def degraded(self) -> str:
        """What it has not of what it should have; empty when all is well."""
        ...

    def load(self, name: str, settings: TaskSettings, folder: Path) -> Program:
        """The program of the task `name`; relative paths start at `folder`. Raises `TaskLoadError`."""
        ...

    def run(self, run: Run, ctx: Context) -> Ending:
        """Run it in the calling thread, which is blocked until it ended. Never raises what a task raised."""
        ...

    def close(self) -> None:
        """Give back processes and files. Idempotent; nothing runs any more."""
        ...
