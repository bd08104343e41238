"""Judge the vibration of a machine by two limits.

    vibration_check: {when: {source: vibration, field: rms, above: 4.5, each: true}, limits: {time: 100ms}}

Triggered by a message such as {"rms": 6.1} on a topic such as plant/pump/vibration. It touches nothing and needs no
grant: its outcome is all it makes, which makes it the cheapest kind of task there is.
"""

from dataclasses import dataclass

from edge import Context, Event, task

WORN, DANGEROUS = 4.5, 7.1  # mm/s rms: an example, set what your machine's maker says


@dataclass
class VibrationCheck:
    """The machine, its vibration velocity in mm/s, and what to do."""

    machine: str
    rms: float
    advice: str


@task
def vibration_check(event: Event, ctx: Context) -> VibrationCheck:
    """Name the machine after the second level of the topic."""
    rms = float(event.values["rms"])
    machine = (event.topic or "").split("/")[1:2] or [event.source]
    if rms > DANGEROUS:
        ctx.note("above the limit of operation", limit=DANGEROUS)
        return VibrationCheck(machine=machine[0], rms=rms, advice="stop")
    advice = "plan maintenance" if rms > WORN else "none"
    return VibrationCheck(machine=machine[0], rms=rms, advice=advice)
