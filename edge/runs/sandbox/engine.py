"""The `sandbox` engine: the pool, the source and the bridge together. Every ending is one explained `Ending`."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from edge.config.tasks import TaskSettings
from edge.context import Context
from edge.errors import RunCancelled, RunTimeout, SnapshotRefused, TaskLoadError
from edge.model import Status
from edge.runs.bridge import Bridge
from edge.runs.calls import DIRECT, Calls
from edge.runs.engine import Program
from edge.runs.load import find_file
from edge.runs.results import checked
from edge.runs.run import Cause, Ending, Run, cause_of, failed, returned
from edge.runs.sandbox.pool import Mistake, Pool, Start
from edge.runs.sandbox.result import plain
from edge.runs.sandbox.schema import BadSource
from edge.runs.sandbox.snapshot import Keeper, Snapshots, fingerprint
from edge.runs.sandbox.source import Source, read
from edge.runs.sandbox.stopped import Bounds, Stopped
from edge.telemetry import Histogram

log = logging.getLogger(__name__)

_TRIPS = 100  # besides what limits count: looking a name up, asking how much time remains
_MISTAKES = 10  # of one file that are told at once
_SHORTEST = 0.001  # seconds; 0 would mean no limit


class Sandbox:
    """Hard limits and no authority but the run's `Context`. Workers start with the first task that is loaded."""

    name = "sandbox"

    def __init__(
        self,
        pool: Callable[[], Pool] = Pool,
        *,
        calls: Calls = DIRECT,
        cold: Histogram | None = None,
        snapshots: Callable[[], Snapshots | None] = lambda: None,
    ) -> None:
        """`snapshots`: where runs with `on_crash: resume` are kept; without it they are not. Asked with each such run,
        because tasks are loaded before the journal is opened."""
        self._start = pool
        self._calls = calls
        self._cold = cold
        self._pool: Pool | None = None
        self._snapshots = snapshots

    @property
    def degraded(self) -> str:
        """What is missing of the wall around the processes."""
        return "" if self._pool is None else self._pool.degraded

    def load(self, name: str, settings: TaskSettings, folder: Path) -> Program:
        """Parse the task's file and check its types; nothing of it is run. Raises `TaskLoadError`."""
        file, function = find_file(name, settings.run, folder)
        try:
            source = read(file.read_bytes(), function)
        except (BadSource, OSError) as error:
            raise TaskLoadError(f"tasks.{name}: {file}: {error}") from error
        if wrong := self._judged(f"tasks.{name}: {file}", source):
            raise TaskLoadError(wrong)
        check = checked(source.annotation)
        room, classes = settings.limits.output, source.classes
        return Program(source, lambda result: check(plain(result, room, classes)), str(file), source.raw)

    def load_source(self, name: str, source: bytes, settings: TaskSettings, output: Any = None) -> Program:
        """The program of a source that is in no file, whose types were checked when it came; `output` is the type of
        its results as JSON, None where the source says it itself. Raises `TaskLoadError`."""
        file = f"{name}.py"
        try:
            parsed = read(source, None)
        except BadSource as error:
            raise TaskLoadError(f"{file}: {error}") from error
        self._open()
        check = checked(parsed.annotation if output is None else output)
        room, classes = settings.limits.output, parsed.classes if output is None else None
        return Program(parsed, lambda result: check(plain(result, room, classes)), file, parsed.raw)

    def types(self, name: str, source: bytes) -> str:
        """What is wrong with the types of a source that is in no file, a line each; empty when nothing is. Raises
        `TaskLoadError` where there is no sandbox."""
        try:
            return self._judged(f"{name}.py", read(source, None))
        except BadSource as error:
            return f"{name}.py: {error}"

    def _judged(self, where: str, source: Source) -> str:
        try:
            mistakes = self.mistakes(source)[:_MISTAKES]
        except Stopped as stopped:
            return f"{where}: its types cannot be checked: {stopped}"
        return "\n".join(f"{where}:{line}: {message}" for line, message in mistakes)

    def mistakes(self, source: Source) -> list[Mistake]:
        """What is wrong with its types. Raises `TaskLoadError` where there is no sandbox, and `Stopped`."""
        return self._open().mistakes(source.written)

    def _open(self) -> Pool:
        if self._pool is None:
            self._pool = self._start()
            if self._pool.degraded:
                log.warning("%s", self._pool.degraded, extra={"action": "sandbox_degraded"})
        return self._pool

    def run(self, run: Run, ctx: Context) -> Ending:
        """Run it in a fresh session, for what remains of its time limit."""
        program, bridge = run.task.program, Bridge(ctx, self._calls)
        source: Source = program.entry
        try:
            encoded = program.check(self._result(run, ctx, source, bridge))
        except SnapshotRefused as error:
            return failed("SnapshotRefused", str(error), program.file, Cause.FINAL)
        except Stopped as stopped:
            return _ending(stopped, run, bridge, source)
        except Exception as error:  # noqa: BLE001 - what came out is the task's doing too
            return failed(type(error).__name__, str(error), program.file)
        return returned(run, encoded)

    def _result(self, run: Run, ctx: Context, source: Source, bridge: Bridge) -> Any:
        settings, pool = run.task.settings, self._pool
        if pool is None:
            raise RuntimeError("a task of the sandbox was not loaded by it")
        limits = settings.limits
        trips = limits.calls * 2 + limits.publishes + limits.notes + _TRIPS
        bounds = Bounds(max(ctx.remaining(), _SHORTEST), settings.heap, trips)
        waited = partial(self._waited, run)
        snapshots = self._snapshots() if settings.on_crash == "resume" else None
        if snapshots is None:
            return pool.run(source.text, _inputs(run, ctx, source), bridge, bounds, waited)
        keeper = Keeper(run, bridge, snapshots, fingerprint(source.text, settings.heap), pool.version)
        kept = keeper.resumed() if run.recovered and run.attempt == 1 else None
        start = Start(source.text, {} if kept else _inputs(run, ctx, source), *(kept or ()))
        return pool.step(start, keeper, bounds, waited)

    def _waited(self, run: Run, seconds: float) -> None:
        run.usage = run.usage._replace(cold_ms=round(seconds * 1000, 3))
        if self._cold is not None:
            self._cold.observe(seconds)

    def close(self) -> None:
        """End the workers."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()


def _inputs(run: Run, ctx: Context, source: Source) -> dict[str, Any]:
    """The event of types that the sandbox knows, and what else the source mentions."""
    event = run.event
    known = event._replace(kind=event.kind.value, values=dict(event.values))  # type: ignore[arg-type]
    return {"_edge_event": known, **{f"_edge_{name}": _copy(getattr(ctx, name)) for name in source.wants}}


def _copy(value: Any) -> Any:
    """A sequence is a list there."""
    return list(value) if isinstance(value, tuple) else value


def _ending(stopped: Stopped, run: Run, bridge: Bridge, source: Source) -> Ending:
    file, message = run.task.program.file, str(stopped)
    own = [line for line in stopped.lines if 0 < line <= source.lines]
    where = f"{Path(file).name}:{own[-1]}" if own else file
    told = bridge.told.get(message)
    if stopped.timeout or told is RunTimeout:
        message = f"limits.time of {run.task.settings.limits.time:g} s is over"
        error = {"type": "RunTimeout", "message": message, "where": where}
        return Ending(Status.TIMEOUT, error=error, cause=Cause.TIMEOUT)
    if told is RunCancelled:
        error = {"type": "RunCancelled", "message": message, "where": where}
        return Ending(Status.CANCELLED, error=error, cause=Cause.FINAL)
    if told is not None:
        return failed(told.__name__, message, where, cause_of(told))
    return failed(stopped.type, message, where, stopped.cause)
