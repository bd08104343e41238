"""Gathers what is wrong with a configuration, and where: one `Problem` a mistake, in plain sentences."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from edge.errors import Problem

Steps = tuple[str | int, ...]
"""The way to a value: keys, and indexes of lists."""


class Report:
    """Problems stop the runtime from starting; warnings are shown by `edge check` only.

    `lines` holds the line of every key and list item; `origins` names the environment variable a value came from;
    `aliases` maps a way in the normalised data to the way as it stands in the file. `broken` is set when the file
    could not be read to its end, so that nothing may be concluded from what is missing.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self.lines: dict[Steps, int] = {}
        self.origins: dict[Steps, str] = {}
        self.aliases: dict[Steps, Steps] = {}
        self.broken = False
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self._spoiled: set[Steps] = set()

    def at_line(self, line: int, message: str, hint: str = "", steps: Steps = ()) -> None:
        """A problem on a line of the file; 0 is the file as a whole."""
        self.problems.append(
            Problem(file=self.file, line=line, path=self.dotted(steps), message=message, hint=hint),
        )

    def at(self, steps: Steps, message: str, hint: str = "") -> None:
        """A problem at a value."""
        self._spoiled.add(steps)
        self.problems.append(self._problem(steps, message, hint))

    def warn(self, steps: Steps, message: str, hint: str = "") -> None:
        """Something that works but is seldom meant."""
        self.warnings.append(self._problem(steps, f"warning: {message}", hint))

    def spoiled(self, steps: Steps) -> bool:
        """Whether a problem is already known at, above or below this value, so that others may only follow from it."""
        return any(steps[: len(known)] == known or known[: len(steps)] == steps for known in self._spoiled)

    def lost(self, steps: Steps) -> bool:
        """Whether a problem is already known at or above this value, so that the value itself cannot be judged."""
        return any(steps[: len(known)] == known for known in self._spoiled)

    def line(self, steps: Steps) -> int:
        """The line of the nearest value that has one."""
        written = self._written(steps)
        return next((self.lines[written[:n]] for n in range(len(written), 0, -1) if written[:n] in self.lines), 1)

    def dotted(self, steps: Steps) -> str:
        """`tasks.overheat.when.source`: as written in the file, without the indexes of lists."""
        return ".".join(step for step in self._written(steps) if isinstance(step, str))

    def _problem(self, steps: Steps, message: str, hint: str) -> Problem:
        for known, variable in self.origins.items():
            if steps[: len(known)] == known:
                where = f"environment variable {variable}"
                return Problem(file=where, line=0, path=self.dotted(steps), message=message, hint=hint)
        return Problem(file=self.file, line=self.line(steps), path=self.dotted(steps), message=message, hint=hint)

    def _written(self, steps: Steps) -> Steps:
        for normal, written in self.aliases.items():
            if steps[: len(normal)] == normal:
                return written + steps[len(normal) :]
        return steps


def did_you_mean(word: object, known: Iterable[str], otherwise: str = "") -> str:
    """`did you mean 'fan'?` when something known is near, else `otherwise`."""
    spelt = {name.lower(): name for name in known}
    near = difflib.get_close_matches(str(word).lower(), list(spelt), n=1, cutoff=0.6)
    return f"did you mean {spelt[near[0]]!r}?" if near else otherwise


def listed(words: Iterable[str], none: str = "none") -> str:
    """`a, b, c`, or `none`."""
    return ", ".join(words) or none


def kind_of(value: Any) -> str:
    """A value as a person would call it; shortened; never a secret."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str):
        return f"the text {shortened(value)}"
    if isinstance(value, int | float):
        return f"the number {shortened(value)}"
    return "a secret"


def shortened(value: Any) -> str:
    """`repr`, at most 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
