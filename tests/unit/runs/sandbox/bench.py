"""One run of a source text in the sandbox, with the context that the pipeline would give it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge.clock import SystemClock
from edge.config.tasks import TaskSettings
from edge.model import Event, EventKind
from edge.runs.context import RunContext
from edge.runs.engine import Engine
from edge.runs.load import load_task
from edge.runs.run import Ending, Run
from edge.runs.sandbox.pool import Mistake, Pool
from edge.runs.surroundings import Surroundings


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


class Unchecked(Pool):
    """A pool that takes any file."""

    def mistakes(self, text: str) -> list[Mistake]:
        return []


def end(
    engine: Engine,
    text: str,
    folder: Path,
    *,
    limits: Mapping[str, Any] | None = None,
    values: Mapping[str, Any] | None = None,
    lamp: Lamp | None = None,
) -> tuple[Ending, Run]:
    """Load the text as a task with the lamp and the topic `out` granted, and run it for an event."""
    (folder / "app.py").write_text(text)
    settings = TaskSettings.model_validate({
        "when": {"source": "s"}, "run": "./app.py", "engine": engine.name,
        "grant": {"devices": ["lamp"], "publish": ["out"]},
    })  # fmt: skip
    settings = settings.model_copy(update={"limits": settings.limits.model_copy(update=dict(limits or {}))})
    clock = SystemClock()
    event = Event("e1", "s", EventKind.MESSAGE, values or {}, clock.wall(), clock.monotonic())
    run = Run("r1", load_task("app", settings, folder, engine), event, b"{}")
    run.started = clock.monotonic()
    devices = {"lamp": lamp or Lamp(), "pump": Lamp()}
    ctx = RunContext(
        run,
        Surroundings(clock=clock, mint=lambda: "p1", matches=lambda granted, topic: granted == topic, devices=devices),
    )
    return engine.run(run, ctx), run
