"""A dry run: an app's code on an event that happened, with all that it would be granted and no effect on anything.

Commands to outputs do nothing, publishes are thrown away, its memory is its own and empty. What nobody can answer
without asking the world (a tool, a device that gave no reading yet) ends the dry run without a verdict.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import orjson

from edge.apps.running import Running
from edge.clock import Clock
from edge.config.tasks import TaskSettings
from edge.context import Memory
from edge.errors import TaskLoadError, ToolError
from edge.model import Event, Status
from edge.runs.context import RunContext
from edge.runs.engine import Engine, Program
from edge.runs.load import Task
from edge.runs.run import Run
from edge.runs.surroundings import Readings, Surroundings, Topic


class SourceEngine(Engine, Protocol):
    """The engine that apps run in."""

    def load_source(self, name: str, source: bytes, settings: TaskSettings, output: Any = None) -> Program:
        """The program of a source that is in no file. Raises `TaskLoadError`."""
        ...

    def types(self, name: str, source: bytes) -> str:
        """What is wrong with its types, a line each; empty when nothing is. Raises `TaskLoadError`."""
        ...


Rehearse = Callable[[Running, Event], str | None]
"""What went wrong; empty when nothing did, None when it could not be seen to the end."""


def dry_run(engine: SourceEngine, clock: Clock, matches: Topic, readings: Readings) -> Rehearse:
    """Dry runs in `engine`; `matches` and `readings` are those of real runs."""

    def rehearse(app: Running, event: Event) -> str | None:
        try:
            program = engine.load_source(app.name, app.source, app.settings, app.output)
        except TaskLoadError as error:
            return str(error)
        if program.raw and event.payload is None:
            return None  # the bytes that it wants are not kept
        task = Task(app.name, app.settings, engine, program, orjson.Fragment(b"{}"))
        run = Run("dry-run", task, event, orjson.dumps(event.data()))
        run.started, run.started_wall = clock.monotonic(), clock.wall()
        stage = _Stage(readings)
        ending = engine.run(run, RunContext(run, stage.surroundings(clock, matches, app.settings)))
        if ending.status in (Status.SUCCESS, Status.PARTIAL):
            return ""
        if stage.unanswered:
            return None
        wrong = ending.error or {}
        return f"{wrong.get('type', ending.status.value)}: {wrong.get('message', '')} ({wrong.get('where', '')})"

    return rehearse


class _Stage:
    """The world of one dry run."""

    def __init__(self, readings: Readings) -> None:
        self.readings = readings
        self.unanswered = False

    def surroundings(self, clock: Clock, matches: Topic, settings: TaskSettings) -> Surroundings:
        return Surroundings(
            clock=clock,
            mint=lambda: "dry-run",
            matches=matches,
            devices={name: _Device(name, self) for name in settings.grant.devices},
            readings=self.readings,
            tools=_Tools(self),
            memories=_Memories(),
        )

    def unknown(self, what: str) -> ToolError:
        self.unanswered = True
        return ToolError(f"{what} cannot be asked in a dry run")


class _Device:
    def __init__(self, name: str, stage: _Stage) -> None:
        self._name = name
        self._stage = stage

    def set(self, value: Any) -> None:
        """Nothing moves."""

    def read(self) -> dict[str, float | bool]:
        last = dict(self._stage.readings(self._name))
        if not last:
            raise self._stage.unknown(f"device {self._name}")
        return last


class _Tools(Mapping[str, Any]):
    """Every tool there may be; none of them answers. Grants are checked before, by the run's context."""

    def __init__(self, stage: _Stage) -> None:
        self._stage = stage

    def __getitem__(self, name: str) -> _Tool:
        return _Tool(name, self._stage)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


class _Tool:
    """`operations` is asked for first, whatever is called."""

    kind, description, safe_by_default, timeout = "dry run", "", True, 1.0

    def __init__(self, name: str, stage: _Stage) -> None:
        self.name = name
        self._stage = stage

    @property
    def operations(self) -> Mapping[str, Callable[..., Any]]:
        raise self._stage.unknown(f"tool {self.name}")

    def close(self) -> None:
        """Nothing is open."""


class _Memories:
    """One run's memory, which begins empty."""

    def __init__(self) -> None:
        self._values: list[Any] = []

    def of(self, run: Run) -> Memory:
        return self

    def recall(self, run: Run) -> Sequence[Any]:
        return ()

    def append(self, value: Any, ttl: float | None = None) -> None:
        self._values.insert(0, json.loads(orjson.dumps(value)))

    def read(self, limit: int = 100) -> list[Any]:
        return self._values[:limit]

    def search(self, text: str, limit: int = 100) -> list[Any]:
        found = [value for value in self._values if text.lower() in json.dumps(value).lower()]
        return found[:limit]
