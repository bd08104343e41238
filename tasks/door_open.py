"""Say that a door was left open.

    door_open:
      when:  {source: door, channel: open, equals: true, for: 5m}
      grant: {publish: ["plant/notices"]}

`for` does the waiting: a door that is closed in time starts nothing. The notice leaves for the `mqtt:` broker once
this run's outcome is durable, and only if the run succeeds.
"""

from dataclasses import dataclass

from edge import Context, Event, task

TOPIC = "plant/notices"


@dataclass
class DoorNotice:
    """The notice as it was published."""

    door: str
    text: str


@task
def door_open(event: Event, ctx: Context) -> DoorNotice:
    """Publish one notice for the door that the event came from."""
    notice = DoorNotice(door=event.source, text=f"{event.source} was left open")
    ctx.publish(TOPIC, {"door": notice.door, "text": notice.text})
    return notice
