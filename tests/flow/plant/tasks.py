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
def same(event: Event, ctx: Context) -> int:
    return 1
