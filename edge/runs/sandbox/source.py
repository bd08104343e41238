"""A task's source, made ready for the sandbox without running a line of it in this process.

Only the syntax tree is read. Imports of `edge` and the `@task` mark are blanked out in the text, which keeps every
line where it was. The outcome's schema comes from the return annotation over a closed list of types.
"""

from __future__ import annotations

import ast
import contextlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge.runs.sandbox.prelude import behind, wanted
from edge.runs.sandbox.schema import BadSource, Schema

LARGEST = 64_000  # bytes of source: compiling is outside the time limit
_ERRORS = {"NotGranted": "PermissionError", "ToolError": "NotImplementedError"}  # what the bridge raises for them
_MODULE = "; ".join(f"{name} = {builtin}" for name, builtin in _ERRORS.items())
_BEYOND: dict[type[ast.AST], str] = {
    ast.Yield: "there are no generators",
    ast.YieldFrom: "there are no generators",
    ast.Delete: "there is no `del`",
    ast.TryStar: "there is no `except*`",
    ast.AsyncFor: "there is no `async for`",
    ast.AsyncWith: "there is no `async with`",
}


@dataclass(frozen=True, slots=True)
class Source:
    """`text` is what the sandbox is fed; `annotation` what its result must be, with the dataclasses of the file in
    `classes`; `wants` is what of `ctx` a run must be given; `written` the file as it is, of so many `lines`."""

    text: str
    written: str
    annotation: Any
    classes: Mapping[str, type]
    wants: tuple[str, ...]
    raw: bool
    lines: int


def read(data: bytes, function: str | None) -> Source:
    """Parse a file's bytes. Raises `BadSource`."""
    if len(data) > LARGEST:
        raise BadSource(f"the file has {len(data)} bytes; the sandbox takes at most {LARGEST}")
    try:
        text = data.decode()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = _parsed(text)
        _stay_inside(tree)
        node, mark = _marked(tree, function)
        schema = Schema(tree)
        annotation = Any if node.returns is None else schema.of(node.returns)
    except SyntaxError as error:
        raise BadSource(f"line {error.lineno or 0}: this is not Python: {error.msg}") from None
    except (UnicodeDecodeError, RecursionError, MemoryError, ValueError) as error:
        if isinstance(error, BadSource):
            raise
        raise BadSource(f"this cannot be parsed: {type(error).__name__}") from None
    raw = isinstance(mark, ast.Call) and any(
        word.arg == "raw" and isinstance(word.value, ast.Constant) and word.value.value is True
        for word in mark.keywords
    )
    parameter, mentioned = _second(node), _mentioned(tree)
    return Source(
        f"{_blanked(text, tree)}\n{behind(node.name, parameter, mentioned)}",
        text,
        annotation,
        schema.classes,
        wanted(parameter, mentioned),
        raw,
        text.count("\n") + 1,
    )


def _parsed(text: str) -> ast.Module:
    """Up to CPython 3.11 a thread that parses is disturbed by another that does, be it for a traceback (gh-106905)."""
    for _ in range(3):
        with contextlib.suppress(SystemError):
            return ast.parse(text)
    raise BadSource("it could not be parsed just now; try again")


def _stay_inside(tree: ast.Module) -> None:
    """Raises `BadSource` at the first thing that Python has and the sandbox has not."""
    for node in ast.walk(tree):
        what = next((words for kind, words in _BEYOND.items() if isinstance(node, kind)), "")
        if isinstance(node, ast.ClassDef) and (node.bases or node.keywords):
            what = f"{node.name} must be a class without a base class"
        if what:
            raise BadSource(f"line {getattr(node, 'lineno', 0)}: {what} in the sandbox")


def _second(node: ast.FunctionDef) -> str:
    """The name of its second parameter; empty, which is always mentioned, where it takes them another way."""
    names = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args)]
    return names[1] if len(names) > 1 else ""


def _mentioned(tree: ast.Module) -> set[str]:
    """Names and attributes that stand in the source."""
    nodes = list(ast.walk(tree))
    names = {""} | {node.id for node in nodes if isinstance(node, ast.Name)}
    return names | {node.attr for node in nodes if isinstance(node, ast.Attribute)}


def _is_task(decorator: ast.expr) -> bool:
    named = decorator.func if isinstance(decorator, ast.Call) else decorator
    return ast.unparse(named) in ("task", "edge.task")


def _marked(tree: ast.Module, name: str | None) -> tuple[ast.FunctionDef, ast.expr]:
    found = [
        (node, mark)
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and name in (None, node.name)
        for mark in node.decorator_list
        if _is_task(mark)
    ]
    if len(found) == 1:
        return found[0]
    what = "no function is" if not found else "several functions are"
    raise BadSource(f"{what} marked @task" + (f" and called {name}" if name else "; say which: FILE.py:FUNCTION"))


def _blanked(text: str, tree: ast.Module) -> str:
    """The text without what only the runtime needs; offsets in the tree count bytes."""
    lines = [line.encode() for line in text.splitlines(keepends=True)]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "edge" and not node.level:
            known = [alias for alias in node.names if alias.name in _ERRORS]
            _put(lines, node, "; ".join(f"{it.asname or it.name} = {_ERRORS[it.name]}" for it in known) or "pass")
        elif isinstance(node, ast.ImportFrom) and node.module == "__future__":
            _put(lines, node, "pass")
        elif isinstance(node, ast.Import) and [alias.name for alias in node.names] == ["edge"]:
            _put(lines, node, f"class {node.names[0].asname or 'edge'}: {_MODULE}")
        elif isinstance(node, ast.FunctionDef):
            for mark in filter(_is_task, node.decorator_list):
                _put(lines, mark, "")
                head = lines[mark.lineno - 1]
                lines[mark.lineno - 1] = head.replace(b"@", b" ", 1)
    return b"".join(lines).decode()


def _put(lines: list[bytes], node: ast.stmt | ast.expr, new: str) -> None:
    """Put `new` where the node stood, and keep its line ends."""
    first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
    rest = lines[last][node.end_col_offset or 0 :]
    start = lines[first][: node.col_offset] + new.encode()
    if first == last:
        lines[first] = start + rest
        return
    lines[first] = start + b"\n"
    lines[first + 1 : last] = [b"\n"] * (last - first - 1)
    lines[last] = rest
