"""The schema of a result, from a task's annotations over a closed list of types: nothing of the file is evaluated."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Any, Literal

_SCALARS: dict[str, Any] = {"int": int, "float": float, "str": str, "bool": bool, "None": None, "Any": Any,
                            "object": Any, "dict": dict[str, Any], "list": list[Any]}  # fmt: skip
_CLOSED = "bool, int, float, str, None, Any, dict, list, Literal, unions of them, and dataclasses of the same file"
_DEEPEST = 32


class BadSource(ValueError):
    """The source cannot be a task of the sandbox; the message says the line and what to write."""


class Schema:
    """Annotations of one file to types of ours. `classes` are its dataclasses that were met, by name: what the
    sandbox hands out becomes an instance of one, and is then checked as a result of `inline` is."""

    def __init__(self, tree: ast.Module) -> None:
        self._nodes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
        self.classes: dict[str, type] = {}  # each once: a class used twice by one used twice doubles at every step
        self._open: list[str] = []

    def of(self, node: ast.expr) -> Any:
        """The type; raises `BadSource` for one that is not on the list."""
        match node:
            case ast.Constant(value=None):
                return None
            case ast.Constant(value=str(text)):
                return self.of(ast.parse(text, mode="eval").body)
            case ast.Name(id=name) if name in self._nodes:
                return self._fields(self._nodes[name])
            case ast.Name(id=name) if name in _SCALARS:
                return _SCALARS[name]
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                return _either(self.of(left), self.of(right))
            case ast.Subscript(value=ast.Name(id=name), slice=inner):
                return self._generic(node, name, inner)
        raise self._unknown(node)

    def _generic(self, node: ast.expr, name: str, inner: ast.expr) -> Any:
        parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
        if name == "list" and len(parts) == 1:
            item: Any = self.of(parts[0])
            return list[item]
        if name == "Optional" and len(parts) == 1:
            return _either(self.of(parts[0]), None)
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
        if node.name in self.classes:
            return self.classes[node.name]
        if node.name in self._open or len(self._open) >= _DEEPEST:
            raise BadSource(f"line {node.lineno}: {node.name} holds itself; a result has an end")
        self._open.append(node.name)
        fields = {
            step.target.id: self.of(step.annotation)
            for step in node.body
            if isinstance(step, ast.AnnAssign) and isinstance(step.target, ast.Name)
        }
        self._open.pop()
        if any(name.startswith("__") for name in fields):
            raise BadSource(f"line {node.lineno}: a field of {node.name} begins with two underscores")
        self.classes[node.name] = mirror(node.name, fields)
        return self.classes[node.name]

    def _unknown(self, node: ast.expr) -> BadSource:
        shown = ast.unparse(node)[:60]
        return BadSource(f"line {node.lineno}: a result in the sandbox cannot be {shown}; it may be {_CLOSED}")


def _either(left: Any, right: Any) -> Any:
    """The union, shown as it is written."""
    return left if left is right else left | right


def mirror(name: str, fields: dict[str, Any]) -> type:
    """A dataclass of those fields, without any method: making it compiles nothing of the file's."""
    bare = type(name, (), {"__annotations__": fields})
    return dataclass(init=False, repr=False, eq=False, match_args=False)(bare)
