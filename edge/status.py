"""How a gateway is doing, part by part: what `edge status`, `/healthz` and the watchful ask."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from edge.apphost import AppHost
from edge.clock import Clock, iso
from edge.config import Config
from edge.config.units import show_duration
from edge.instruments import Instruments
from edge.journal import Journal
from edge.pipeline import Pipeline
from edge.roster import Roster
from edge.runs.calls import Calls
from edge.runs.engine import Engine
from edge.runs.engines import lacking
from edge.traffic import Traffic

_FINE = ("ok", "connected")


class Gateway(Protocol):
    """What there is to look at."""

    config: Config
    clock: Clock
    journal: Journal
    instruments: Instruments
    pipeline: Pipeline
    traffic: Traffic
    apphost: AppHost
    engines: dict[str, Engine]
    calls: Calls
    roster: Roster


def parts_of(runtime: Gateway, began: float) -> Iterator[dict[str, Any]]:
    """Every part: name, kind, state, since, last_error. `began`: wall time of the start. Any thread."""
    yield from _link_parts(runtime, began)
    yield from _orphans(runtime, began)
    yield from _bus_parts(runtime)
    yield from _device_parts(runtime)
    yield from runtime.apphost.standing()
    yield from _task_parts(runtime)
    yield from _core_parts(runtime, began)


def complaints(parts: Sequence[dict[str, Any]]) -> list[str]:
    """What of these does not work as configured, one sentence each."""
    return [f"{part['name']}: {part['last_error'] or part['state']}" for part in parts if part["state"] not in _FINE]


def _core_parts(runtime: Gateway, began: float) -> Iterator[dict[str, Any]]:
    faults = runtime.journal.stats()["degraded"]
    yield _part("journal", "journal", "degraded" if faults else "ok", began, "; ".join(faults))
    stuck = runtime.pipeline.stuck
    slots, tasks = runtime.config.runs.at_once, ", ".join(sorted(set(stuck)))
    error = f"{len(stuck)} of {slots} slots are held by runs that do not return, of {tasks}" if stuck else ""
    yield _part("dispatch", "dispatch", "degraded" if stuck else "ok", began, error)
    used = {task.settings.engine for task in runtime.roster.tasks.values()}
    for name, lacks in lacking(runtime.engines, used, runtime.calls).items():
        yield _part(name, "engine", "degraded" if lacks else "ok", began, lacks)


def _link_parts(runtime: Gateway, began: float) -> Iterator[dict[str, Any]]:
    wall, now = runtime.clock.wall(), runtime.clock.monotonic()
    for part in runtime.traffic.parts:
        standing = part.link.standing
        kind = "link" if part.name == "mqtt" else "upstream"
        yield _part(part.name, kind, standing.state.value, wall - (now - standing.since), standing.last_error)
    for name, reason in runtime.traffic.degraded().items():
        yield _part(name, "topic" if "/" in name else "source", "degraded", began, reason)


def _orphans(runtime: Gateway, began: float) -> Iterator[dict[str, Any]]:
    for name, counts in runtime.journal.stats()["upstreams"].items():
        if counts["pending"] and name not in runtime.config.upstream:
            error = (
                f"{counts['pending']} outcomes wait for {name}, which is not configured any more;"
                f" `formerly: {name}` at another upstream hands them over"
            )
            yield _part(f"up-{name}", "upstream", "gone", began, error)


def _bus_parts(runtime: Gateway) -> Iterator[dict[str, Any]]:
    """Those that do not work; what hangs on the others speaks for them."""
    wall, now = runtime.clock.wall(), runtime.clock.monotonic()
    for trunk in runtime.instruments.wiring.buses.opened():
        if trunk.trouble is not None:
            yield _part(trunk.name, "bus", "failed", wall - (now - trunk.since), trunk.trouble)


def _device_parts(runtime: Gateway) -> Iterator[dict[str, Any]]:
    for name, state in runtime.instruments.states():
        yield _part(name, "device", state.state, state.since, state.last_error or "")


def _task_parts(runtime: Gateway) -> Iterator[dict[str, Any]]:
    wall, now = runtime.clock.wall(), runtime.clock.monotonic()
    for name, state, reason, since, again in runtime.pipeline.broken():
        left = f"in {show_duration(math.ceil(again - now))}" if again > now else "now"
        error = f"left alone, {reason}; one run may try {left}, or `edge tasks reset {name}`"
        yield _part(name, "task", state.value, wall - (now - since), error)


def _part(name: str, kind: str, state: str, since: float, error: str) -> dict[str, Any]:
    return {"name": name, "kind": kind, "state": state, "since": iso(since), "last_error": error or None}
