"""The `inline` engine: a Python function called in the runtime's own process.

Limits are cooperative and watched: Python offers no way to stop a thread (an injected exception skips `finally`
and leaves locks held), so a run that does not return keeps its thread, and what it costs is counted and reported.
"""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

from edge.context import Context
from edge.errors import RunCancelled, RunTimeout
from edge.model import Status
from edge.runs.run import Ending, Run

_MESSAGE = 2000


def execute(run: Run, ctx: Context) -> Ending:
    """Call the task in this thread, for as long as it takes, and say how it ended. Never raises what a task raised."""
    task = run.task
    try:
        result = task.function(run.event, ctx)
        encoded = task.check(result)
    except RunTimeout as error:
        return Ending(Status.TIMEOUT, error=_explain(error, task.file))
    except RunCancelled as error:
        return Ending(Status.CANCELLED, error=_explain(error, task.file))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a task's failure is a value: its outcome
        return Ending(Status.FAILURE, error=_explain(error, task.file))
    if len(encoded) > task.settings.limits.output:
        message = f"the result has {len(encoded)} bytes, limits.output is {task.settings.limits.output}"
        return Ending(Status.FAILURE, error={"type": "LimitExceeded", "message": message, "where": task.file})
    return Ending(Status.SUCCESS if run.partial is None else Status.PARTIAL, result=encoded)


def _explain(error: BaseException, file: str) -> dict[str, Any]:
    """Type, message, and the deepest line of the task's own file."""
    where = file
    for frame, line in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_filename == file:
            where = f"{Path(file).name}:{line}"
    try:
        message = str(error)
    except Exception as broken:  # noqa: BLE001 - an exception's own __str__ is the task's code too
        message = f"its __str__ raised {type(broken).__name__}"
    return {"type": type(error).__name__, "message": message[:_MESSAGE], "where": where}


def too_late(run: Run) -> Ending:
    """What a run ends with that did not end in time."""
    message = f"the run did not end within limits.time of {run.task.settings.limits.time:g} s"
    return Ending(Status.TIMEOUT, error={"type": "RunTimeout", "message": message, "where": run.task.file})
