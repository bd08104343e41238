"""pydantic-monty's worker pool: one session a run, recycled processes, every wait with an end. The one importer."""

from __future__ import annotations

import builtins
import importlib.util
import logging
import os
import shutil
import signal
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from edge.clock import Clock, SystemClock
from edge.errors import TaskLoadError
from edge.runs.calls import DIRECT, Calls
from edge.runs.sandbox.stopped import Bounds, Stopped, explained
from edge.runs.sandbox.stopped import crashed as told
from edge.runs.sandbox.stubs import STUBS
from edge.runs.sandbox.warmth import Warmth
from edge.runs.sandbox.wrapper import Works, choose, works

if TYPE_CHECKING:
    import pydantic_monty

log = logging.getLogger(__name__)

GRACE = 0.25  # seconds after the time limit in which a worker may say so itself, before it is killed
HOST = "_edge_host"  # the one name that leads out
SOUGHT = "opentelemetry"  # what the library tries to import in every session
RUNS = 100  # a worker keeps what a greedy run made it take, so it is replaced after so many
_CHECKOUT = 2.0  # seconds until a worker is free or started
_TURN = 3600.0  # the backstop behind the time limits: nothing waits for ever
_DEPTH = 200  # calls inside each other
_PRINTS = 4000  # characters of what a run prints that the log keeps

_NOWHERE = "_edge_nowhere"
_NOT_WRONG = (_NOWHERE, "__future__")
_BUILTINS = frozenset(dir(builtins))  # the checker does not know all that the sandbox has

Host = Callable[..., Any]
Waited = Callable[[float], None]
Options = dict[str, Any]
Stepped = Callable[[tuple[Any, ...], dict[str, Any], Callable[[], bytes]], Any]
"""A call's arguments, and what writes down the whole session as it waits for the answer; to the answer."""


def _unheard(seconds: float) -> None:
    """Nobody asks how long a start took."""


class Start(NamedTuple):
    """Where a run begins: at the source with its inputs, or where `dump` was made, with the answer it waited for."""

    source: str
    inputs: Mapping[str, Any]
    dump: bytes | None = None
    answer: Any = None


class Mistake(NamedTuple):
    """What the type checker found, and the line of the file, counted from 1."""

    line: int
    message: str


CHECKING = Bounds(5.0, 100_000_000, 100)  # what checking the types of one file may take


class _Prints:
    """Keeps the beginning of what is printed and drops the rest: a flood costs the run its time, the host nothing."""

    def __init__(self) -> None:
        self.text = ""

    def __call__(self, stream: str, text: str) -> None:
        if len(self.text) < _PRINTS:
            self.text += text[: _PRINTS - len(self.text)]

    def log(self) -> None:
        if self.text:
            log.debug("%s", self.text, extra={"action": "task_printed"})


class _Turn:
    """A session, and until when it may ask for anything: a library that counts only the time inside would let one that
    asks all the time go on."""

    __slots__ = ("_clock", "_until", "late", "pid", "prints", "session")

    def __init__(self, session: pydantic_monty.MontySession, clock: Clock, until: float) -> None:
        self.session = session
        self.pid = session.worker_pid
        self.prints = _Prints()
        self.late = False
        self._clock = clock
        self._until = until

    def leashed(self, host: Host) -> Host:
        """The host, which kills the process of whoever asks too late: no error of ours ends one that catches all."""

        def answer(*arguments: Any, **named: Any) -> Any:
            if self._clock.monotonic() > self._until and self.pid is not None:
                self.late = True
                os.kill(self.pid, signal.SIGKILL)
            return host(*arguments, **named)

        return answer

    def end_in_time(self) -> None:
        """The same for a session that is driven step by step, which can just be left."""
        if self._clock.monotonic() > self._until:
            raise Stopped("RunTimeout", "it asked for something after its time was over", timeout=True)


class _Generation:
    """Processes that were started together, and how many sessions are in them."""

    __slots__ = ("in_use", "pool")

    def __init__(self, pool: pydantic_monty.Monty) -> None:
        self.pool = pool
        self.in_use = 0


class Pool:
    """Workers behind the wrapper. `close` belongs to the one that builds the runtime, the rest to any thread."""

    def __init__(
        self, probe: Works = works, *, clock: Clock | None = None, calls: Calls = DIRECT, at_once: int = 4
    ) -> None:
        """Start it. Raises `TaskLoadError` where the library or a wrapper is missing."""
        try:
            import pydantic_monty
        except ImportError as error:
            hint = "pip install 'edge-runtime[sandbox]' (there is none for armv6)"
            raise TaskLoadError(f"engine sandbox needs pydantic-monty: {hint}") from error
        self.monty = pydantic_monty
        _spare_the_search()
        self.version = pydantic_monty.__version__
        self.clock = clock or SystemClock()
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
        self._edge = pydantic_monty.ExternalModule({}, stubs=STUBS)
        self._script = script
        self._at_once = at_once + 1  # the runs beside the lead, and the one that leads
        self._calls = calls
        self.warmth = Warmth(RUNS, self._at_once, lambda: calls.beside(self.renew))
        self._lock = threading.Lock()
        self._generation = self._start(1)
        self._old: list[_Generation] = []

    def _start(self, processes: int) -> _Generation:
        pool = self.monty.Monty(
            binary_path=self._script,
            min_processes=processes,
            max_processes=self._at_once,
            checkout_timeout=_CHECKOUT,
            request_timeout=_TURN,
            max_checkouts_per_worker=RUNS,
            feed_duration_limit_grace=GRACE,
        )
        pool.__enter__()
        return _Generation(pool)

    def run(self, source: str, inputs: Mapping[str, Any], host: Host, bounds: Bounds, waited: Waited = _unheard) -> Any:
        """The value of the source's last expression, as the library hands it over: judge it before use.

        Blocks until `bounds.time` and `GRACE` are over at most, plus the time spent in `host`. `waited` is told the
        seconds, where it had to wait for a process to start. Raises `Stopped`.
        """
        with self._session(bounds, waited) as turn:
            lookup = {HOST: turn.leashed(host)}
            return turn.session.feed_run(
                source, inputs=dict(inputs), external_lookup=lookup, print_callback=turn.prints
            )

    def step(self, start: Start, host: Stepped, bounds: Bounds, waited: Waited = _unheard) -> Any:
        """`run`, stopping at every call of the host for `host(arguments, named, dump)`, whose answer goes back in;
        from the beginning, or from what a `dump()` gave. Raises `Stopped`."""
        monty, lookup = self.monty, {HOST: _unanswered}
        step: Any
        with self._session(bounds, waited) as turn:
            if start.dump is None:
                inputs, prints = dict(start.inputs), turn.prints
                step = turn.session.feed_start(
                    start.source, inputs=inputs, external_lookup=lookup, print_callback=prints
                )
            else:
                step = self._take_up(turn, start)
            while not isinstance(step, monty.MontyComplete):
                turn.end_in_time()
                if isinstance(step, monty.FunctionSnapshot) and step.function_name == HOST:
                    step = step.resume(host(step.args, step.kwargs, step.dump))
                else:
                    step = step.resume_auto()
            return step.output

    def _take_up(self, turn: _Turn, start: Start) -> Any:
        """The call that the run waited in goes on with its answer."""
        lookup = {HOST: _unanswered}
        try:
            step: Any = turn.session.load_snapshot(
                start.dump or b"", external_lookup=lookup, print_callback=turn.prints
            )
        except (self.monty.MontyRuntimeError, ValueError, RuntimeError) as error:
            raise Stopped("SnapshotRefused", f"pydantic-monty does not take the run's state up: {error}") from None
        if getattr(step, "function_name", "") != HOST:
            raise Stopped("SnapshotRefused", "the run's state does not wait for an answer")
        return step.resume(start.answer)

    def mistakes(self, text: str) -> list[Mistake]:
        """What the type checker says of a task's file, knowing `edge`; nothing of the file runs. Raises `Stopped`."""
        modules = {"edge": self._edge}
        checking: Options = {"type_check": True, "type_check_format": "jsonlines", "external_modules": modules}
        with self._session(CHECKING, _unheard, checking) as turn:
            try:
                # A name that is not there makes every file wrong, and a wrong one is not run.
                turn.session.feed_run(f"{text}\n{_NOWHERE}\n", print_callback=turn.prints)
            except self.monty.MontyTypingError as error:
                return _read(error.display())
        return []

    def renew(self) -> None:
        """Start as many processes as are wanted, in place of those that there are: they end when nobody is in them.

        The library starts one only when all others are taken, which would be in the way of the runs.
        """
        processes = self.warmth.begin()
        if not processes:
            return
        try:
            fresh = self._start(processes)
        except (self.monty.MontyError, RuntimeError, OSError) as error:
            log.warning("no process of the sandbox started: %s", error, extra={"action": "sandbox_cold"})
            self.warmth.failed()
            return
        with self._lock:
            self._old.append(self._generation)
            self._generation = fresh
            self.warmth.renewed(processes)
        self._bury()

    def _bury(self) -> None:
        """End the old processes that nobody is in."""
        with self._lock:
            over = [generation for generation in self._old if not generation.in_use]
            self._old = [generation for generation in self._old if generation.in_use]
        for generation in over:
            generation.pool.__exit__(None, None, None)

    def _session(self, bounds: Bounds, waited: Waited, options: Options | None = None) -> _Session:
        """A session of its own; what the library raises in it comes out as `Stopped`."""
        return _Session(self, bounds, waited, options or {})

    def enter(self) -> _Generation:
        """The processes that a session may be in, counted in; see `leave`."""
        with self._lock:
            generation = self._generation
            generation.in_use += 1
        return generation

    def leave(self, generation: _Generation) -> None:
        """Nobody is in them any more for that session."""
        with self._lock:
            generation.in_use -= 1
            over = generation is not self._generation and not generation.in_use
        if over:
            self._calls.beside(self._bury)

    def close(self) -> None:
        """End the workers."""
        for generation in (*self._old, self._generation):
            generation.pool.__exit__(None, None, None)
        self._folder.cleanup()


def _spare_the_search() -> None:
    """Where that module is not installed Python searches all of `sys.path` in every session, a quarter of a short run.
    What stands among the modules as None is not searched for."""
    if SOUGHT not in sys.modules and importlib.util.find_spec(SOUGHT) is None:
        sys.modules[SOUGHT] = None  # type: ignore[assignment]


class _Session:
    """A session, from the pool and back into it. A class and no generator: a run is short, and this is its frame."""

    __slots__ = ("_began", "_bounds", "_checkout", "_generation", "_options", "_pool", "_turn", "_waited")

    def __init__(self, pool: Pool, bounds: Bounds, waited: Waited, options: Options) -> None:
        self._pool = pool
        self._bounds = bounds
        self._waited = waited
        self._options = options
        self._turn: _Turn | None = None

    def __enter__(self) -> _Turn:
        pool, bounds = self._pool, self._bounds
        self._began = pool.clock.monotonic()
        self._generation = pool.enter()
        try:
            self._checkout = self._generation.pool.checkout(limits=_limits(bounds), **self._options)
            session = self._checkout.__enter__()
        except BaseException as error:
            pool.leave(self._generation)
            self._explain(error)
            raise
        self._turn = turn = _Turn(session, pool.clock, self._began + bounds.time + GRACE)
        if pool.warmth.entered(turn.pid):
            self._waited(pool.clock.monotonic() - self._began)
        return turn

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pool, turn = self._pool, self._turn
        try:
            self._checkout.__exit__(kind, error, trace)
        finally:
            pool.leave(self._generation)
            if turn is not None:
                pool.warmth.left(turn.pid, gone=isinstance(error, pool.monty.MontyCrashedError))
                turn.prints.log()
        if error is not None:
            self._explain(error)

    def _explain(self, error: BaseException) -> None:
        """Raises `Stopped` for what the library says; returns for anything else."""
        monty, turn = self._pool.monty, self._turn
        if isinstance(error, monty.MontyCrashedError):
            late = error.timed_out or (turn is not None and turn.late)
            raise Stopped("SandboxCrashed", told(str(error), late, self._bounds), timeout=late) from None
        if isinstance(error, monty.MontyError):
            raise explained(error, self._bounds) from None
        if isinstance(error, TimeoutError):
            raise Stopped("SandboxBusy", f"no sandbox process was free within {_CHECKOUT:g} s") from None


def _unanswered(*arguments: Any, **named: Any) -> None:
    """What the host's name stands for where each call is answered by hand."""


def _read(lines: str) -> list[Mistake]:
    """The checker's JSON lines, without what only its way of asking brings about."""
    found = []
    for line in lines.splitlines():
        said = orjson.loads(line)
        message, code = str(said["message"]), said["code"]
        name = message.split("`")[1] if "`" in message else ""
        if name in _NOT_WRONG or (code == "unresolved-reference" and name in _BUILTINS):
            continue
        if said["severity"] != "error" or code.startswith("unused-"):
            continue
        if code == "unresolved-import":
            message = message.replace("Cannot resolve imported module", "there is no such module in the sandbox:")
        found.append(Mistake(said["location"]["row"], message))
    return found


def _limits(bounds: Bounds) -> pydantic_monty.ResourceLimits:
    return {
        "max_feed_duration_secs": bounds.time,
        "max_memory": bounds.memory,
        "max_recursion_depth": _DEPTH,
        "max_suspensions": bounds.trips,
        "max_total_sleep_secs": 0.0,
    }
