"""What a tool is, and how a run holds one: `ctx.tool("weather").get("/today")`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

Operation = Callable[..., Any]
"""`operation(*arguments, seconds=...)`: blocks for `seconds` at most; plain JSON data in and out.

Raises `ToolError` for what may pass by itself, timeouts too; `NotGranted` for what the tool's configuration does not
allow, `LimitExceeded` for what is more than it allows; ValueError and TypeError for arguments that are not right.
"""


class Tool(Protocol):
    """A configured tool. Any thread."""

    name: str
    kind: str
    description: str
    safe_by_default: bool
    """Whether `tools: ["*"]` gives it: it cannot act on the world outside this gateway."""
    timeout: float
    """Seconds that one call may take."""
    operations: Mapping[str, Operation]

    def close(self) -> None:
        """Give back files and connections; idempotent."""
        ...


class GrantedTool:
    """A tool in a task's hand: each operation is a method. `spend(operation)` checks limits and clock, counts, and
    says how many seconds are left."""

    __slots__ = ("_spend", "_tool")

    def __init__(self, tool: Tool, spend: Callable[[str], float]) -> None:
        self._tool = tool
        self._spend = spend

    def call(self, operation: str, *arguments: Any, **named: Any) -> Any:
        """Do it. Raises TypeError for what the tool has not, `ToolError` for what it cannot."""
        found = self._tool.operations.get(operation)
        if found is None:
            known = ", ".join(self._tool.operations)
            raise TypeError(f"tool {self._tool.name} has no {operation[:40]!r}; it has {known}")
        try:
            inspect.signature(found).bind(*arguments, **named, seconds=0.0)
        except TypeError as error:
            raise TypeError(f"{self._tool.name}.{operation}: {error}") from None
        left = self._spend(operation)
        return found(*arguments, **named, seconds=min(left, self._tool.timeout))

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        if operation.startswith("_"):
            raise AttributeError(operation)
        return partial(self.call, operation)
