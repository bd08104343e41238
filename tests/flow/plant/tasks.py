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
def same(event: Event, ctx: Context) -> int:
    return 1
