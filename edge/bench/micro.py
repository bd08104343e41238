"""What `edge bench runs` runs: small tasks, all that is made for one run, and the bare things beside it."""

from __future__ import annotations

import importlib
import os
import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from edge.bench.material import CLOCK
from edge.config.tasks import TaskSettings
from edge.errors import TaskLoadError
from edge.ids import Minter
from edge.model import Event, EventKind, Record
from edge.runs.context import RunContext
from edge.runs.engine import Engine
from edge.runs.load import Task, load_task
from edge.runs.run import Run
from edge.runs.sandbox.pool import SOUGHT
from edge.runs.surroundings import Surroundings
from edge.telemetry import Counter, Histogram

PLAIN = """
from edge import Context, Event, task

@task
def plain(event: Event, ctx: Context) -> dict[str, float]:
    return {"fahrenheit": event.values["celsius"] * 1.8 + 32}
"""
TALK = """
from edge import Context, Event, task

@task
def talk(event: Event, ctx: Context) -> dict[str, float]:
    ctx.device("lamp").on()
    ctx.publish("out", {"celsius": event.values["celsius"]})
    return {"fahrenheit": event.values["celsius"] * 1.8 + 32}
"""
LOOP = """
from edge import Context, Event, task

@task
def loop(event: Event, ctx: Context) -> int:
    while True:
        pass
"""
BARE = """
def plain(event):
    return {"fahrenheit": event["values"]["celsius"] * 1.8 + 32}
plain(event)
"""

_KB = 1024
_PAGE = os.sysconf("SC_PAGE_SIZE")


class _Lamp:
    def set(self, value: Any) -> None: ...

    def read(self) -> dict[str, float | bool]:
        return {"on": True}

    def on(self) -> None: ...


class _Nothing:
    """A `ctx` that does nothing: what the bare function is given."""

    def __init__(self) -> None:
        self._lamp = _Lamp()

    def device(self, name: str) -> _Lamp:
        return self._lamp

    def publish(self, topic: str, value: Any) -> None: ...


class Bench:
    """Tasks from source text, and all that the pipeline makes for a run of one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._minter = Minter("bench", CLOCK, random.Random(7))
        self._around = Surroundings(
            clock=CLOCK,
            mint=self._minter.mint,
            matches=lambda granted, topic: granted == topic,
            devices={"lamp": _Lamp()},
        )
        self._ended, self._seconds = Counter(), Histogram()
        self.bare_context = _Nothing()
        self.event = Event("bench:1", "bench", EventKind.MESSAGE, {"celsius": 21.5}, CLOCK.wall(), CLOCK.monotonic())

    def task(self, text: str, engine: Engine, settings: Mapping[str, Any] | None = None) -> Task:
        """Raises `TaskLoadError`."""
        (self._folder / "app.py").write_text(text)
        given = {"when": {"source": "bench"}, "run": "./app.py", "engine": engine.name, **(settings or {})}
        return load_task("app", TaskSettings.model_validate(given), self._folder, engine)

    def once(self, task: Task) -> list[Record]:
        """One run with its records, as the pipeline makes them: the promise too where the task needs one."""
        event = self.event
        run = Run(self._minter.mint(), task, event, orjson.dumps(event.data()))
        records = [] if task.direct else [run.accepted()]
        run.started, run.started_wall = CLOCK.monotonic(), CLOCK.wall()
        observers = self._around.observers
        observers.started(run)
        ending = task.engine.run(run, RunContext(run, self._around))
        run.detach()
        run.end()
        observers.ended(run, ending)
        self._ended.add()
        self._seconds.observe(CLOCK.monotonic() - run.started)
        records.append(run.outcome(ending, CLOCK, "bench"))
        return records + run.publishes


@contextmanager
def bare_monty() -> Iterator[Callable[[str, Event], Any]]:
    """The library alone and as it comes: a session a run, with limits, nothing around, and with the module that it
    looks for in vain, which the sandbox spares it. Raises `TaskLoadError` where it is missing."""
    try:
        # by name, because a baseline is no part of the runtime, whose one file for Monty is the sandbox's
        monty = importlib.import_module("pydantic_monty")
    except ImportError as error:
        raise TaskLoadError("pydantic-monty is not installed: pip install 'edge-runtime[sandbox]'") from error
    limits = {"max_feed_duration_secs": 10.0, "max_memory": 16_000_000, "max_recursion_depth": 200,
              "max_suspensions": 1000, "max_total_sleep_secs": 0.0}  # fmt: skip
    with monty.Monty(min_processes=1, max_processes=1) as pool:

        def run(source: str, event: Event) -> Any:
            spared = {name: sys.modules.pop(name) for name in (SOUGHT,) if name in sys.modules}
            try:
                with pool.checkout(limits=limits) as session:
                    return session.feed_run(source, inputs={"event": {"values": dict(event.values)}})
            finally:
                sys.modules.update(spared)

        yield run


def descendants() -> list[int]:
    """Processes that this one started, and what those started."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it ended meanwhile
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found, open_ = [], [os.getpid()]
    while open_:
        children = parents.get(open_.pop(), [])
        found += children
        open_ += children
    return found


def resident_kb(processes: Sequence[int]) -> int:
    """Resident memory of them all; what ended meanwhile has none."""
    total = 0
    for process in processes:
        try:
            total += int(Path(f"/proc/{process}/statm").read_text().split()[1])
        except OSError:
            continue
    return total * _PAGE // _KB
