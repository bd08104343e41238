"""The `sandbox` engine: the pool, the source and the bridge together. Every ending is one explained `Ending`."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge.config.tasks import TaskSettings
from edge.context import Context
from edge.errors import RunCancelled, RunTimeout, TaskLoadError
from edge.model import Event, Status
from edge.runs.bridge import Bridge
from edge.runs.engine import Program
from edge.runs.load import checked, find_file
from edge.runs.run import Cause, Ending, Run, cause_of, returned
from edge.runs.sandbox.pool import Bounds, Pool, Stopped
from edge.runs.sandbox.result import plain
from edge.runs.sandbox.source import BadSource, Source, read

log = logging.getLogger(__name__)

_MESSAGE = 2000
_TRIPS = 100  # besides what limits count: looking a name up, asking how much time remains
_SHORTEST = 0.001  # seconds; 0 would mean no limit


class Sandbox:
    """Hard limits and no authority but the run's `Context`. Workers start with the first task that is loaded."""

    name = "sandbox"

    def __init__(self, pool: Callable[[], Pool] = Pool) -> None:
        self._start = pool
        self._pool: Pool | None = None

    def load(self, name: str, settings: TaskSettings, folder: Path) -> Program:
        """Parse the task's file; it is neither imported nor evaluated. Raises `TaskLoadError`."""
        file, function = find_file(name, settings.run, folder)
        try:
            source = read(file.read_bytes(), function)
        except (BadSource, OSError) as error:
            raise TaskLoadError(f"tasks.{name}: {file}: {error}") from error
        return self._program(source, source.annotation, settings, str(file))

    def load_source(self, name: str, source: bytes, settings: TaskSettings, output: Any = None) -> Program:
        """The program of a source that is in no file; `output` is the type of its results, None where the source says
        it itself. Raises `TaskLoadError`."""
        file = f"{name}.py"
        try:
            parsed = read(source, None)
        except BadSource as error:
            raise TaskLoadError(f"{file}: {error}") from error
        return self._program(parsed, parsed.annotation if output is None else output, settings, file)

    def _program(self, source: Source, annotation: Any, settings: TaskSettings, file: str) -> Program:
        if self._pool is None:
            self._pool = self._start()
            if self._pool.degraded:
                log.warning("%s", self._pool.degraded, extra={"action": "sandbox_degraded"})
        check = checked(annotation)
        room = settings.limits.output
        return Program(source, lambda result: check(plain(result, room)), file, source.raw)

    def run(self, run: Run, ctx: Context) -> Ending:
        """Run it in a fresh session, for what remains of its time limit."""
        program, limits, bridge = run.task.program, run.task.settings.limits, Bridge(ctx)
        source: Source = program.entry
        trips = limits.calls * 2 + limits.publishes + limits.notes + _TRIPS
        bounds = Bounds(max(ctx.remaining(), _SHORTEST), limits.memory, trips)
        inputs = {"_edge_event": _plain(run.event), "_edge_correlation_id": ctx.correlation_id}
        if self._pool is None:
            raise RuntimeError("a task of the sandbox was not loaded by it")
        try:
            encoded = program.check(self._pool.run(source.text, inputs, bridge, bounds))
        except Stopped as stopped:
            return _ending(stopped, run, bridge, source)
        except Exception as error:  # noqa: BLE001 - what came out is the task's doing too
            return _failed(type(error).__name__, str(error), program.file)
        return returned(run, encoded)

    def close(self) -> None:
        """End the workers."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()


def _plain(event: Event) -> Event:
    """The event of types that the sandbox knows."""
    return event._replace(kind=event.kind.value, values=dict(event.values))  # type: ignore[arg-type]


def _ending(stopped: Stopped, run: Run, bridge: Bridge, source: Source) -> Ending:
    file, message = run.task.program.file, str(stopped)
    where = f"{Path(file).name}:{stopped.line}" if 0 < stopped.line <= source.lines else file
    told = bridge.told.get(message)
    if stopped.timeout or told is RunTimeout:
        message = f"limits.time of {run.task.settings.limits.time:g} s is over"
        error = {"type": "RunTimeout", "message": message, "where": where}
        return Ending(Status.TIMEOUT, error=error, cause=Cause.TIMEOUT)
    if told is RunCancelled:
        error = {"type": "RunCancelled", "message": message, "where": where}
        return Ending(Status.CANCELLED, error=error, cause=Cause.FINAL)
    if told is not None:
        return _failed(told.__name__, message, where, cause_of(told))
    return _failed(stopped.type, message, where, stopped.cause)


def _failed(type: str, message: str, where: str, cause: Cause = Cause.FAILURE) -> Ending:
    error = {"type": type, "message": message[:_MESSAGE], "where": where}
    return Ending(Status.FAILURE, error=error, cause=cause)
