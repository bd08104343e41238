"""What `when:` says about one event, compiled to one function without state.

A condition takes the event and whether it held before, and says
    True      it holds
    False     it does not: re-arm
    None      the event says nothing about it (a pin's first reading is no edge; an edge names only the channels to
              which something happened): change nothing
    a label   it cannot be judged (`missing_field`, `not_a_number`): change nothing, count the label
The hot path of the runtime: one call, one look-up and one or two comparisons an event.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from edge.config.tasks import Scalar, When
from edge.model import Event, EventKind

Verdict = bool | str | None
Condition = Callable[[Event, bool], Verdict]
Read = Callable[[Mapping[str, Any]], Any]

MISSING_FIELD: Final = "missing_field"
NOT_A_NUMBER: Final = "not_a_number"


class _Missing:
    """What reading a value gives where there is none, and what is said then; JSON's null is a value."""

    def __init__(self, verdict: str | None) -> None:
        self.verdict = verdict


_MISSING = _Missing(MISSING_FIELD)
_SILENT = _Missing(None)
"""That a device has the channel was checked with the configuration: this event is of its other channels."""


def compile_condition(when: When) -> Condition:
    """The condition of a `when` that the configuration's rules have let pass: at most one, `clear` on its side."""
    read = _reader(when.channel, when.field)
    if when.above is not None:
        return _above(read, when.above, when.above if when.clear is None else when.clear)
    if when.below is not None:
        return _below(read, when.below, when.below if when.clear is None else when.clear)
    if when.equals is not None:
        return _equals(read, when.equals)
    if when.edge is not None:
        return _edge(read, {"rising": (True,), "falling": (False,), "both": (True, False)}[when.edge])
    return _always if when.channel is None and when.field is None else _present(read)


def _above(read: Read, threshold: float, clear: float) -> Condition:
    def judge(event: Event, held: bool) -> Verdict:
        value = read(event.values)
        kind = type(value)
        if kind is float or kind is int or kind is bool:
            if value > threshold:
                return True
            if value <= clear:
                return False
            if value == value:  # in the band; NaN is on no side of anything
                return held
        return _unjudged(value)

    return judge


def _below(read: Read, threshold: float, clear: float) -> Condition:
    def judge(event: Event, held: bool) -> Verdict:
        value = read(event.values)
        kind = type(value)
        if kind is float or kind is int or kind is bool:
            if value < threshold:
                return True
            if value >= clear:
                return False
            if value == value:
                return held
        return _unjudged(value)

    return judge


def _equals(read: Read, wanted: Scalar) -> Condition:
    # Python's own equality is the rule: True equals 1 (a pin's level), 5 equals 5.0, no string equals a number.
    def judge(event: Event, held: bool) -> Verdict:
        value = read(event.values)
        if value == wanted:
            return True
        if isinstance(value, _Missing):
            return value.verdict
        return False if value == value else NOT_A_NUMBER

    return judge


def _edge(read: Read, levels: tuple[bool, ...]) -> Condition:
    def judge(event: Event, held: bool) -> Verdict:
        if event.kind is not EventKind.EDGE:
            return None
        value = read(event.values)
        return value in levels if value is True or value is False else _unjudged(value)

    return judge


def _present(read: Read) -> Condition:
    def judge(event: Event, held: bool) -> Verdict:
        value = read(event.values)
        return value.verdict if isinstance(value, _Missing) else True

    return judge


def _always(event: Event, held: bool) -> Verdict:
    return True


def _unjudged(value: object) -> str | None:
    return value.verdict if isinstance(value, _Missing) else NOT_A_NUMBER


def _reader(channel: str | None, field: str | None) -> Read:
    if channel is not None:
        return lambda values: values.get(channel, _SILENT)
    if field is None:
        return _only
    path = field.split(".")
    if len(path) == 1:
        return lambda values: values.get(field, _MISSING)
    return lambda values: _follow(values, path)


def _only(values: Mapping[str, Any]) -> Any:
    """The value of an event that has one: a bare payload's `value`, or the device's single channel."""
    value = values.get("value", _MISSING)
    if value is _MISSING and len(values) == 1:
        return next(iter(values.values()))
    return value


def _follow(values: Any, path: list[str]) -> Any:
    values = values.get(path[0], _MISSING)
    for step in path[1:]:
        if isinstance(values, dict):  # quicker than Mapping, and JSON has no other
            values = values.get(step, _MISSING)
        elif isinstance(values, list) and step.isdecimal() and len(step) < 10 and int(step) < len(values):
            values = values[int(step)]
        else:
            return _MISSING
    return values
