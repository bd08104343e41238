"""A class of other people's as a configuration names it: its attributes, its arguments, and values in words.

Every name is looked up before an instance exists; what is wrong is `OutOfRange`, beginning with the option's name.
"""

import ast
import difflib
import dis
import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from drivers.errors import OutOfRange
from drivers.options import words_in

_CHANNEL = re.compile(r"([A-Za-z_]\w*)(?::([a-z][a-z0-9_]*))?=(\S+)")
_ELEMENT = re.compile(r"(\w+)_([xyz]|[0-9])")
_WORDS: Final[Mapping[str, Any]] = {"true": True, "false": False, "none": None}


@dataclass(frozen=True, slots=True)
class Source:
    """Where a channel comes from: an attribute of the part, or one element of it."""

    attribute: str
    element: int | None = None


def class_in(module: Any, name: str) -> Any:
    """The class of that name."""
    found = getattr(module, name, None)
    if inspect.isclass(found):
        return found
    there = [one for one, it in vars(module).items() if inspect.isclass(it) and it.__module__ == module.__name__]
    hint = nearest(name, there) or f"; it has {', '.join(there) or 'none'}"
    raise OutOfRange(f"class: {module.__name__} has no class {name!r}{hint}")


def channels_in(text: str) -> dict[str, tuple[str, str]]:
    """Channel -> attribute and unit."""
    found: dict[str, tuple[str, str]] = {}
    for word in words_in(text):
        parts = _CHANNEL.fullmatch(word)
        if parts is None:
            meant = f"; write {word}=degC, or whichever its unit is" if "=" not in word else ""
            raise OutOfRange(f"channels: {word!r} is not attribute=unit or attribute:channel=unit{meant}")
        channel = parts[2] or parts[1].lower()
        if channel in found:
            raise OutOfRange(f"channels: {channel} stands there twice")
        found[channel] = (parts[1], parts[3])
    if not found:
        raise OutOfRange("channels: nothing is to be read; write attribute=unit, such as temperature=degC")
    return found


def source_of(kind: Any, attribute: str) -> Source:
    """What a word of `channels` means in this class: `acceleration_x` is an element, unless it is an attribute."""
    element = _ELEMENT.fullmatch(attribute)
    if element and attribute not in _attributes(kind) and element[1] in _attributes(kind):
        return Source(element[1], int(element[2]) if element[2].isdigit() else "xyz".index(element[2]))
    prove_attribute("channels", kind, attribute)
    return Source(attribute)


def prove_attribute(option: str, kind: Any, attribute: str) -> None:
    """Raise unless an instance has it."""
    there = _attributes(kind)
    if attribute not in there:
        public = sorted(name for name in there if not name.startswith("_") and name.islower())
        hint = nearest(attribute, public) or f"; it has {', '.join(public)}"
        raise OutOfRange(f"{option}: {kind.__name__} has no attribute {attribute!r}{hint}")


def prove_arguments(kind: Any, arguments: Mapping[str, Any]) -> None:
    """Raise unless the constructor can be called with the bus and these."""
    known = list(_parameters(kind))[1:]
    for name in arguments:
        if name not in known:
            hint = nearest(name, known) or f"; it takes {', '.join(known) or 'none'}"
            raise OutOfRange(f"arguments: {kind.__name__} takes no {name!r}{hint}")
    for name, parameter in list(_parameters(kind).items())[1:]:
        if parameter.default is parameter.empty and name not in arguments:
            raise OutOfRange(f"arguments: {kind.__name__} needs {name}, write {name}=value")


def address_argument(kind: Any, address: int | None) -> dict[str, Any]:
    """The address as the constructor calls it; nothing for a part that has only one."""
    names = [name for name in _parameters(kind) if "addr" in name]
    return {names[0]: address} if names else {}


def values_in(option: str, text: str, module: Any) -> dict[str, Any]:
    """`name=value`, several of them; a value that is a name is looked up in the module."""
    found = {}
    for word in words_in(text):
        name, equals, value = word.partition("=")
        if not (name.isidentifier() and equals and value):
            raise OutOfRange(f"{option}: {word!r} is not name=value")
        found[name] = _WORDS[value] if value in _WORDS else _value(option, value, module)
    return found


def _value(option: str, text: str, module: Any) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):  # the last two: too deep for Python
        thing = module
        for step in text.split("."):
            if not hasattr(thing, step):
                message = f"{text[:60]} is no number, no text in quotes, and no name in {module.__name__}"
                raise OutOfRange(f"{option}: {message}") from None
            thing = getattr(thing, step)
        return thing


def _attributes(kind: Any) -> set[str]:
    """What an instance has: what its class has, and what its constructors set."""
    constructors = (vars(base).get("__init__") for base in kind.__mro__)
    steps = (step for one in constructors if inspect.isfunction(one) for step in dis.get_instructions(one))
    return {*dir(kind), *(step.argval for step in steps if step.opname == "STORE_ATTR")}


def _parameters(kind: Any) -> Mapping[str, inspect.Parameter]:
    """Those of the constructor, the bus first. Of its function: the class may have a metaclass of ours."""
    every = inspect.signature(kind.__init__).parameters.values()
    named = [one for one in every if one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)]
    return {one.name: one for one in named[1:]}


def nearest(name: str, known: list[str]) -> str:
    """The end of a sentence: what was perhaps meant."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
