"""A task ready to run; and how a Python file becomes one: its function, its return annotation as the outcome's schema.

A user's file is loaded by path under a private name: what else is called `tasks` on `sys.path` decides nothing.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import orjson
from pydantic import PydanticSchemaGenerationError

from edge.config.tasks import TaskSettings, names_code
from edge.config.units import show_duration
from edge.context import TASK_MARK
from edge.errors import ExpressionError, TaskLoadError
from edge.model import Status
from edge.runs.engine import Engine, Program
from edge.runs.goal import Goal, Judged, Stated
from edge.runs.results import checked


class Life(Protocol):
    """Of a task that was installed while the gateway ran: how long it may run on. Any thread."""

    mark: Mapping[str, Any]
    """What its outcomes say about it, as `data.app`."""

    def begin(self, run: str) -> bool:
        """Whether a run with that id may still be accepted."""
        ...

    def ended(self, run: str, status: Status, missed: bool = False) -> None:
        """Its outcome is written, `missed`: its `check:` was not so; nothing for a run that did not `begin`."""
        ...


@dataclass(frozen=True, slots=True)
class Task:
    """A task ready to run: its settings, its program, and what of its outcomes never changes."""

    name: str
    settings: TaskSettings
    engine: Engine
    program: Program
    limits: orjson.Fragment
    goal: Goal | None = None
    life: Life | None = None
    """None for what edge.yaml names."""

    def begins(self, run: str) -> bool:
        """Whether a run with that id may be accepted."""
        return self.life is None or self.life.begin(run)

    def ended(self, run: str, status: Status, missed: bool = False) -> None:
        """The outcome of a run that was accepted is written, `missed`: its `check:` was not so."""
        if self.life is not None:
            self.life.ended(run, status, missed)

    @property
    def direct(self) -> bool:
        """A run touches nothing and happens once, so it may happen before anything about it is durable."""
        settings = self.settings
        grant = settings.grant
        acts = grant.devices or grant.publish or grant.tools or settings.memory
        return settings.engine == "inline" and not (acts or settings.retries or settings.on_crash != "rerun")


def load_task(name: str, settings: TaskSettings, folder: Path, engine: Engine) -> Task:
    """The task, with what `engine` made of its file. Raises `TaskLoadError`."""
    return ready(name, settings, engine, engine.load(name, settings, folder), folder=folder)


def ready(
    name: str,
    settings: TaskSettings,
    engine: Engine,
    program: Program,
    life: Life | None = None,
    *,
    folder: Path = Path(),
) -> Task:
    """The task, with what `engine` made of its source; a `check:` that is a file starts at `folder`."""
    return Task(
        name=name,
        settings=settings,
        engine=engine,
        program=program,
        limits=orjson.Fragment(orjson.dumps(_limits(settings))),
        goal=_goal(name, settings, folder),
        life=life,
    )


def _goal(name: str, settings: TaskSettings, folder: Path) -> Goal | None:
    check, where = settings.check, f"tasks.{name}.check"
    if check is None:
        return None
    if names_code(check):
        if settings.engine == "sandbox":
            raise TaskLoadError(
                f"{where}: a task in the sandbox has an expression as its check, no code in this process"
            )
        return Judged(own(where, check, folder), check)
    try:
        return Stated(check)
    except ExpressionError as error:
        raise TaskLoadError(f"{where}: {error}") from error


def import_program(name: str, settings: TaskSettings, folder: Path) -> Program:
    """Import the task's file (relative to `folder`) or the packaged task of that name. Raises `TaskLoadError`."""
    module, function_name = _module(name, settings.run, folder)
    function = _function(module, function_name)
    return Program(function, _schema(function, module), str(module.__file__), getattr(function, TASK_MARK)["raw"])


def _limits(settings: TaskSettings) -> dict[str, Any]:
    limits: dict[str, Any] = {"time": show_duration(settings.limits.time)}
    if settings.limits.per_minute is not None:
        limits["per_minute"] = settings.limits.per_minute
    if settings.limits.per_hour is not None:
        limits["per_hour"] = settings.limits.per_hour
    if settings.limits.burst is not None:
        limits["burst"] = settings.limits.burst
    return limits


def _module(name: str, run: str | None, folder: Path) -> tuple[ModuleType, str | None]:
    if run is None:
        return _packaged(name), None
    place, _, function = run.partition(":")
    if not place.endswith(".py"):
        return _packaged(place), function or None
    path = _own(name, folder / place)
    return _import_file(f"tasks.{name}.run", path, f"edge_user_tasks.{name}"), function or None


def own(where: str, place: str, folder: Path) -> Any:
    """What `FILE.py:NAME` names, imported from the device's own disk; a relative one starts at `folder`. `where` is
    the key that says so. Raises `TaskLoadError`."""
    file, _, name = place.partition(":")
    module = _import_file(where, folder / file, f"edge_user_code.{where}.{Path(file).stem}")
    try:
        return getattr(module, name)
    except AttributeError:
        raise TaskLoadError(f"{where}: there is no {name or 'name after the file'!r} in {file}") from None


def _import_file(where: str, path: Path, private: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(private, path)
    if spec is None or spec.loader is None:
        raise TaskLoadError(f"{where}: {path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[private] = module  # dataclasses look their module up by name
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise TaskLoadError(f"{where}: {path} cannot be imported: {type(error).__name__}: {error}") from error
    return module


def find_file(name: str, run: str | None, folder: Path) -> tuple[Path, str | None]:
    """The file of a task and the function asked for, without importing anything of it. Raises `TaskLoadError`."""
    place, _, function = (run or name).partition(":")
    if place.endswith(".py"):
        return _own(name, folder / place), function or None
    packaged = importlib.util.find_spec("tasks")
    for tasks in packaged.submodule_search_locations or () if packaged is not None else ():
        if place.isidentifier() and (file := Path(tasks, f"{place}.py")).is_file():
            return file, function or None
    raise TaskLoadError(f"tasks.{name}: there is no packaged task {place!r}; give run: ./tasks/FILE.py:FUNCTION")


def _own(name: str, path: Path) -> Path:
    path = path.resolve()
    if not path.is_file():
        raise TaskLoadError(f"tasks.{name}.run: there is no file {path}")
    return path


def _packaged(name: str) -> ModuleType:
    try:
        return importlib.import_module(f"tasks.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"tasks.{name}":
            raise TaskLoadError(f"the packaged task {name} cannot be imported: {error}") from error
        raise TaskLoadError(
            f"tasks.{name}: there is no packaged task of that name; give run: ./tasks/FILE.py:FUNCTION"
        ) from error


def _function(module: ModuleType, name: str | None) -> Callable[..., Any]:
    marked = {
        key: value
        for key, value in vars(module).items()
        if callable(value) and hasattr(value, TASK_MARK) and value.__module__ == module.__name__
    }
    if name is not None:
        if name in marked:
            return typing.cast("Callable[..., Any]", marked[name])
        why = "is not marked @task" if hasattr(module, name) else "does not exist"
        raise TaskLoadError(f"{module.__file__}: {name} {why}; marked here: {', '.join(marked) or 'nothing'}")
    if len(marked) == 1:
        return typing.cast("Callable[..., Any]", next(iter(marked.values())))
    raise TaskLoadError(
        f"{module.__file__}: {'several functions are' if marked else 'no function is'} marked @task; "
        "say which with run: FILE.py:FUNCTION"
    )


def _schema(function: Callable[..., Any], module: ModuleType) -> Callable[[Any], bytes]:
    try:
        hints = typing.get_type_hints(function)
    except (NameError, TypeError) as error:
        raise TaskLoadError(f"{module.__file__}: the annotations of {function.__name__} are wrong: {error}") from error
    annotation = hints.get("return", Any)
    try:
        return checked(annotation)
    except PydanticSchemaGenerationError as error:
        raise TaskLoadError(
            f"{module.__file__}: {function.__name__} returns {annotation!r}, which has no JSON schema; "
            "return a dataclass, a dict or a scalar"
        ) from error
