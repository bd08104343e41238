"""Small expressions over plain data: `result.celsius < 80 and event.values["x"] > 0`.

Read once into functions from a closed list of what may stand in them, so that evaluating one is a few calls and can
neither reach an object of the runtime nor take long: no loop, no power, no growing text, integers of 64 bits, and no
more of either text or parts than the caps below. Values are what JSON can say; `a.b` is the key "b" of the mapping `a`.
"""

from __future__ import annotations

import ast
import difflib
import math
import operator
import warnings
from collections.abc import Callable, Collection, Mapping
from typing import Any

from edge.errors import ExpressionError

LENGTH, PARTS = 500, 100  # characters of an expression, and nodes of its tree
_LARGEST = 1 << 63

Values = Mapping[str, Any]
Fields = Mapping[str, Collection[str] | None]
"""The names that an expression may use, each with the fields that it has, or None where those show only later."""

_Part = Callable[[Values], Any]

_ARITHMETIC: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_ORDER: dict[type[ast.AST], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_FUNCTIONS = ("abs", "len", "max", "min", "round")


class Expression:
    """One that was read. Evaluate it any number of times, in any thread."""

    __slots__ = ("_part", "_subjects", "text")

    def __init__(self, text: str, fields: Fields) -> None:
        """Raises `ExpressionError` that says what may not stand there, or which name does not exist."""
        self.text = text
        tree = _parsed(text)
        self._part = _Reader(text, fields).read(tree)
        self._subjects = _subjects(tree, text, fields)

    def __call__(self, values: Values) -> Any:
        """Its value. Raises `ExpressionError` where a key is missing or values do not go together."""
        return self._part(values)

    def holds(self, values: Values) -> bool:
        """Its value, which must be true or false. Raises `ExpressionError`."""
        value = self._part(values)
        if type(value) is not bool:
            raise ExpressionError(f"this should be true or false, and is {shown(value)}")
        return value

    def found(self, values: Values) -> str:
        """What stood in it: `result.celsius is 92, event.values["x"] is 0`."""
        told = []
        for text, part in self._subjects.items():
            try:
                told.append(f"{text} is {shown(part(values))}")
            except ExpressionError as error:
                told.append(str(error))
        return ", ".join(told)


def shown(value: Any) -> str:
    """A value as a person reads it, in 60 characters at most."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "nothing"}[value]
    if isinstance(value, int | float):
        return f"{value:.6g}" if isinstance(value, float) else str(value)
    if isinstance(value, str):
        return repr(value if len(value) <= 50 else value[:50] + "...")
    return f"a {'mapping' if isinstance(value, Mapping) else 'list'} of {len(value)}"


def _parsed(text: str) -> ast.expr:
    if len(text) > LENGTH:
        raise ExpressionError(f"an expression of {len(text)} characters; at most {LENGTH}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # how it could be nicer is not ours to say
            tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        why = error.msg if isinstance(error, SyntaxError) else "it cannot be read"
        raise ExpressionError(f"this is no expression: {why}: {shown(text)}") from None
    count = sum(isinstance(node, ast.expr) for node in ast.walk(tree))
    if count > PARTS:
        raise ExpressionError(f"an expression of {count} parts; at most {PARTS}")
    return tree


def _subjects(tree: ast.expr, text: str, fields: Fields) -> dict[str, _Part]:
    """The longest ways to values that it mentions, in order."""
    found: dict[str, _Part] = {}
    reader = _Reader(text, fields)

    def look(node: ast.AST) -> None:
        if isinstance(node, ast.Attribute | ast.Subscript | ast.Name):
            found.setdefault(ast.unparse(node).replace("'", '"'), reader.read(node))
            return
        for inner in ast.iter_child_nodes(node):
            if not (isinstance(node, ast.Call) and inner is node.func):
                look(inner)

    look(tree)
    return found


class _Reader:
    """Turns a tree into functions; whatever is not on the list is refused here, before anything is evaluated."""

    def __init__(self, text: str, fields: Fields) -> None:
        self._text = text
        self._fields = fields

    def read(self, node: ast.expr) -> _Part:
        match node:
            case ast.Constant(value=value):
                return self._constant(node, value)
            case ast.Name(id=name):
                return self._name(name)
            case ast.Attribute(value=inner, attr=key):
                return self._field(inner, key)
            case ast.Subscript(value=inner, slice=index):
                return _item(self.read(inner), self.read(index), ast.unparse(inner))
            case ast.BoolOp(op=op, values=inner):
                return _logic(isinstance(op, ast.And), [self.read(one) for one in inner])
            case ast.UnaryOp(op=ast.Not(), operand=inner):
                part = self.read(inner)
                return lambda values: not part(values)
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                part = self.read(inner)
                return lambda values: _bounded(-_number(part(values), "-"))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
                return _arithmetic(_ARITHMETIC[type(op)], self.read(left), self.read(right))
            case ast.Compare(left=left, ops=ops, comparators=others):
                return self._comparison([left, *others], ops)
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in _FUNCTIONS:
                return _call(name, [self.read(one) for one in arguments])
            case ast.Tuple(elts=inner) | ast.List(elts=inner):
                parts = [self.read(one) for one in inner]
                return lambda values: [part(values) for part in parts]
        raise self._refused(node)

    def _constant(self, node: ast.expr, value: Any) -> _Part:
        if not (value is None or isinstance(value, bool | int | float | str)):
            raise self._refused(node)
        if isinstance(value, int | float):
            _bounded(value)
        return lambda values: value

    def _name(self, name: str) -> _Part:
        if name not in self._fields:
            raise ExpressionError(f"there is no {name!r} here; {_nearest(name, self._fields)}")
        return lambda values: values[name]

    def _field(self, inner: ast.expr, key: str) -> _Part:
        fields = self._fields.get(inner.id) if isinstance(inner, ast.Name) else None
        if fields is not None and key not in fields:
            raise ExpressionError(f"{ast.unparse(inner)} has no {key!r}; {_nearest(key, fields)}")
        return _item(self.read(inner), lambda values: key, ast.unparse(inner))

    def _comparison(self, nodes: list[ast.expr], ops: list[ast.cmpop]) -> _Part:
        for op, right in zip(ops, nodes[1:], strict=True):
            if isinstance(op, ast.Is | ast.IsNot) and not (isinstance(right, ast.Constant) and right.value is None):
                raise ExpressionError("`is` compares with None only; write == or !=")
        parts = [self.read(node) for node in nodes]
        tests = [_test(op, ast.unparse(left)) for op, left in zip(ops, nodes, strict=False)]

        def compare(values: Values) -> bool:
            left = parts[0](values)
            for test, part in zip(tests, parts[1:], strict=True):
                right = part(values)
                if not test(left, right):
                    return False
                left = right
            return True

        return compare

    def _refused(self, node: ast.expr) -> ExpressionError:
        what = shown(ast.unparse(node))
        allowed = f"comparisons, and/or/not, + - * / // %, .key, [index] and {', '.join(_FUNCTIONS)}()"
        return ExpressionError(f"{what} may not stand in an expression; there are {allowed}")


def _nearest(word: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known) or 'none'}"


def _logic(all_of: bool, parts: list[_Part]) -> _Part:
    if all_of:
        return lambda values: all(part(values) for part in parts)
    return lambda values: any(part(values) for part in parts)


def _item(inner: _Part, index: _Part, text: str) -> _Part:
    def take(values: Values) -> Any:
        held, key = inner(values), index(values)
        if isinstance(held, Mapping):
            if isinstance(key, str) and key in held:
                return held[key]
            raise ExpressionError(
                f"{text} has no {shown(key)}; it has {', '.join(map(str, list(held)[:10])) or 'none'}"
            )
        if isinstance(held, list | tuple):
            if type(key) is int and -len(held) <= key < len(held):
                return held[key]
            raise ExpressionError(f"{text} is {shown(held)}, and has no {shown(key)}")
        raise ExpressionError(f"{text} is {shown(held)}, which has no {shown(key)}")

    return take


def _test(op: ast.cmpop, left: str) -> Callable[[Any, Any], bool]:
    if type(op) in _ORDER:
        return _ordered(_ORDER[type(op)], left)
    match op:
        case ast.In():
            return _within
        case ast.NotIn():
            return lambda one, many: not _within(one, many)
        case ast.NotEq() | ast.IsNot():
            return lambda one, other: bool(one != other)
    return lambda one, other: bool(one == other)


def _ordered(order: Callable[[Any, Any], bool], left: str) -> Callable[[Any, Any], bool]:
    def test(one: Any, other: Any) -> bool:
        both = (int, float) if isinstance(one, int | float) else str
        if isinstance(one, both) and isinstance(other, both):
            return order(one, other)
        raise ExpressionError(f"{left} is {shown(one)}, which is neither more nor less than {shown(other)}")

    return test


def _within(one: Any, many: Any) -> bool:
    if isinstance(many, str) and isinstance(one, str):
        return one in many
    if isinstance(many, list | tuple):
        return one in many
    if isinstance(many, Mapping):
        return isinstance(one, str) and one in many
    raise ExpressionError(f"`in` looks into a list, a mapping or a text, not into {shown(many)}")


def _number(value: Any, what: str) -> Any:
    if not isinstance(value, int | float):
        raise ExpressionError(f"{what} takes numbers, not {shown(value)}")
    return value


def _bounded(value: Any) -> Any:
    if isinstance(value, int) and not -_LARGEST <= value < _LARGEST:
        raise ExpressionError("a whole number beyond 64 bits")
    if isinstance(value, float) and not math.isfinite(value):
        raise ExpressionError("a number that is not finite")
    return value


def _arithmetic(operation: Callable[[Any, Any], Any], left: _Part, right: _Part) -> _Part:
    def work(values: Values) -> Any:
        one = _bounded(_number(left(values), "arithmetic"))
        other = _bounded(_number(right(values), "arithmetic"))
        try:
            return _bounded(operation(one, other))
        except ArithmeticError as error:
            raise ExpressionError(f"{shown(one)} and {shown(other)}: {error}") from None

    return work


def _call(name: str, parts: list[_Part]) -> _Part:
    wanted = {"abs": (1, 1), "len": (1, 1), "round": (1, 2), "min": (1, 10), "max": (1, 10)}[name]
    if not wanted[0] <= len(parts) <= wanted[1]:
        raise ExpressionError(f"{name}() takes {wanted[0]} to {wanted[1]} arguments, not {len(parts)}")
    return lambda values: _applied(name, [part(values) for part in parts])


def _applied(name: str, arguments: list[Any]) -> Any:
    first = arguments[0]
    if name == "len":
        if not isinstance(first, str | list | tuple | Mapping):
            raise ExpressionError(f"len() takes a text, a list or a mapping, not {shown(first)}")
        return len(first)
    if name in ("min", "max"):
        many = first if len(arguments) == 1 and isinstance(first, list | tuple) else arguments
        if not many:
            raise ExpressionError(f"{name}() of an empty list")
        numbers = [_number(one, f"{name}()") for one in many]
        return min(numbers) if name == "min" else max(numbers)
    number = _bounded(_number(first, f"{name}()"))
    if name == "abs":
        return abs(number)
    digits = arguments[1] if len(arguments) > 1 else 0
    if type(digits) is not int or not 0 <= digits <= 15:
        raise ExpressionError("round() takes 0 to 15 digits")
    return _bounded(round(number, digits) if digits else round(number))
