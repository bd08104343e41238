"""From `tools:` of edge.yaml to tools that runs can be lent: one body a kind, all counted alike."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from edge.clock import Clock
from edge.config.tools import HttpTool, KvTool, ShellTool, SqlTool, ToolSettings
from edge.errors import LimitExceeded, NotGranted
from edge.links.resolver import Resolver, Spawn, ask_system, is_public
from edge.runs.tables import Table
from edge.runs.tools.kv import Kv
from edge.runs.tools.shell import Shell
from edge.runs.tools.tool import Operation, Tool
from edge.telemetry import Telemetry


class Body(Protocol):
    """What a kind of tool can do."""

    @property
    def operations(self) -> Mapping[str, Operation]: ...

    def close(self) -> None: ...


OpenBody = Callable[[str, ToolSettings], Body]
"""Makes what stands behind a tool of this name."""


@dataclass(slots=True)
class ConfiguredTool:
    """A `Tool`."""

    name: str
    kind: str
    description: str
    safe_by_default: bool
    timeout: float
    operations: Mapping[str, Operation]
    close: Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bodies:
    """`OpenBody` on this machine. `table` is the journal's, `spawn` starts a thread for a name server that is slow."""

    clock: Clock
    table: Callable[[str], Table]
    spawn: Spawn
    ask: Callable[[str], list[str]] = ask_system
    """The addresses of a name, however long that takes."""

    def __call__(self, name: str, settings: ToolSettings) -> Body:
        match settings:
            case KvTool():
                return Kv(name, settings, self.table)
            case SqlTool():
                return self._sql(name, settings)
            case ShellTool():
                return Shell(name, settings, self.clock.monotonic)
            case HttpTool():
                return self._http(name, settings)

    def _sql(self, name: str, settings: SqlTool) -> Body:
        from edge.runs.tools.sql import Sql  # two megabytes of memory for whoever has such a tool, and nobody else

        return Sql(name, settings, self.clock.monotonic)

    def _http(self, name: str, settings: HttpTool) -> Body:
        from edge.links.http import Wire, trust  # whoever asks no server needs no library for it
        from edge.runs.tools.http import Http

        wire = Wire(
            resolve=Resolver(self.spawn, self.ask),
            admit=(lambda address: True) if settings.private else is_public,
            now=self.clock.monotonic,
            tls=functools.cache(lambda: trust(settings.ca)),
        )
        return Http(name, settings, wire)


def build_tools(tools: Mapping[str, ToolSettings], open_body: OpenBody, telemetry: Telemetry) -> dict[str, Tool]:
    """Every configured tool by its name; none of them has touched anything yet."""
    return {name: _build(name, settings, open_body(name, settings), telemetry) for name, settings in tools.items()}


def _build(name: str, settings: ToolSettings, body: Body, telemetry: Telemetry) -> Tool:
    count = functools.partial(telemetry.counter, "edge_tool_calls_total", tool=name)
    return ConfiguredTool(
        name=name,
        kind=settings.kind,
        description=settings.description,
        safe_by_default=settings.safe_by_default,
        timeout=settings.timeout,
        operations={key: _counted(operation, lambda result: count(result=result).add())
                    for key, operation in body.operations.items()},
        close=body.close,
    )  # fmt: skip


def _counted(operation: Operation, count: Callable[[str], None]) -> Operation:
    @functools.wraps(operation)
    def counted(*arguments: Any, **named: Any) -> Any:
        result = "error"
        try:
            returned = operation(*arguments, **named)
            result = "ok"
        except (NotGranted, LimitExceeded, ValueError, TypeError):
            result = "refused"
            raise
        finally:
            count(result)
        return returned

    return counted
