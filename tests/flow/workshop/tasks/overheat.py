"""Switch the fan on when the workshop overheats."""

from dataclasses import dataclass

from edge import Context, Event, task


@dataclass
class FanDecision:
    celsius: float
    fan: bool


@task
def overheat(event: Event, ctx: Context) -> FanDecision:
    ctx.device("fan").on()
    return FanDecision(celsius=event.values["temperature"], fan=True)
