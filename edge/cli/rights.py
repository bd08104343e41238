"""Least privilege in plain English: all that a task is given, may touch and may spend, and what becomes of its runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edge.cli.output import count
from edge.config.tasks import Breaker, Limits, MemorySection, Retries, TaskSettings, names_code
from edge.config.tools import ToolSettings
from edge.config.units import show_duration, show_size

Tools = Mapping[str, ToolSettings]
"""`tools:` of edge.yaml."""

_CRASH = {
    "rerun": "a run that a crash interrupted starts again",
    "resume": "a run that a crash interrupted goes on from its last checkpoint",
    "fail": "a run that a crash interrupted is not run again",
}
_MODES = {
    "queued": "an event while it runs waits its turn",
    "single": "an event while it runs is dropped",
    "restart": "an event while it runs takes its place",
}


def may(settings: TaskSettings, tools: Tools) -> list[str]:
    """All that a task may touch, one line a kind; what is not listed it may not."""
    grant, lines = settings.grant, []
    if grant.devices:
        lines.append(f"read and set {', '.join(grant.devices)}")
    if grant.publish:
        lines.append(f"publish to {', '.join(grant.publish)}")
    lines += [f"use {name}: {_purpose(tools[name])}" for name in lent(settings, tools)]
    if settings.readings:
        lines.append(f"see the last values of {', '.join(settings.readings)}")
    if settings.memory is not None:
        lines.append(_remember(settings.memory))
    return lines or ["touch nothing: it sees its event and returns a result"]


def lent(settings: TaskSettings, tools: Tools) -> list[str]:
    """The tools that a task has."""
    return [name for name, tool in tools.items() if settings.grant.gives_tool(name, safe=tool.safe_by_default)]


def _purpose(tool: ToolSettings) -> str:
    text = tool.description or str(type(tool).model_fields["kind"].description)
    return f"{text} ({tool.kind}, {'safe' if tool.safe_by_default else 'not safe'} by default)"


def _remember(memory: MemorySection) -> str:
    text = f"remember up to {count(memory.entries, 'value')} of {show_size(memory.size)} together"
    text += "" if memory.ttl is None else f", each for {show_duration(memory.ttl)}"
    return text + (f"; a run finds the newest {memory.recall}" if memory.recall else "")


def spends(settings: TaskSettings) -> list[str]:
    """`a run: 2s, 1000 calls ...`, and what it may spend over time."""
    limits = settings.limits
    calls = count(limits.calls, "call")
    if limits.tools:
        calls += f" (of these {', '.join(f'{number} to {name}' for name, number in limits.tools.items())})"
    parts = [
        show_duration(limits.time),
        *([] if limits.memory is None else [f"{show_size(limits.memory)} of memory"]),
        calls,
        f"{count(limits.steps, 'use')} of ctx",
        f"{count(limits.publishes, 'message')} of {show_size(limits.publish_bytes)} together",
        f"{show_size(limits.output)} of result",
        f"{count(limits.notes, 'note')} of {show_size(limits.note_bytes)} together",
    ]
    return [f"a run: {', '.join(parts)}", *_rates(limits)]


def _rates(limits: Limits) -> Iterator[str]:
    rates = [
        f"{count(number, 'run')} {unit}"
        for number, unit in ((limits.per_minute, "a minute"), (limits.per_hour, "an hour"))
        if number is not None
    ]
    if rates:
        yield ", ".join(rates) + ("" if limits.burst is None else f"; {limits.burst} of them back to back")


def course(settings: TaskSettings) -> list[tuple[str, str]]:
    """How its runs go on: beside each other, after a failure, after a crash; as label and sentence."""
    mode = _MODES.get(settings.mode, f"up to {settings.max_runs} run beside each other")
    rows = [("engine", _engine(settings.engine)), ("mode", f"{settings.mode}: {mode}; {settings.queue} may wait")]
    if settings.priority != "normal":
        rows.append(("priority", f"{settings.priority}: begins {_before(settings.priority)} others that wait"))
    if settings.retries is not None:
        rows.append(("retries", _retries(settings.retries)))
    if settings.breaker is not None:
        rows.append(("breaker", _breaker(settings.breaker)))
    rows.append(("on crash", _CRASH[settings.on_crash]))
    if settings.check is not None:
        rows.append(("good if", goal(settings.check)))
    return rows


def _engine(engine: str) -> str:
    return {
        "inline": "inline: in the runtime's own process; time is watched, memory is not limited",
        "sandbox": "sandbox: walled off, hard limits",
        "worker": "worker: a process of its own, hard limits, this user's files and network",
    }[engine]


def _before(priority: str) -> str:
    return "before" if priority == "high" else "after"


def _retries(retries: Retries) -> str:
    kinds = (("an error of a device, tool or the system", retries.transient), ("a timeout", retries.timeout),
             ("any other error", retries.failure))  # fmt: skip
    text = ", ".join(f"{count(number, 'time')} after {kind}" for kind, number in kinds if number)
    wait = f"waits {show_duration(retries.backoff)}, then twice as long, up to {show_duration(retries.longest)}"
    return f"{text}; {wait}" if text else "none"


def _breaker(breaker: Breaker) -> str:
    reasons = []
    if breaker.timeouts:
        reasons.append(f"{count(breaker.timeouts, 'timeout')} in a row")
    if breaker.failures:
        reasons.append(f"{breaker.failures}% failed of the last {breaker.of}")
    pause = f"one run may try after {show_duration(breaker.pause)}, later {show_duration(breaker.longest)}"
    return f"opens after {' or '.join(reasons) or 'nothing'}; {pause}"


def goal(check: str) -> str:
    """The expression, or the function without the way to its file."""
    if not names_code(check):
        return check
    file, _, name = check.partition(":")
    return f"{name} in {Path(file).name} says so"


def data(settings: TaskSettings, tools: Tools) -> dict[str, Any]:
    """All of it for programs: every setting as in the file, defaults included, and the tools it has."""
    return {
        **settings.model_dump(mode="json", by_alias=True, exclude_none=True),
        "tools": [
            {"name": name, "kind": tools[name].kind, "description": tools[name].description,
             "safe_by_default": tools[name].safe_by_default}
            for name in lent(settings, tools)
        ],
    }  # fmt: skip
