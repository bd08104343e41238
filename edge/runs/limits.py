"""What a run may spend and has spent: `edge.config.tasks.Limits` and `Usage`, both frozen.

Everything is checked before it is done: a call that would pass a limit does nothing and raises.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from edge.config.tasks import Limits
from edge.errors import LimitExceeded

_NO_TOOLS: Mapping[str, int] = MappingProxyType({})


class Usage(NamedTuple):
    """What a run has spent. `tools` counts calls by the name of the tool, which stand in `calls` too; `publish_bytes`,
    `note_bytes` and `output` are bytes of JSON; `cold_ms` is what it waited for a process to start."""

    steps: int = 0
    calls: int = 0
    publishes: int = 0
    publish_bytes: int = 0
    notes: int = 0
    note_bytes: int = 0
    output: int = 0
    tools: Mapping[str, int] = _NO_TOOLS
    cold_ms: float = 0.0

    def data(self) -> dict[str, Any]:
        """As it stands in an outcome: `calls` always, the rest where it is not zero."""
        # once a run, on the way of every message: one pass, and no dictionaries but the one that is wanted
        told: dict[str, Any] = {"calls": self.calls}
        for name, value in zip(self._fields, self, strict=True):
            if value:
                told[name] = value if name != "tools" else dict(self.tools)
        return told


NOTHING = Usage()


def step(usage: Usage, limits: Limits) -> Usage:
    """One more use of `ctx`. Raises `LimitExceeded`."""
    _check("steps", usage.steps, 1, limits.steps)
    return usage._replace(steps=usage.steps + 1)


def call(usage: Usage, limits: Limits) -> Usage:
    """One more call of a device. Raises `LimitExceeded`."""
    _check("calls", usage.calls, 1, limits.calls)
    return usage._replace(calls=usage.calls + 1)


def tool_call(usage: Usage, limits: Limits, tool: str) -> Usage:
    """One more call of a tool. Raises `LimitExceeded`."""
    spent = usage.tools.get(tool, 0)
    if tool in limits.tools:
        _check(f"tools.{tool}", spent, 1, limits.tools[tool])
    return call(usage, limits)._replace(tools=MappingProxyType({**usage.tools, tool: spent + 1}))


def publish(usage: Usage, limits: Limits, size: int) -> Usage:
    """One more message of `size` bytes. Raises `LimitExceeded`."""
    _check("publishes", usage.publishes, 1, limits.publishes)
    _check("publish_bytes", usage.publish_bytes, size, limits.publish_bytes)
    return usage._replace(publishes=usage.publishes + 1, publish_bytes=usage.publish_bytes + size)


def note(usage: Usage, limits: Limits, size: int) -> Usage:
    """One more note of `size` bytes. Raises `LimitExceeded`."""
    _check("notes", usage.notes, 1, limits.notes)
    _check("note_bytes", usage.note_bytes, size, limits.note_bytes)
    return usage._replace(notes=usage.notes + 1, note_bytes=usage.note_bytes + size)


def output(usage: Usage, limits: Limits, size: int) -> Usage:
    """A result of `size` bytes. Raises `LimitExceeded`."""
    if size > limits.output:
        raise LimitExceeded(f"the result has {size} bytes, limits.output is {limits.output}")
    return usage._replace(output=size)


def _check(what: str, spent: int, more: int, limit: int) -> None:
    if spent + more > limit:
        wanted = "" if more == 1 else f", {more} more wanted"
        raise LimitExceeded(f"{what}: {spent} spent{wanted}, limits.{what} is {limit}")
