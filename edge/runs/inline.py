"""The `inline` engine: a Python function called in the runtime's own process.

Limits are cooperative and watched: Python offers no way to stop a thread (an injected exception skips `finally`
and leaves locks held), so a run that does not return keeps its thread, and what it costs is counted and reported.
"""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

from edge.config.tasks import TaskSettings
from edge.context import Context
from edge.errors import RunCancelled, RunTimeout
from edge.model import Status
from edge.runs.engine import Program
from edge.runs.load import import_program
from edge.runs.run import Ending, Run, cause_of, returned
from edge.runs.text import described, for_a_test

_STATUS: dict[type[BaseException], Status] = {RunTimeout: Status.TIMEOUT, RunCancelled: Status.CANCELLED}


class Inline:
    """The engine for the owner's own tasks. Keeps nothing between runs."""

    name = "inline"
    degraded = ""

    def load(self, name: str, settings: TaskSettings, folder: Path) -> Program:
        """Import the task's file. Raises `TaskLoadError`."""
        return import_program(name, settings, folder)

    def run(self, run: Run, ctx: Context) -> Ending:
        """Call the task in this thread, for as long as it takes, and say how it ended."""
        program = run.task.program
        try:
            result = program.entry(run.event, ctx)
            encoded = program.check(result)
        except BaseException as error:  # a failure of the task is a value: its outcome
            if for_a_test(error):
                raise
            return raised(error, program.file)
        return returned(run, encoded)

    def close(self) -> None:
        """Nothing to give back."""


def raised(error: BaseException, file: str) -> Ending:
    """What a run ends with that this error left; `file` is its task's."""
    status = _STATUS.get(type(error), Status.FAILURE)
    return Ending(status, error=_explain(error, file), cause=cause_of(type(error)))


def _explain(error: BaseException, file: str) -> dict[str, Any]:
    """Type, message, and the deepest line of the task's own file."""
    where = file
    for frame, line in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_filename == file:
            where = f"{Path(file).name}:{line}"
    return {"type": type(error).__name__[:100], "message": described(error), "where": where}
