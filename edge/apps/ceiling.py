"""What is asked for against `on_the_fly:`. Nothing here gives more than the ceiling, and nothing is cut in silence:

- what was asked for and lies above it is refused;
- what was not asked for takes its own default or the ceiling, whichever is less.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

from pydantic import BaseModel

from edge.apps.manifest import Manifest
from edge.apps.refusal import Reason, Refused
from edge.config.on_the_fly import OnTheFly
from edge.config.tasks import MEMORY, Breaker, Grant, Limits, MemorySection, TaskSettings, When
from edge.config.topics import filter_problem, includes

_SOONEST = 1.0  # seconds between two runs by a schedule; each start that is refused is written down too
_QUEUE = 100  # starts of one app that may wait, so that all apps together leave room for the gateway's own tasks

_S = TypeVar("_S", Limits, MemorySection)


def settings_within(manifest: Manifest, ceiling: OnTheFly, safe: Mapping[str, bool]) -> TaskSettings:
    """The settings of the task that the app becomes; `safe` is which tools are safe by default. Raises `Refused`."""
    _check_when(manifest.when, ceiling)
    _check_life(manifest, ceiling)
    return TaskSettings(
        when=manifest.when,
        engine="sandbox",
        priority="low",  # the gateway's own tasks go first
        queue=_QUEUE,
        breaker=Breaker(),  # nobody stands by to see that it keeps failing
        config=manifest.config,
        memory=_memory(manifest.memory, ceiling.memory),
        grant=_grant(manifest.grant, ceiling.grant, safe),
        limits=_limits(manifest.limits, ceiling.limits),
        check=manifest.check,
    )


def lifetime(manifest: Manifest, ceiling: OnTheFly) -> float:
    """Seconds that the app lives unless it is promoted."""
    return ceiling.ttl if manifest.life.ttl is None else manifest.life.ttl


def _check_when(when: When, ceiling: OnTheFly) -> None:
    if when.source is None:
        if not ceiling.schedules:
            raise Refused(Reason.SCHEDULES, "apps may not run by `every` or `cron` here (on_the_fly.schedules)")
        if when.every is not None and when.every < _SOONEST:
            raise Refused(Reason.SCHEDULES, f"every: {_shown(when, 'every')} is too often; an app's is at least 1s")
    elif when.source not in ceiling.sources:
        raise Refused(Reason.SOURCES, f"apps may not listen to {when.source[:64]!r} here (on_the_fly.sources)")


def _check_life(manifest: Manifest, ceiling: OnTheFly) -> None:
    asked = manifest.life.ttl
    if asked is not None and asked > ceiling.ttl:
        raise Refused(Reason.TTL, f"life.ttl: {_shown(manifest.life, 'ttl')} asked for, at most "
                      f"{_shown(ceiling, 'ttl')} (on_the_fly.ttl)")  # fmt: skip


def _grant(asked: Grant, most: Grant, safe: Mapping[str, bool]) -> Grant:
    too_much = list(_beyond(asked, most, safe))
    if too_much:
        raise Refused(Reason.GRANT, f"{'; '.join(too_much[:5])}: not within on_the_fly.grant")
    denied = sorted({*asked.deny_tools, *most.deny_tools})
    return asked.model_copy(update={"deny_tools": denied})


def _beyond(asked: Grant, most: Grant, safe: Mapping[str, bool]) -> Iterator[str]:
    yield from (f"device {name[:64]!r}" for name in asked.devices if name not in most.devices)
    for topic in asked.publish:
        problem = filter_problem(topic)
        if problem:
            yield f"publishing to {topic[:80]!r}: {problem}"
        elif not any(includes(allowed, topic) for allowed in most.publish):
            yield f"publishing to {topic[:80]!r}"
    for tool in asked.tools:
        if not most.gives_tool(tool, safe=safe.get(tool, False)):
            yield f"tool {tool[:64]!r}"


def _limits(asked: Limits, most: Limits) -> Limits:
    over = [
        f"tools.{tool}: {count} asked for, at most {most.tools[tool]}"
        for tool, count in asked.tools.items()
        if count > most.tools.get(tool, count)
    ]
    usual = MEMORY["sandbox"]
    cut = _cut(asked, most, Reason.LIMITS, "on_the_fly.limits", over)
    memory = cut.memory if asked.memory else min(usual, most.memory or usual)
    return cut.model_copy(update={"memory": memory, "tools": {**most.tools, **asked.tools}})


def _memory(asked: MemorySection | None, most: MemorySection | None) -> MemorySection | None:
    if asked is None:
        return None
    if most is None:
        raise Refused(Reason.MEMORY, "apps may not remember anything here (on_the_fly.memory)")
    return _cut(asked, most, Reason.MEMORY, "on_the_fly.memory", [])


def _cut(asked: _S, most: _S, reason: Reason, key: str, over: list[str]) -> _S:
    """Number by number; None is without a bound."""
    taken = {}
    for name in type(asked).model_fields:
        value, bound = getattr(asked, name), getattr(most, name)
        if isinstance(bound, dict) or bound is None:
            continue
        if value is not None and value > bound and name in asked.model_fields_set:
            over.append(f"{name}: {_shown(asked, name)} asked for, at most {_shown(most, name)}")
        taken[name] = bound if value is None else min(value, bound)
    if over:
        raise Refused(reason, f"{'; '.join(over)} ({key})")
    return asked.model_copy(update=taken)


def _shown(section: BaseModel, name: str) -> str:
    """A value as it is written in a file: with its unit."""
    return str(section.model_dump(mode="json", include={name})[name])
