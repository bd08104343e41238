"""What the chips of chips.yaml start."""

from edge import Context, Event, task


@task
def air(event: Event, ctx: Context) -> float:
    ctx.device("panel").set("b0=on")
    return event.values["co2"]


@task
def tank(event: Event, ctx: Context) -> float:
    return round(event.values["a2_a3"], 3)


@task
def door(event: Event, ctx: Context) -> bool:
    return event.values["a0"]
