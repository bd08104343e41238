"""Tasks that say which message they were run for."""

from __future__ import annotations

from edge import Context, Event, task


@task
def at_once(event: Event, ctx: Context) -> int:
    """Needs nothing, so it runs before anything about it is durable."""
    return event.values["n"]


@task
def promised(event: Event, ctx: Context) -> int:
    """Has a grant, so it is promised before it runs."""
    ctx.publish("plant/echoed", event.values["n"])
    return event.values["n"]


@task
def retried(event: Event, ctx: Context) -> int:
    """Fails as often as the number says, and then succeeds."""
    tried = ctx.scratch.get("tried", 0)
    ctx.scratch.put("tried", tried + 1)
    if tried < event.values["n"] % 3:
        raise OSError("not yet")
    return event.values["n"]


@task
def newest(event: Event, ctx: Context) -> int:
    """Fails now and then; a newer start takes its place."""
    if event.values["n"] % 3 == 0 and not ctx.scratch.get("tried"):
        ctx.scratch.put("tried", True)
        raise OSError("not yet")
    return event.values["n"]


@task
def broken(event: Event, ctx: Context) -> int:
    """Fails so often that its breaker opens."""
    if event.values["n"] % 4:
        raise ValueError("no")
    return event.values["n"]


MEANWHILE = [lambda: None]


@task
def slow(event: Event, ctx: Context) -> int:
    """The world goes on while it runs, beside the lead."""
    MEANWHILE[0]()
    return event.values["n"]


@task
def remembers(event: Event, ctx: Context) -> int:
    """Writes to the journal in the middle of a run."""
    ctx.checkpoint(event.values["n"])
    ctx.memory.append(event.values["n"])
    return event.values["n"]


@task
def once(event: Event, ctx: Context) -> int:
    """Is not run again after a crash."""
    ctx.publish("plant/once", event.values["n"])
    return event.values["n"]


@task
def same(event: Event, ctx: Context) -> int:
    return 1
