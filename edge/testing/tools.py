"""Tools in a test: what stays on the gateway is real, what acts outside it is the test's own functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from edge.config.report import did_you_mean, listed
from edge.config.tools import HttpTool, ShellTool, ToolSettings
from edge.runs.tools.build import Body, OpenBody
from edge.runs.tools.tool import Operation

Answers = Mapping[str, Callable[..., Any]]
"""Operation -> what answers in its place, with the arguments that the task gives."""


class ToolAnswers(dict[str, Answers]):
    """What answers, by the name of the tool; what no task can reach is refused, so that it cannot pass in silence."""

    known: Mapping[str, ToolSettings] = MappingProxyType({})
    """`tools:` of the configuration."""

    def __setitem__(self, name: str, answers: Answers) -> None:
        if name not in self.known:
            hint = did_you_mean(name, self.known, f"there are {listed(self.known)}")
            raise KeyError(f"no tool is called {name!r}; {hint}")
        operations = _outward(self.known[name])
        if not operations:
            raise KeyError(f"{name} is of kind {self.known[name].kind} and does in a test what it does on a gateway")
        for operation in answers:
            if operation not in operations:
                hint = did_you_mean(operation, operations, f"there are {listed(operations)}")
                raise KeyError(f"{name} has no operation {operation!r}; {hint}")
        super().__setitem__(name, answers)


def _outward(settings: ToolSettings) -> list[str]:
    """The operations of a tool that acts outside the gateway; of another none."""
    match settings:
        case HttpTool():
            return [method.lower() for method in settings.methods]
        case ShellTool():
            return ["run"]
        case _:
            return []


@dataclass(frozen=True, slots=True)
class SimulatedBodies:
    """An `OpenBody`. `answers` is asked at each call, so a test may change it."""

    real: OpenBody
    answers: Mapping[str, Answers]

    def __call__(self, name: str, settings: ToolSettings) -> Body:
        operations = _outward(settings)
        return _Simulated(name, operations, self.answers) if operations else self.real(name, settings)


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
