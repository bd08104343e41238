"""One run of a source text in the sandbox, with the context that the pipeline would give it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edge.clock import SystemClock
from edge.config.tasks import TaskSettings
from edge.errors import ToolError
from edge.model import Event, EventKind
from edge.runs.context import RunContext
from edge.runs.engine import Engine
from edge.runs.load import load_task
from edge.runs.run import Ending, Run
from edge.runs.sandbox.pool import Mistake, Pool
from edge.runs.surroundings import Surroundings
from edge.runs.tools.tool import Operation


class Lamp:
    """A device that remembers what it was set to, and that breaks at `broken`."""

    def __init__(self) -> None:
        self.history: list[Any] = []

    def set(self, value: Any) -> None:
        if value == "broken":
            raise OSError("/dev/i2c-1: no such device")
        if value == "odd":
            raise ValueError("a lamp is on or off, not 'odd'")
        self.history.append(value)

    def read(self) -> dict[str, float | bool]:
        return {"state": True}


class Shelf:
    """A tool with a few operations, which keeps what it is given and fails at `broken`."""

    name, kind, description, safe_by_default, timeout = "shelf", "kv", "a shelf", True, 5.0

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}
        self.operations: Mapping[str, Operation] = {"get": self.get, "put": self.put}

    def get(self, key: str, default: Any = None, *, seconds: float) -> Any:
        if key == "broken":
            raise ToolError("shelf: the shelf is broken")
        return self.kept.get(key, default)

    def put(self, key: str, value: Any, *, seconds: float) -> None:
        self.kept[key] = value

    def close(self) -> None:
        """Nothing to give back."""


class Diary:
    """The memories of all tasks in one list, newest first; and the last checkpoint."""

    def __init__(self, *values: Any) -> None:
        self.values = list(values)
        self.checkpoint: Any = None

    def of(self, run: Run) -> Diary:
        return self

    def recall(self, run: Run) -> Sequence[Any]:
        return self.values[:2]

    def append(self, value: Any, ttl: float | None = None) -> None:
        self.values.insert(0, value)

    def read(self, limit: int = 100) -> list[Any]:
        return self.values[:limit]

    def search(self, text: str, limit: int = 100) -> list[Any]:
        return [value for value in self.values if text in str(value)][:limit]

    def save(self, run: Run, value: Any) -> None:
        self.checkpoint = value

    def load(self, run: Run) -> Any:
        return self.checkpoint


class Unchecked(Pool):
    """A pool that takes any file."""

    def mistakes(self, text: str) -> list[Mistake]:
        return []


class Bench:
    """Everything a task may be granted, on fakes; what is left of a run stands here afterwards."""

    def __init__(self, folder: Path, engine: Engine, **settings: Any) -> None:
        self.folder, self.engine = folder, engine
        self.settings: dict[str, Any] = {
            "when": {"source": "s"}, "run": "./app.py", "engine": engine.name,
            "grant": {"devices": ["lamp"], "publish": ["out"], "tools": ["shelf"]}, **settings,
        }  # fmt: skip
        self.lamp, self.pump, self.shelf, self.diary = Lamp(), Lamp(), Shelf(), Diary("old", {"older": 1}, "oldest")
        self.clock = SystemClock()
        self.recovered = False

    @property
    def around(self) -> Surroundings:
        return Surroundings(
            clock=self.clock,
            mint=lambda: "p1",
            matches=lambda granted, topic: granted == topic,
            devices={"lamp": self.lamp, "pump": self.pump},
            readings=lambda device: {"state": True},
            tools={"shelf": self.shelf, "safe": Shelf()},
            memories=self.diary,
            checkpoints=self.diary,
        )

    def run(self, text: str, values: Mapping[str, Any] | None = None, **limits: Any) -> tuple[Ending, Run]:
        """Load the text as a task, and run it for an event. `limits` may be what no configuration allows."""
        (self.folder / "app.py").write_text(text)
        settings = TaskSettings.model_validate(self.settings)
        settings = settings.model_copy(update={"limits": settings.limits.model_copy(update=limits)})
        event = Event("e1", "s", EventKind.MESSAGE, values or {}, self.clock.wall(), self.clock.monotonic())
        task = load_task("app", settings, self.folder, self.engine)
        run = Run("r1", task, event, b"{}", recovered=self.recovered)
        run.started = self.clock.monotonic()
        return self.engine.run(run, RunContext(run, self.around)), run


def end(
    engine: Engine,
    text: str,
    folder: Path,
    *,
    limits: Mapping[str, Any] | None = None,
    values: Mapping[str, Any] | None = None,
) -> tuple[Ending, Run]:
    """One run on a bench of its own."""
    return Bench(folder, engine, memory={}).run(text, values, **(limits or {}))
