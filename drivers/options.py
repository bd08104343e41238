"""The options a driver declares: its keyword-only constructor parameters, as data.

    class Contact(PinDevice, Push):
        def __init__(self, pins, pin, *, pull: Pull = "up"): ...

    options_of(Contact)["pull"].problem("upp") -> "must be one of 'up', 'down', 'none'; did you mean 'up'?"

Closed list of option types: bool, int, float, str, `Seconds`, `Literal[...]`, and unions of these with None.
"""

import difflib
import inspect
import keyword
import types
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Union, get_args, get_origin

from drivers.base import Device, Seconds, told
from drivers.errors import OutOfRange

REQUIRED: Final = inspect.Parameter.empty
"""The default of an option that has none."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option: its name, its Python type (see the module's closed list) and its default or `REQUIRED`."""

    name: str
    type: Any
    default: Any

    @property
    def required(self) -> bool:
        return self.default is REQUIRED

    @property
    def choices(self) -> tuple[Any, ...]:
        """Every `Literal` value among the accepted ones."""
        return tuple(c for t in _alternatives(self.type) if get_origin(t) is Literal for c in get_args(t))

    @property
    def unchecked(self) -> tuple[Any, ...]:
        """The types among the accepted ones of which no value can be checked: a mistake of the driver's."""
        known = (*_WORDS, type(None))
        return tuple(t for t in _alternatives(self.type) if t not in known and get_origin(t) is not Literal)

    def problem(self, value: object) -> str | None:
        """Why `value` (durations already in seconds) is not accepted, as the end of a sentence; None if it is."""
        if any(_fits(value, alternative) for alternative in _alternatives(self.type)):
            return None
        return f"must be {self.describe()}, not {value!r}{nearest(value, self.choices)}"

    def describe(self) -> str:
        """The accepted values in words."""
        parts = [_word(t) for t in _alternatives(self.type) if t is not type(None) and get_origin(t) is not Literal]
        if self.choices:
            parts.insert(0, "one of " + ", ".join(repr(c) for c in self.choices))
        return " or ".join(parts)


def options_of(driver: type[Device]) -> dict[str, Option]:
    """The options of a driver class, by name, in the order of its constructor.

    A constructor with `**options` hands them to its base's, whose options follow.
    """
    found: dict[str, Option] = {}
    for one in driver.__mro__:
        if "__init__" not in vars(one):
            continue
        parameters = inspect.signature(vars(one)["__init__"], eval_str=True).parameters.values()
        for p in parameters:
            if p.kind is p.KEYWORD_ONLY:
                name = p.name[:-1] if keyword.iskeyword(p.name[:-1]) else p.name
                found.setdefault(name, Option(name, p.annotation, p.default))
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    return found


def keywords(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as a constructor takes them: `class` is `class_` there, as Python has it."""
    return {f"{name}_" if keyword.iskeyword(name) else name: value for name, value in options.items()}


def names_in(text: str, known: Collection[str], option: str) -> tuple[str, ...]:
    """The names in an option that lists some (`a0, a1` or `a0 a1`), each once, in the order given.

    Raises `OutOfRange` with the known ones where a name is not among them or stands there twice.
    """
    names = words_in(text)
    for position, name in enumerate(names):
        if name not in known:
            raise OutOfRange(
                f"{option}: there is no {told(name)}, only {', '.join(known)}{nearest(name, tuple(known))}"
            )
        if name in names[:position]:
            raise OutOfRange(f"{option}: {name} stands there twice")
    return names


def words_in(text: str) -> tuple[str, ...]:
    """The words of an option that lists some: `a, b` or `a b`."""
    return tuple(text.replace(",", " ").split())


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) in (Union, types.UnionType):
        return get_args(annotation)
    return (annotation,)


def _fits(value: object, accepted: Any) -> bool:
    if get_origin(accepted) is Literal:
        # True == 1 in Python; a YAML `true` must not pass where the number 1 is meant
        return any(value == c and type(value) is type(c) for c in get_args(accepted))
    if accepted in (float, Seconds):
        limit = 0.0 if accepted is Seconds else float("-inf")
        return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= limit
    if accepted is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return accepted in (bool, str, type(None)) and isinstance(value, accepted)


_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", Seconds: "a duration"}


def _word(accepted: Any) -> str:
    return _WORDS.get(accepted, "of a type that can be checked, which its driver does not give it")


def nearest(value: object, choices: tuple[Any, ...]) -> str:
    """`; did you mean ...?`, empty where nothing is near."""
    near = difflib.get_close_matches(str(value), [str(c) for c in choices], n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
