"""A task's source, made ready for the sandbox without running a line of it in this process.

Only the syntax tree is read. Imports of `edge` and the `@task` mark are blanked out in the text, which keeps every
line where it was. The outcome's schema comes from the return annotation over a closed list of types.
"""

from __future__ import annotations

import ast
import contextlib
import warnings
from dataclasses import dataclass
from typing import Any, Literal, Union

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

from edge.runs.sandbox.prelude import behind

LARGEST = 64_000  # bytes of source: compiling is outside the time limit
_SCALARS: dict[str, Any] = {"int": int, "float": float, "str": str, "bool": bool, "None": None, "Any": Any,
                            "object": Any, "dict": dict[str, Any], "list": list[Any]}  # fmt: skip
_CLOSED = "bool, int, float, str, None, Any, dict, list, Literal, unions of them, and dataclasses of the same file"
_DEEPEST = 32
_BEYOND: dict[type[ast.AST], str] = {
    ast.Yield: "there are no generators",
    ast.YieldFrom: "there are no generators",
    ast.Delete: "there is no `del`",
    ast.TryStar: "there is no `except*`",
    ast.AsyncFor: "there is no `async for`",
    ast.AsyncWith: "there is no `async with`",
}


class BadSource(ValueError):
    """The source cannot be a task of the sandbox; the message says the line and what to write."""


@dataclass(frozen=True, slots=True)
class Source:
    """`text` is what the sandbox is fed; `annotation` what its result must be; `lines` is how many the file has."""

    text: str
    function: str
    annotation: Any
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
        annotation = Any if node.returns is None else _Types(tree).of(node.returns)
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
    lines = text.count("\n") + 1
    return Source(
        f"{_blanked(text, tree)}\n{behind(node.name, _second(node), _mentioned(tree))}",
        node.name,
        annotation,
        raw,
        lines,
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
            names = [alias.asname or alias.name for alias in node.names if alias.name == "NotGranted"]
            _put(lines, node, f"{names[0]} = PermissionError" if names else "pass")
        elif isinstance(node, ast.Import) and [alias.name for alias in node.names] == ["edge"]:
            _put(lines, node, "pass")
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


class _Types:
    """Annotations of one file to types of ours."""

    def __init__(self, tree: ast.Module) -> None:
        self._classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
        self._open: list[str] = []
        self._made: dict[str, Any] = {}  # each once: a class used twice by one used twice doubles at every step

    def of(self, node: ast.expr) -> Any:
        """The type; raises `BadSource` for one that is not on the list."""
        match node:
            case ast.Constant(value=None):
                return None
            case ast.Constant(value=str(text)):
                return self.of(ast.parse(text, mode="eval").body)
            case ast.Name(id=name) if name in self._classes:
                return self._fields(self._classes[name])
            case ast.Name(id=name) if name in _SCALARS:
                return _SCALARS[name]
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                return Union[self.of(left), self.of(right)]  # noqa: UP007 - `|` between values does not take None
            case ast.Subscript(value=ast.Name(id=name), slice=inner):
                return self._generic(node, name, inner)
        raise self._unknown(node)

    def _generic(self, node: ast.expr, name: str, inner: ast.expr) -> Any:
        parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
        if name == "list" and len(parts) == 1:
            item: Any = self.of(parts[0])
            return list[item]
        if name == "Optional" and len(parts) == 1:
            return Union[self.of(parts[0]), None]  # noqa: UP007
        if name in ("dict", "Mapping") and len(parts) == 2 and ast.unparse(parts[0]) == "str":
            item = self.of(parts[1])
            return dict[str, item]
        if name == "Literal" and all(isinstance(part, ast.Constant) for part in parts):
            constants: Any = tuple(part.value for part in parts if isinstance(part, ast.Constant))
            return Literal[constants]
        raise self._unknown(node)

    def _fields(self, node: ast.ClassDef) -> Any:
        if not any(ast.unparse(mark).startswith("dataclass") for mark in node.decorator_list):
            raise BadSource(f"line {node.lineno}: a result in the sandbox is a @dataclass, and {node.name} is not")
        if node.name in self._made:
            return self._made[node.name]
        if node.name in self._open or len(self._open) >= _DEEPEST:
            raise BadSource(f"line {node.lineno}: {node.name} holds itself; a result has an end")
        self._open.append(node.name)
        fields = {
            step.target.id: self.of(step.annotation)
            for step in node.body
            if isinstance(step, ast.AnnAssign) and isinstance(step.target, ast.Name)
        }
        self._open.pop()
        made: Any = TypedDict(node.name, fields)  # type: ignore[misc]
        self._made[node.name] = with_config(ConfigDict(extra="forbid", strict=True, allow_inf_nan=False))(made)
        return self._made[node.name]

    def _unknown(self, node: ast.expr) -> BadSource:
        shown = ast.unparse(node)[:60]
        return BadSource(f"line {node.lineno}: a result in the sandbox cannot be {shown}; it may be {_CLOSED}")
