"""`check:` of a task: whether what a run returned is good. An expression, or a function on the device's own disk."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import orjson

from edge.config.tasks import CHECKED
from edge.errors import ExpressionError
from edge.expression import Expression
from edge.model import Event
from edge.runs.limits import Usage

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


def for_a_test(error: BaseException) -> bool:
    """Whether somebody stops a test, and not the code of a task or observer: that never runs in the main thread
    otherwise. Anything else that foreign code raises ends that code only, asyncio's CancelledError too."""
    return isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread()


def described(error: BaseException) -> str:
    """`str(error)`, whatever its class makes of that, as text that JSON takes; at most 2000 characters."""
    try:
        return legible(str(error), 2000)
    except BaseException as broken:  # noqa: BLE001 - an exception's own __str__ is the task's code too
        return f"its __str__ raised {type(broken).__name__[:100]}"


def legible(text: str, length: int) -> str:
    """The beginning of a text, without what no JSON can hold: half a character."""
    return text[:length].encode("utf-8", "replace").decode()
