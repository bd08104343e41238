"""The `worker` engine: a run in a process of its own, which is killed when its time is over.

Time here is the machine's, whatever clock the runtime was given: processes know no other.
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import orjson

from edge.clock import SystemClock
from edge.config.tasks import TaskSettings
from edge.context import Context
from edge.errors import RunCancelled
from edge.runs.bridge import Bridge
from edge.runs.calls import DIRECT, Calls
from edge.runs.engine import Program
from edge.runs.inline import raised
from edge.runs.run import Cause, Ending, Run, failed, too_late
from edge.runs.worker.forks import Forks
from edge.runs.worker.frames import Garbled
from edge.runs.worker.pool import Pool
from edge.runs.worker.process import Died, Late, Process
from edge.runs.worker.session import Session, given
from edge.telemetry import Histogram

log = logging.getLogger(__name__)

IDLE = 60.0  # seconds after which a process that stood in for the one that stays leaves


class Worker:
    """For the owner's own code: it may read every file and secret of this user. What is promised is an end at the time
    limit, bounded memory, and a runtime that goes on whatever the code does."""

    name = "worker"

    def __init__(self, *, idle: float = IDLE, calls: Calls = DIRECT, cold: Histogram | None = None) -> None:
        """`cold` is told how long runs waited for a process that was still loading its file."""
        self._clock = SystemClock()
        self._idle = idle
        self._calls = calls
        self._cold = cold
        self._lock = threading.Lock()
        self._forks: Forks | None = None
        self._pools: list[Pool] = []

    @property
    def degraded(self) -> str:
        """Which tasks have no process at the moment, and why; empty when all is well."""
        return "; ".join(pool.degraded for pool in self._pools if pool.degraded)

    def load(self, name: str, settings: TaskSettings, folder: Path) -> Program:
        """Have a process of its own import the task's file; this one does not. Raises `TaskLoadError`."""
        with self._lock:
            self._forks = forks = self._forks or Forks(self._clock)

        def fork(stays: bool) -> Process:
            return forks.child(_order(name, settings, folder, None if stays else self._idle), stays=stays)

        pool = Pool(name, fork, self._clock)
        facts = pool.open()
        self._pools.append(pool)
        return Program(pool, _json, facts["file"], facts["raw"])

    def run(self, run: Run, ctx: Context) -> Ending:
        """Run it in one of its task's processes, for what remains of its time limit."""
        until = self._clock.monotonic() + ctx.remaining()
        try:
            start = given(run, ctx)
            ending = None
            while ending is None:
                ending = self._in_one(run, ctx, start, until)
        except Late:
            return too_late(run)
        except Died as died:
            return failed("WorkerCrashed", str(died), run.task.program.file, Cause.TRANSIENT)
        except Exception as error:  # noqa: BLE001 - whatever kept it from starting is how it ended
            return raised(error, run.task.program.file)
        return ending

    def close(self) -> None:
        """End the fork server and every process."""
        for pool in self._pools:
            pool.close()
        self._pools.clear()
        with self._lock:
            forks, self._forks = self._forks, None
        if forks is not None:
            forks.close()

    def _in_one(self, run: Run, ctx: Context, start: bytes, until: float) -> Ending | None:
        """None where the process had left before the run began."""
        pool: Pool = run.task.program.entry
        process = pool.take(until)
        if process.waited:
            run.usage = run.usage._replace(cold_ms=round(process.waited * 1000, 3))
            if self._cold is not None:
                self._cold.observe(process.waited)
        process.waited = 0.0
        process.serve(run)
        run.on_cancel = lambda: process.kill_if(run)
        fit = False  # to be used again
        try:
            if not run.cancelled:
                ending = Session(process, run, Bridge(ctx, self._calls), until).run(start)
                fit = not process.last and ending is not None
                return ending
        except Garbled as garbled:
            raise Died(f"its process sent what is no answer: {garbled}") from None
        except (Late, Died):
            if not run.cancelled:
                raise
        finally:
            process.serve(None)
            if prints := process.prints():
                log.debug("%s", prints, extra={"action": "task_printed", "task": run.task.name})
            if fit:
                pool.give(process)
            else:
                pool.lose(process)
        return raised(RunCancelled("the runtime told this run to end"), run.task.program.file)


def _order(name: str, settings: TaskSettings, folder: Path, idle: float | None) -> bytes:
    told = settings.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return orjson.dumps({"name": name, "settings": told, "folder": str(folder.resolve()), "idle": idle})


def _json(result: bytes) -> bytes:
    """The process has checked it against the task's schema. Raises ValueError where it is not even JSON."""
    orjson.loads(result)
    return result
