"""Drive an alarm output while it is too cold or too hot.

    frost:      {run: climate_alarm, when: {source: climate, channel: temperature, below: 3, clear: 5}, ...}
    frost_over: {run: climate_alarm, when: {source: climate, channel: temperature, above: 5, clear: 3}, ...}

A condition starts a run when it becomes true, so the way in and the way out are an entry each (and the same for heat,
above 32 and below 30). Every entry needs `grant: {devices: [alarm]}`; give `class: alarm` to those that must outlive
telemetry when the disk is full.
"""

from dataclasses import dataclass

from edge import Context, Event, task

FROST, HEAT = 4.0, 31.0  # degC; between what starts the entries above and what ends them


@dataclass
class ClimateAlarm:
    """What was measured and what was done about it."""

    celsius: float
    state: str  # "frost", "heat" or "ok"
    alarm: bool


@task
def climate_alarm(event: Event, ctx: Context) -> ClimateAlarm:
    """Switch `alarm` on in frost or heat, off otherwise."""
    celsius = event.values["temperature"]
    state = "frost" if celsius < FROST else "heat" if celsius > HEAT else "ok"
    alarm = ctx.device("alarm")
    if state == "ok":
        alarm.off()
    else:
        alarm.on()
    return ClimateAlarm(celsius=round(celsius, 2), state=state, alarm=state != "ok")
