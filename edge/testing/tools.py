"""Tools in a test: what stays on the gateway is real, what acts outside it is the test's own functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from edge.config.tools import HttpTool, ShellTool, ToolSettings
from edge.runs.tools.build import Body, OpenBody
from edge.runs.tools.tool import Operation

Answers = Mapping[str, Callable[..., Any]]
"""Operation -> what answers in its place, with the arguments that the task gives."""


@dataclass(frozen=True, slots=True)
class SimulatedBodies:
    """An `OpenBody`. `answers` is asked at each call, so a test may change it."""

    real: OpenBody
    answers: Mapping[str, Answers]

    def __call__(self, name: str, settings: ToolSettings) -> Body:
        match settings:
            case HttpTool():
                return _Simulated(name, [method.lower() for method in settings.methods], self.answers)
            case ShellTool():
                return _Simulated(name, ["run"], self.answers)
            case _:
                return self.real(name, settings)


class _Simulated:
    def __init__(self, name: str, operations: list[str], answers: Mapping[str, Answers]) -> None:
        self._name = name
        self._answers = answers
        self.operations: Mapping[str, Operation] = {operation: self._stand_in(operation) for operation in operations}

    def _stand_in(self, operation: str) -> Operation:
        def answer(*arguments: Any, seconds: float, **named: Any) -> Any:
            found = self._answers.get(self._name, {}).get(operation)
            if found is None:
                example = f"edge.tools[{self._name!r}] = {{{operation!r}: lambda *arguments: ...}}"
                raise AssertionError(f"a test does not leave this machine: say what answers, {example}")
            return found(*arguments, **named)

        return answer

    def close(self) -> None:
        """There is nothing."""
