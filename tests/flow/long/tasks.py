"""Tasks that take many steps, or remember."""

from __future__ import annotations

from edge import Context, Event, task

STEPS = 4


@task
def resumed(event: Event, ctx: Context) -> dict:
    """Goes on from its last step."""
    first = ctx.resumed or 0
    for step in range(first, STEPS):
        ctx.checkpoint(step + 1)
    return {"first": first, "found": ctx.resumed}


@task
def restarted(event: Event, ctx: Context) -> dict:
    """Says its steps too, but is configured to start anew."""
    first = ctx.resumed or 0
    for step in range(first, STEPS):
        ctx.checkpoint(step + 1)
    return {"first": first, "found": ctx.resumed}


@task
def diary(event: Event, ctx: Context) -> dict:
    """Writes every order down, and says what it knew before."""
    ctx.memory.append(event.values["n"])
    return {"n": event.values["n"], "recalled": list(ctx.recalled), "all": ctx.memory.read()}
