"""pydantic-monty's worker pool: one session a run, recycled processes, every wait with an end. The one importer."""

from __future__ import annotations

import logging
import shutil
import sysconfig
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.errors import TaskLoadError
from edge.runs.run import Cause
from edge.runs.sandbox.wrapper import Works, choose, works

if TYPE_CHECKING:
    import pydantic_monty

log = logging.getLogger(__name__)

GRACE = 0.25  # seconds after the time limit in which a worker may say so itself, before it is killed
_WORKERS = 5  # the pipeline's slots, and the run that leads
_RUNS = 100  # a worker keeps what a greedy run made it take, so it is replaced after so many
_CHECKOUT = 2.0  # seconds until a worker is free or started
_TURN = 3600.0  # the backstop behind the time limits: nothing waits for ever
_DEPTH = 200  # calls inside each other
_PRINTS = 4000  # characters of what a run prints that the log keeps

Host = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one session may take: seconds, bytes of heap, and trips to the host."""

    time: float
    memory: int
    trips: int


# A limit stays what it is; a process that died, or none that was free, may pass by itself.
_CAUSES = {"LimitExceeded": Cause.FINAL, "SandboxCrashed": Cause.TRANSIENT, "SandboxBusy": Cause.TRANSIENT}


class Stopped(Exception):
    """The source did not come to its end. `type` is the name of what it raised, or of what stopped it; `line` is the
    deepest in the source, 0 when unknown; `timeout` when time was what ran out."""

    def __init__(self, type: str, message: str, line: int = 0, *, timeout: bool = False) -> None:
        self.type = type
        self.cause = _CAUSES.get(type, Cause.FAILURE)
        self.line = line
        self.timeout = timeout
        super().__init__(message)


class _Prints:
    """Keeps the beginning of what is printed and drops the rest: a flood costs the run its time, the host nothing."""

    def __init__(self) -> None:
        self.text = ""

    def __call__(self, stream: str, text: str) -> None:
        if len(self.text) < _PRINTS:
            self.text += text[: _PRINTS - len(self.text)]


class Pool:
    """Workers behind the wrapper. `run` from any thread; the rest from the one that builds the runtime."""

    def __init__(self, probe: Works = works) -> None:
        """Start it. Raises `TaskLoadError` where the library or a wrapper is missing."""
        try:
            import pydantic_monty
        except ImportError as error:
            hint = "pip install 'edge-runtime[sandbox]' (there is none for armv6)"
            raise TaskLoadError(f"engine sandbox needs pydantic-monty: {hint}") from error
        self._monty = pydantic_monty
        binary = shutil.which("monty", path=sysconfig.get_path("scripts")) or shutil.which("monty")
        wrapper = choose(binary, probe) if binary is not None else None
        if binary is None or wrapper is None:
            message = (
                "engine sandbox starts its processes through bwrap, or setpriv and prlimit, and neither works here"
            )
            raise TaskLoadError(f"{message}; sudo apt-get install bubblewrap, or util-linux")
        self.degraded = wrapper.degraded
        self._folder = tempfile.TemporaryDirectory(prefix="edge-sandbox-")
        script = Path(self._folder.name, "worker")
        script.write_text(wrapper.script(binary), encoding="utf-8")
        script.chmod(0o700)
        self._pool = pydantic_monty.Monty(
            binary_path=script,
            min_processes=1,
            max_processes=_WORKERS,
            checkout_timeout=_CHECKOUT,
            request_timeout=_TURN,
            max_checkouts_per_worker=_RUNS,
            feed_duration_limit_grace=GRACE,
        )
        self._pool.__enter__()

    def run(self, source: str, inputs: Mapping[str, Any], host: Host, bounds: Bounds) -> Any:
        """The value of the source's last expression, as the library hands it over: judge it before use.

        Blocks until `bounds.time` and `GRACE` are over at most, plus the time spent in `host`. Raises `Stopped`.
        """
        prints = _Prints()
        try:
            with self._pool.checkout(limits=_limits(bounds)) as session:
                return session.feed_run(
                    source, inputs=dict(inputs), external_lookup={"_edge_host": host}, print_callback=prints
                )
        except self._monty.MontyCrashedError as error:
            late = error.timed_out
            raise Stopped("SandboxCrashed", _crashed(str(error), late, bounds), timeout=late) from None
        except self._monty.MontyError as error:
            raise _stopped(error, bounds) from None
        except TimeoutError:
            raise Stopped("SandboxBusy", f"no sandbox process was free within {_CHECKOUT:g} s") from None
        finally:
            if prints.text:
                log.debug("%s", prints.text, extra={"action": "task_printed"})

    def close(self) -> None:
        """End the workers."""
        self._pool.__exit__(None, None, None)
        self._folder.cleanup()


def _limits(bounds: Bounds) -> pydantic_monty.ResourceLimits:
    return {
        "max_feed_duration_secs": bounds.time,
        "max_memory": bounds.memory,
        "max_recursion_depth": _DEPTH,
        "max_suspensions": bounds.trips,
        "max_total_sleep_secs": 0.0,
    }


def _crashed(message: str, late: bool, bounds: Bounds) -> str:
    if late:
        return f"limits.time of {bounds.time:g} s is over, and its process had to be killed"
    return f"the sandbox's process ended: {message}"


def _stopped(error: Any, bounds: Bounds) -> Stopped:
    """What the library says, in the words of edge.yaml."""
    inner, text = error.exception(), str(error.exception())
    frames = error.traceback() if hasattr(error, "traceback") else []
    line = frames[-1].line if frames else 0
    if isinstance(inner, TimeoutError) and text.startswith("feed time limit"):
        return Stopped("RunTimeout", f"limits.time of {bounds.time:g} s is over", line, timeout=True)
    if isinstance(inner, TimeoutError) and text.startswith("sleep limit"):
        return Stopped("LimitExceeded", "a task in the sandbox cannot sleep; use a trigger with `every` or `for`", line)
    if isinstance(inner, MemoryError):
        return Stopped("LimitExceeded", f"memory: limits.memory is {bounds.memory} bytes; {text}", line)
    if isinstance(inner, RuntimeError) and text.startswith("suspension limit"):
        return Stopped("LimitExceeded", f"calls: more than {bounds.trips} trips out of the sandbox", line)
    return Stopped(type(inner).__name__, text, line)
