"""The engines of one runtime, made with what they share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from edge.clock import Clock
from edge.runs.calls import Calls
from edge.runs.engine import Engine
from edge.runs.inline import Inline
from edge.runs.sandbox.engine import Sandbox
from edge.runs.sandbox.pool import Pool
from edge.runs.snapshots import Snapshots
from edge.runs.worker.engine import Worker
from edge.telemetry import Histogram, Telemetry


def open_engines(
    clock: Clock, calls: Calls, telemetry: Telemetry, at_once: int, snapshots: Callable[[], Snapshots | None]
) -> dict[str, Engine]:
    """By name; none has started anything yet. `at_once` is how many runs may go on beside each other; `snapshots` is
    asked when a run wants to be kept."""

    def cold(engine: str) -> Histogram:
        return telemetry.histogram("edge_cold_start_seconds", engine=engine)

    sandbox = Sandbox(
        lambda: Pool(clock=clock, calls=calls, at_once=at_once),
        calls=calls,
        cold=cold(Sandbox.name),
        snapshots=snapshots,
    )
    engines: tuple[Engine, ...] = (Inline(), sandbox, Worker(calls=calls, cold=cold(Worker.name)))
    return {engine.name: engine for engine in engines}


def lacking(engines: Mapping[str, Engine], used: Iterable[str], calls: Calls) -> dict[str, str]:
    """What the engines in use lack, empty text where nothing: those with processes, and calls where any hangs."""
    lacks = {name: engines[name].degraded for name in sorted(set(used) - {Inline.name})}
    return {**lacks, "calls": calls.degraded} if calls.degraded else lacks
