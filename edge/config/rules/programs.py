"""`run:` and packaged tasks, read by their syntax tree: `check` never runs a line of anybody's code."""

from __future__ import annotations

import ast
import importlib.util
import warnings
from dataclasses import dataclass
from pathlib import Path

from edge.config.report import Report, Steps, did_you_mean, listed, shortened
from edge.config.rules.survey import Survey, names_of
from edge.config.tasks import MOST_IN_SANDBOX
from edge.config.units import show_size
from edge.errors import Problem

_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class _Wanted:
    """One task's program: the key to complain at, the file, and the function (None: the only one that is marked)."""

    steps: Steps
    file: Path
    function: str | None


def check_programs(survey: Survey) -> None:
    """Every task's file and function exist, and the function looks like a task."""
    for name, settings in survey.config.tasks.items():
        _check_memory(survey, name)
        steps: Steps = ("tasks", name) if settings.run is None else ("tasks", name, "run")
        place, _, function = (settings.run or name).partition(":")
        if place.endswith(".py"):
            _check_file(_Wanted(steps, Path(place), function or None), survey.folder, survey.report)
        else:
            _check_packaged(steps, place, function or None, survey.report)


def _check_memory(survey: Survey, name: str) -> None:
    steps: Steps = ("tasks", name, "limits", "memory")
    report, engine = survey.report, survey.config.tasks[name].engine
    judged = not report.spoiled(steps) and not report.spoiled(("tasks", name, "engine"))
    if not judged or "memory" not in names_of(survey.data, "tasks", name, "limits"):
        return
    if engine == "inline":
        message = "inline cannot limit memory: the task runs in this process"
        report.at(steps, message, "write `engine: sandbox`, or delete this key")
    elif engine == "sandbox" and survey.config.tasks[name].heap > MOST_IN_SANDBOX:
        message = f"a run in the sandbox has at most {show_size(MOST_IN_SANDBOX)}"
        report.at(steps, message, "write less, or `engine: worker` if this is your own code")


def _check_packaged(steps: Steps, name: str, function: str | None, report: Report) -> None:
    folder = packaged_folder()
    known = sorted(path.stem for path in folder.glob("[a-z]*.py")) if folder is not None else []
    if name in known and folder is not None:
        _check_function(_Wanted(steps, folder / f"{name}.py", function), report)
        return
    if "/" in name or "." in name or "\\" in name:
        report.at(steps, f"{shortened(name)} is neither a .py file nor a packaged task", "./tasks/FILE.py:FUNCTION")
        return
    own = "run: ./tasks/FILE.py:FUNCTION runs your own"
    near = did_you_mean(name, known)
    message = f"there is no packaged task {name!r}"
    report.at(steps, message if steps[-1] == "run" else f"{message}, and no run:", f"{near} {own}" if near else own)


def packaged_folder() -> Path | None:
    """Where the packaged tasks are; found without importing any."""
    spec = importlib.util.find_spec("tasks")
    return Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else None


def _check_file(wanted: _Wanted, folder: Path, report: Report) -> None:
    if is_own_file(wanted.steps, wanted.file, folder, report):
        _check_function(wanted, report)


def is_own_file(steps: Steps, file: Path, folder: Path, report: Report) -> bool:
    """Whether it is there, below the configuration's folder; reported when it is not."""
    if not file.resolve().is_relative_to(folder.resolve()):
        report.at(steps, f"{file} lies outside {folder}", "keep task files below the folder of this file")
        return False
    if not file.is_file():
        siblings = [path.name for path in file.parent.glob("*.py")] if file.parent.is_dir() else []
        report.at(steps, f"there is no file {file}", did_you_mean(file.name, siblings, "check its path"))
        return False
    return True


def _check_function(wanted: _Wanted, report: Report) -> None:
    tree = parse(wanted.steps, wanted.file, report)
    if tree is None:
        return
    functions = {node.name: node for node in tree.body if isinstance(node, _Function)}
    marked = [name for name, node in functions.items() if _is_marked(node)]
    name = wanted.function
    if name is None:
        if len(marked) != 1:
            what = f"several functions are marked @task: {listed(marked)}" if marked else "no function is marked @task"
            report.at(wanted.steps, f"in {wanted.file.name} {what}", f"say which: {wanted.file.name}:FUNCTION")
            return
        name = marked[0]
    if name not in functions:
        hint = did_you_mean(name, functions, f"functions marked @task: {listed(marked)}")
        report.at(wanted.steps, f"there is no function {name!r} in {wanted.file}", hint)
    elif name not in marked:
        report.at(wanted.steps, f"{name} in {wanted.file} is not marked @task", "from edge import task")
    else:
        _check_shape(wanted, functions[name], report)


def parse(steps: Steps, file: Path, report: Report) -> ast.Module | None:
    """The file's syntax tree; None, and reported, when it has none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # how somebody's code could be nicer is not ours to say
            return ast.parse(file.read_bytes(), filename=str(file))
    except SyntaxError as error:
        message = f"this is not Python: {error.msg}: {(error.text or '').strip()[:60]!r}"
        path = report.dotted(steps)
        problem = Problem(file=str(file), line=error.lineno or 0, path=path, message=message)
        report.problems.append(problem)
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        report.at(steps, f"{file} cannot be read: {error}", "is it a Python file, saved as UTF-8?")
    return None


def _is_marked(node: _Function) -> bool:
    """`@task`, `@edge.task`, or either called."""
    for decorator in node.decorator_list:
        named = decorator.func if isinstance(decorator, ast.Call) else decorator
        if (isinstance(named, ast.Name) and named.id == "task") or (
            isinstance(named, ast.Attribute) and named.attr == "task"
        ):
            return True
    return False


def _check_shape(wanted: _Wanted, node: _Function, report: Report) -> None:
    if isinstance(node, ast.AsyncFunctionDef):
        report.at(wanted.steps, f"{node.name} is async; a task is a plain function", "write def, not async def")
        return
    arguments = node.args
    positional = len(arguments.posonlyargs) + len(arguments.args)
    needed = positional - len(arguments.defaults)
    bare = sum(default is None for default in arguments.kw_defaults)
    if needed > 2 or bare or (positional < 2 and arguments.vararg is None):
        report.at(wanted.steps, f"{node.name} must take two arguments", f"def {node.name}(event: Event, ctx: Context)")
