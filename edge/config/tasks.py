"""`tasks:` of edge.yaml as types: what starts a task, what it is given, what it may touch and spend."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from edge.config.base import RunPath, Section, Topic
from edge.config.units import Duration, LongerThanZero, Size

Scalar = bool | int | float | str
Engine = Literal["inline", "sandbox", "worker"]

MEMORY: Mapping[Engine, int] = {"sandbox": 16_000_000, "worker": 128_000_000}
"""What `limits.memory` is where nobody wrote it, in bytes. A worker's counts address space, of which a big library
takes a lot at once: numpy 32 MB for each thread with its first product of matrices. `inline` cannot limit it."""

MOST_IN_SANDBOX = 128_000_000
"""Bytes: the most that `limits.memory` may be there; what its processes are walled in with leaves room for no more."""

CHECKED: Mapping[str, tuple[str, ...] | None] = {
    "result": None,
    "event": ("id", "source", "kind", "values", "time", "topic", "hops", "correlation_id", "doubt"),
    "usage": ("steps", "calls", "publishes", "publish_bytes", "notes", "note_bytes", "output", "tools", "cold_ms"),
}
"""What the expression of a `check:` may name, with the fields of each where they are known."""


def names_code(text: str) -> bool:
    """Whether it is `./FILE.py:NAME`, and not an expression."""
    return text.partition(":")[0].endswith(".py")


class When(Section):
    """What starts a task: a source with at most one condition, or a schedule."""

    source: str | None = Field(default=None, description="a device, or a name below `mqtt.subscribe`")
    channel: str | None = Field(default=None, description="which channel of a device that has several")
    field: str | None = Field(
        default=None, description="which field of a JSON message, `a.b` for nested; default: `value`"
    )
    above: float | None = Field(default=None, description="condition: the value is greater than this")
    below: float | None = Field(default=None, description="condition: the value is less than this")
    clear: float | None = Field(default=None, description="where `above` or `below` ends; default: at the threshold")
    equals: Scalar | None = Field(default=None, description="condition: the value is this")
    edge: Literal["rising", "falling", "both"] | None = Field(
        default=None, description="condition: the device's channel turned true, turned false, or either"
    )
    for_: Duration | None = Field(
        default=None, alias="for", description="how long the condition must hold without a break"
    )
    each: bool = Field(
        default=False, description="fire on every event that meets the condition, not once when it becomes true"
    )
    doubtful: bool = Field(
        default=False,
        description="readings that are doubted (`jump`, `frozen`) count too; default: they change nothing",
    )
    every: LongerThanZero | None = Field(default=None, description="schedule: at this interval")
    cron: str | None = Field(default=None, description="schedule: minute hour day month weekday")
    timezone: str = Field(default="UTC", description="time zone of `cron`, such as `Europe/Vienna`")


class Grant(Section):
    """What a task may touch. The default is nothing."""

    devices: list[str] = Field(default=[], description="devices the task may read and set")
    publish: list[Topic] = Field(default=[], description="topic filters the task may publish to; `{id}` is filled in")
    tools: list[str] = Field(
        default=[], description='names below `tools:`; `"*"` stands for all that are safe by default'
    )
    deny_tools: list[str] = Field(default=[], description="tools that it may not use, whatever `tools` says")

    def gives_tool(self, name: str, *, safe: bool) -> bool:
        """Whether a task has that tool: a denial wins, `"*"` gives those that are `safe` by default."""
        return name not in self.deny_tools and (name in self.tools or (safe and "*" in self.tools))


class Limits(Section):
    """What one run, and one task over time, may spend."""

    time: LongerThanZero = Field(default=10.0, description="a run that takes longer ends as `timeout`")
    calls: Annotated[int, Field(ge=0)] = Field(default=1000, description="calls to devices and tools in one run")
    tools: dict[str, Annotated[int, Field(ge=0)]] = Field(
        default={}, description="calls to one tool in one run, by its name; all count against `calls` too"
    )
    steps: Annotated[int, Field(ge=0)] = Field(default=10_000, description="uses of `ctx` of any kind in one run")
    memory: Annotated[Size, Field(ge=1_000_000, le=4_000_000_000)] | None = Field(
        default=None,
        description="what one run may allocate; default: 16MB in `sandbox`, 128MB in `worker`; none in `inline`",
    )
    publishes: Annotated[int, Field(ge=0)] = Field(default=100, description="messages one run may publish")
    publish_bytes: Annotated[Size, Field(ge=0)] = Field(
        default=1_000_000, description="size of all messages of one run, as JSON"
    )
    output: Annotated[Size, Field(ge=1)] = Field(default=64_000, description="size of a result as JSON")
    notes: Annotated[int, Field(ge=0)] = Field(default=100, description="notes in one run")
    note_bytes: Annotated[Size, Field(ge=0)] = Field(default=16_000, description="size of all notes of one run")
    per_minute: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="runs a minute; further ones are rejected"
    )
    per_hour: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="runs an hour; further ones are rejected"
    )
    burst: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="how many of these may come back to back; further ones spread; default: all of them"
    )

    def usual_in(self, engine: Engine) -> Limits:
        """The same with the engine's own `memory` where none was written; it does not count as written then."""
        if self.memory is not None or engine not in MEMORY:
            return self
        return self.model_construct(self.model_fields_set, **{**dict(self), "memory": MEMORY[engine]})


class Retries(Section):
    """`retries:` how often a run is tried again, by what it failed of; its outcome is written once, at the end."""

    transient: Annotated[int, Field(ge=0, le=100)] = Field(
        default=3, description="after an error of a device, a tool or the system"
    )
    timeout: Annotated[int, Field(ge=0, le=100)] = Field(default=0, description="after `limits.time` was over")
    failure: Annotated[int, Field(ge=0, le=100)] = Field(default=0, description="after any other error of the task")
    backoff: LongerThanZero = Field(
        default=1.0, description="wait before the first one; doubled each time, and shortened by up to half at random"
    )
    longest: LongerThanZero = Field(default=60.0, description="the longest wait")


class Breaker(Section):
    """`breaker:` when a task that keeps failing is left alone for a while."""

    timeouts: Annotated[int, Field(ge=0, le=1000)] = Field(
        default=3, description="opens after so many timeouts in a row; 0: not for that"
    )
    failures: Annotated[int, Field(ge=0, le=100)] = Field(
        default=50, description="opens when this part of the last `of` runs failed, in percent; 0: not for that"
    )
    of: Annotated[int, Field(ge=1, le=1000)] = Field(default=20, description="how many runs `failures` looks at")
    pause: LongerThanZero = Field(
        default=60.0, description="how long it stays open before one run may try; doubled when that fails"
    )
    longest: LongerThanZero = Field(default=3600.0, description="the longest pause")


class MemorySection(Section):
    """`memory:` lets a task remember across runs."""

    entries: Annotated[int, Field(ge=1, le=10_000)] = Field(default=1000, description="most entries; the oldest goes")
    size: Annotated[Size, Field(ge=1000)] = Field(
        default=256_000, description="most bytes of them all as JSON; the oldest goes"
    )
    ttl: LongerThanZero | None = Field(default=None, description="how long an entry is kept; default: for ever")
    recall: Annotated[int, Field(ge=0, le=100)] = Field(
        default=0, description="how many of the newest a run finds in `ctx.recalled`"
    )


class TaskSettings(Section):
    """One entry of `tasks:`."""

    when: When = Field(description="what starts it")
    run: RunPath | None = Field(
        default=None, description="`./tasks/FILE.py:FUNCTION`; default: the packaged task of this name"
    )
    engine: Engine = Field(
        default="inline",
        description="`inline`: in this process, for your own code; `sandbox`: walled off, hard limits; `worker`: a "
        "process of its own, for your own code that needs numpy and the like",
    )
    config: dict[str, Any] = Field(default={}, description="given to every run as `ctx.config`")
    readings: list[str] = Field(default=[], description="devices whose last values every run finds in `ctx.readings`")
    memory: MemorySection | None = Field(default=None, description="what it may remember; default: nothing")
    grant: Grant = Field(default=Grant(), description="what it may touch")
    limits: Limits = Field(default=Limits(), validate_default=True, description="what it may spend")
    cooldown: Duration | None = Field(default=None, description="after a start, this long without another")
    mode: Literal["queued", "single", "restart", "parallel"] = Field(
        default="queued",
        description="an event while it runs: waits its turn, is dropped, takes its place, or runs beside it",
    )
    max_runs: Annotated[int, Field(ge=1, le=64)] = Field(default=4, description="runs at once with `mode: parallel`")
    queue: Annotated[int, Field(ge=1)] = Field(
        default=10_000, description="starts that may wait; further ones are rejected"
    )
    priority: Literal["low", "normal", "high"] = Field(
        default="normal", description="who begins first of those that wait for a free place"
    )
    retries: Retries | None = Field(default=None, description="whether a failed run is tried again; default: never")
    breaker: Breaker | None = Field(
        default=None, description="when it is left alone because it keeps failing; default: never"
    )
    on_crash: Literal["rerun", "resume", "fail"] = Field(
        default="rerun",
        description="a run that a crash interrupted: from the start, from its last checkpoint, or not again",
    )
    check: RunPath | None = Field(
        default=None,
        description="whether a result is good: an expression such as `result.celsius < 80`, or `./FILE.py:FUNCTION`; "
        "one that is not makes the outcome `partial`",
    )
    klass: Literal["telemetry", "alarm"] = Field(
        default="telemetry", alias="class", description="what its outcomes are worth when space runs out"
    )

    @field_validator("limits", mode="after")
    @classmethod
    def _of_its_engine(cls, limits: Limits, info: ValidationInfo) -> Limits:
        return limits.usual_in(info.data.get("engine", "inline"))

    @property
    def heap(self) -> int:
        """Bytes that one run may allocate. Raises ValueError for an engine that cannot limit them."""
        if self.limits.memory is None:
            raise ValueError(f"{self.engine} cannot limit memory")
        return self.limits.memory


_SHOWN = {
    "engine", "when", "grant", "limits", "mode", "max_runs", "queue", "priority", "retries", "breaker", "on_crash",
    "cooldown", "klass",
}  # fmt: skip


def shown(settings: TaskSettings) -> dict[str, Any]:
    """What `edge tasks --json` shows of a task's settings: all but what is not set."""
    return settings.model_dump(mode="json", by_alias=True, exclude_none=True, include=_SHOWN)


class RunsSection(Section):
    """`runs:` all tasks together."""

    at_once: Annotated[int, Field(ge=1, le=64)] = Field(
        default=4, description="runs that may go on beside each other; as many that never return make it restart"
    )
    waiting: Annotated[int, Field(ge=1)] = Field(
        default=50_000, description="starts of all tasks that may wait; further ones are rejected"
    )
    observers: list[RunPath] = Field(
        default=[], description="`./FILE.py:CLASS` of objects that are told of every run; your own code"
    )
