"""What runs are given and how they are judged: `config`, `readings`, `check`, and `runs.observers`."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge.config.report import Report, Steps, did_you_mean, kind_of, listed
from edge.config.rules.programs import is_own_file, parse
from edge.config.rules.survey import Survey
from edge.config.tasks import CHECKED, names_code
from edge.errors import ExpressionError
from edge.expression import Expression

_LARGEST = 1 << 63


def check_provisions(survey: Survey) -> None:
    """Everything named exists, and what crosses into other processes is JSON."""
    for name, settings in survey.config.tasks.items():
        _check_config(("tasks", name, "config"), settings.config, survey.report)
        survey.check_device_names(("tasks", name, "readings"), settings.readings, only="have last values")
        if settings.check is not None and not survey.report.lost(("tasks", name, "check")):
            _check_goal(("tasks", name, "check"), settings.check, settings.engine, survey)
    for index, place in enumerate(survey.config.runs.observers):
        _check_observer(("runs", "observers", index), place, survey)


def _check_config(steps: Steps, value: Any, report: Report) -> None:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            _check_config((*steps, key), inner, report)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _check_config((*steps, index), inner, report)
    elif report.lost(steps):
        return
    elif value is not None and not isinstance(value, str | int | float | bool):
        hint = "give the task what the secret opens: a tool with it, for instance"
        report.at(steps, f"{kind_of(value)} cannot stand here: what a task is given may leave in its outcome", hint)
    elif isinstance(value, float) and not math.isfinite(value):
        report.at(steps, f"{kind_of(value)} is not JSON", "a finite number, or text")
    elif isinstance(value, int) and not -_LARGEST <= value < _LARGEST:
        report.at(steps, "a whole number beyond 64 bits", 'in quotes it is text: "..."')


def _check_goal(steps: Steps, text: str, engine: str, survey: Survey) -> None:
    if names_code(text):
        if engine == "sandbox":
            hint = "an expression, such as result.celsius < 80"
            survey.report.at(steps, "a function would run in this process, outside the sandbox", hint)
            return
        node = _named(steps, text, ast.FunctionDef, survey)
        if isinstance(node, ast.FunctionDef) and len(node.args.posonlyargs) + len(node.args.args) != 2:
            survey.report.at(steps, f"{node.name} must take two arguments", f"def {node.name}(result, event)")
        return
    try:
        Expression(text, CHECKED)
    except ExpressionError as error:
        message, _, hint = str(error).partition("; ")
        survey.report.at(steps, message, hint or "such as result.celsius < 80, or ./FILE.py:FUNCTION")


def _check_observer(steps: Steps, place: str, survey: Survey) -> None:
    if not names_code(place):
        survey.report.at(steps, f"{place!r} names no file", "./observers/FILE.py:CLASS")
        return
    node = _named(steps, place, ast.ClassDef, survey)
    if isinstance(node, ast.ClassDef) and not node.bases:
        survey.report.at(
            steps, f"{node.name} is no Observer", f"from edge import Observer; class {node.name}(Observer)"
        )


def _named(steps: Steps, place: str, kind: type[ast.stmt], survey: Survey) -> ast.stmt | None:
    """The function or class of that name at the top of its file; None, and reported, when there is none."""
    path, _, name = place.partition(":")
    if not is_own_file(steps, Path(path), survey.folder, survey.report):
        return None
    tree = parse(steps, Path(path), survey.report)
    if tree is None:
        return None
    found = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    named = {one: node for one, node in found.items() if isinstance(node, kind)}
    if name in named:
        return named[name]
    what = "function" if kind is ast.FunctionDef else "class"
    message = f"there is no {what} {name!r} in {path}" if name else f"{path} is a file, and {what} is missing"
    survey.report.at(steps, message, did_you_mean(name, named, f"there are: {listed(named)}"))
    return None
