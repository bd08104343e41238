"""Tasks that end badly."""

from __future__ import annotations

from edge import Context, Event, task


@task
def raises(event: Event, ctx: Context) -> int:
    """Raises."""
    return 1 // 0


@task
def wrong(event: Event, ctx: Context) -> int:
    """Returns what it does not declare."""
    return "seven"  # type: ignore[return-value]


@task
def greedy(event: Event, ctx: Context) -> int:
    """Asks for what it was not granted, after it asked for what it was."""
    ctx.publish("plant/echoed", 1)
    ctx.device("fan").on()
    return 1
