"""`check:` of a task: whether what a run returned is good. An expression, or a function on the device's own disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import orjson

from edge.config.tasks import CHECKED
from edge.errors import ExpressionError
from edge.expression import Expression
from edge.model import Event
from edge.runs.limits import Usage
from edge.runs.text import described, for_a_test, legible

_MESSAGE = 1000


class Goal(Protocol):
    """Any thread. Never raises."""

    def missed(self, encoded: bytes, event: Event, usage: Usage) -> str:
        """Why a result, given as JSON, is not good; empty when it is."""
        ...


class Stated:
    """`check: result.celsius < 80`."""

    def __init__(self, text: str) -> None:
        """Raises `ExpressionError`."""
        self._expression = Expression(text, CHECKED)

    def missed(self, encoded: bytes, event: Event, usage: Usage) -> str:
        told = {name: getattr(event, name) for name in CHECKED["event"] or ()}
        values = {"result": orjson.loads(encoded), "event": told, "usage": usage._asdict()}
        try:
            if self._expression.holds(values):
                return ""
            return f"{self._expression.text} is not so: {self._expression.found(values)}"[:_MESSAGE]
        except (ExpressionError, RecursionError) as error:
            return f"{self._expression.text}: {error}"[:_MESSAGE]


class Judged:
    """`check: ./checks.py:plausible`: called with the result as plain data and the event; it returns True, or False or
    a sentence that says why not."""

    def __init__(self, function: Callable[..., Any], place: str) -> None:
        file, _, name = place.partition(":")
        self._function = function
        self._name = f"{name} in {Path(file).name}"

    def missed(self, encoded: bytes, event: Event, usage: Usage) -> str:
        try:
            said = self._function(orjson.loads(encoded), event)
            if said is True:
                return ""
            if said is False:
                return f"{self._name} says no"
            if isinstance(said, str):
                return legible(said, _MESSAGE) or f"{self._name} says no"
            return f"{self._name} returned {type(said).__name__}, which is neither true nor false"
        except BaseException as error:  # the function is as foreign as the task
            if for_a_test(error):
                raise
            return f"{self._name} raised {type(error).__name__}: {described(error)}"[:_MESSAGE]
