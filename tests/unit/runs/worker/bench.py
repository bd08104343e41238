"""Tasks from source text in real processes, with the context that the pipeline would give them."""

from __future__ import annotations

import os
import textwrap
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edge.clock import SystemClock
from edge.config.tasks import TaskSettings
from edge.errors import LimitExceeded, ToolError
from edge.model import Event, EventKind
from edge.runs.context import RunContext
from edge.runs.engine import Engine
from edge.runs.load import Task, load_task
from edge.runs.run import Ending, Run
from edge.runs.surroundings import Surroundings
from edge.runs.worker.engine import Worker

HEAD = """\
from dataclasses import dataclass
from typing import Any
from edge import Context, Event, NotGranted, task

@task
def go(event: Event, ctx: Context) -> dict:
"""
PATIENCE = 20.0  # seconds until something that must happen on a busy machine counts as not happening


def text(body: str) -> str:
    return HEAD + textwrap.indent(textwrap.dedent(body).strip() + "\n", "    ")


class Lamp:
    """A device that remembers what it was set to, and that breaks at `broken`."""

    def __init__(self) -> None:
        self.history: list[Any] = []

    def set(self, value: Any) -> None:
        if value == "broken":
            raise OSError(5, "Input/output error")
        if value == "odd":
            raise ValueError("a lamp is on or off, not 'odd'")
        self.history.append(value)

    def read(self) -> dict[str, float | bool]:
        return {"state": True}


class Adder:
    """A tool."""

    name, kind, description, safe_by_default, timeout = "adder", "adder", "adds", True, 1.0

    def __init__(self) -> None:
        self.operations: Mapping[str, Callable[..., Any]] = MappingProxyType({"add": self._add})

    def _add(self, *numbers: int, times: int = 1, seconds: float) -> int:
        if not numbers:
            raise ToolError("adder: nothing to add")
        return sum(numbers) * times

    def close(self) -> None:
        """Nothing to give back."""


class Remembered:
    """A memory of three entries, for whatever task."""

    def __init__(self) -> None:
        self.values: list[Any] = []

    def of(self, run: Run) -> Remembered:
        return self

    def recall(self, run: Run) -> Sequence[Any]:
        return ["newest", "older"]

    def append(self, value: Any, ttl: float | None = None) -> None:
        if len(self.values) == 3:
            raise LimitExceeded("memory: 3 entries, the limit is 3")
        self.values.insert(0, value)

    def read(self, limit: int = 100) -> list[Any]:
        return self.values[:limit]

    def search(self, text: str, limit: int = 100) -> list[Any]:
        return [value for value in self.values if text in str(value)][:limit]


class Kept:
    """Checkpoints."""

    def __init__(self) -> None:
        self.saved: list[Any] = []

    def save(self, run: Run, value: Any) -> None:
        self.saved.append(value)

    def load(self, run: Run) -> Any:
        return {"step": 7}


class Bench:
    """One task in one engine. `lamp`, `memory` and `kept` show what its runs did."""

    def __init__(self, engine: Engine, source: str, folder: Path, limits: Mapping[str, Any], **settings: Any) -> None:
        (folder / "app.py").write_text(source)
        made = TaskSettings.model_validate({
            "when": {"source": "s"}, "run": "./app.py", "engine": engine.name, "memory": {}, "readings": ["oven"],
            "grant": {"devices": ["lamp"], "publish": ["out"], "tools": ["adder"]}, "on_crash": "resume",
            "config": {"threshold": 3, "names": ["a"]}, **settings,
        })  # fmt: skip
        made = made.model_copy(update={"limits": made.limits.model_copy(update=dict(limits))})
        self.task: Task = load_task("app", made, folder, engine)
        self.lamp, self.memory, self.kept = Lamp(), Remembered(), Kept()
        self._clock = SystemClock()
        self.around = Surroundings(
            clock=self._clock,
            mint=lambda: "p1",
            matches=lambda granted, topic: granted == topic,
            devices={"lamp": self.lamp, "pump": Lamp()},
            readings=lambda device: {"temperature": 20.5},
            tools={"adder": Adder()},
            memories=self.memory,
            checkpoints=self.kept,
        )

    def run(self, values: Mapping[str, Any] | None = None, **fields: Any) -> tuple[Ending, Run]:
        run = self.made(values, **fields)
        return self.end(run), run

    def made(self, values: Mapping[str, Any] | None = None, *, recovered: bool = False, **fields: Any) -> Run:
        clock = self._clock
        event = Event("e1", "s", EventKind.MESSAGE, values or {}, clock.wall(), clock.monotonic(), **fields)
        return Run("r1", self.task, event, b"{}", recovered=recovered)

    def end(self, run: Run) -> Ending:
        run.started = self._clock.monotonic()
        return self.task.engine.run(run, RunContext(run, self.around))


def below(pid: int) -> dict[int, str]:
    """The processes that descend from `pid`, with their state: `R`, `S`, `Z`, ..."""
    parents, states = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        parents[int(stat.parent.name)], states[int(stat.parent.name)] = int(fields[1]), fields[0]
    found = {pid}
    while grown := {child for child, parent in parents.items() if parent in found} - found:
        found |= grown
    return {child: states[child] for child in found - {pid} if child in states}


def children(worker: Worker) -> set[int]:
    """The processes of its tasks."""
    assert worker._forks is not None
    return set(below(worker._forks._server.pid))


def alive(pid: int) -> bool:
    """Whether it runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def eventually(true: Callable[[], bool]) -> bool:
    """Whether it becomes true."""
    pause, clock = threading.Event(), SystemClock()
    end = clock.monotonic() + PATIENCE
    while not true():
        if clock.monotonic() > end:
            return False
        pause.wait(0.01)
    return True


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def resident(pid: int | str = "self") -> int:
    """Bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
