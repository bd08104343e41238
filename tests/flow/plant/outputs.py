"""What outputs on header pins are for: a workshop that overheats, a tank that is full."""

from edge import Context, Event, task


@task
def overheat(event: Event, ctx: Context) -> float:
    ctx.device("fan").set(60)
    ctx.device("flap").set(45)
    ctx.device("lamp").set("#ff8800")
    ctx.device("siren").set(440)
    ctx.device("blind").set(25)
    return float(event.values["temperature"])


@task
def opened(event: Event, ctx: Context) -> float:
    return event.time


@task
def broken(event: Event, ctx: Context) -> None:
    ctx.device("fan").set("as fast as you can")


@task
def stalled(event: Event, ctx: Context) -> float:
    return float(event.values["rpm"])
