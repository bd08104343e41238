"""What the type checker knows of `edge` is what `edge` is: derived from its source, compared as text."""

from __future__ import annotations

import ast
from pathlib import Path

import edge
from edge import context, errors, model
from edge.runs.sandbox.stubs import STUBS

HEAD = """\
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol, TypeVar, overload
"""
PRIVATE = ("Memory", "Scratch", "Actuator")  # what Context hands out


def shown(node: ast.stmt) -> str:
    """The statement without its docstrings and bodies."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.FunctionDef):
            inner.body = [ast.Expr(ast.Constant(...))]
        elif isinstance(inner, ast.ClassDef):
            inner.body = [step for step in inner.body if not isinstance(step, ast.Expr)] or [
                ast.Expr(ast.Constant(...))
            ]
    return ast.unparse(node)


def statements(module: object, *names: str) -> list[str]:
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))  # type: ignore[attr-defined]
    found = []
    for node in tree.body:
        name = ast.unparse(node.targets[0]) if isinstance(node, ast.Assign) else getattr(node, "name", "")
        if name in names:
            found.append(shown(node))
    return found


def event() -> str:
    """In the sandbox an event is its fields, and its kind is text."""
    [text] = statements(model, "Event")
    fields, _, _ = text.partition("\n\n    def ")
    return fields.replace("kind: EventKind", "kind: str")


def derived() -> str:
    quality = "Quality = Literal['synced', 'estimated', 'unset']"
    parts = [
        quality,
        *(text.replace("(TaskError, ", "(") for text in statements(errors, "NotGranted", "ToolError")),
        event(),
        *statements(context, "F", "Context", "task", *PRIVATE),
    ]
    return HEAD + "\n".join(parts).replace("float | bool", "Any") + "\n"  # which of the two, only the device knows


def test_the_stubs_are_what_edge_is() -> None:
    assert derived() == STUBS


def test_the_stubs_have_all_that_an_author_may_import() -> None:
    tree = ast.parse(STUBS)
    names = {node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}

    beside = {name for name in edge.__all__ if getattr(edge, name).__module__ == "edge.observer"}  # not for tasks
    assert set(edge.__all__) - beside <= names
