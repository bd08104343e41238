"""The tasks of deploy/edge.yaml: what to do about heat, an open door and a bad bearing."""

from dataclasses import dataclass

from edge import Context, Event, task


@dataclass
class Fan:
    celsius: float
    on: bool


@task
def overheat(event: Event, ctx: Context) -> Fan:
    ctx.device("fan").on()
    return Fan(celsius=event.values["temperature"], on=True)


@task
def door_left_open(event: Event, ctx: Context) -> str:
    return f"{event.source} has been open for five minutes"


@dataclass
class Bearing:
    rms: float
    topic: str


@task
def bearing(event: Event, ctx: Context) -> Bearing:
    return Bearing(rms=event.values["rms"], topic=event.topic or "")
