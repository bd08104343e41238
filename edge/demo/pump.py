"""The pump's vibration sensor: a device of its own on the plant's broker, as a stranger's would be."""

from __future__ import annotations

import orjson

from drivers import World
from edge.clock import Clock
from edge.links.link import Link, Message, Session

TOPIC = "plant/pump/vibration"
NOTICES = "plant/notices"
EVERY = 0.1


class Pump:
    """Publishes `pump.rms` of the world ten times a second while it `runs`, and hears the notices of the plant."""

    def __init__(self, link: Link, world: World, clock: Clock) -> None:
        self.runs = False
        self.rms = 0.0
        self.notices: list[str] = []
        self._link = link
        self._world = world
        self._clock = clock
        self._due = clock.monotonic()
        link.on_message = self._hear
        link.listen(self._connected)

    def step(self) -> None:
        """Publish what is due; late readings are left out, as by any sensor that was busy."""
        now = self._clock.monotonic()
        if self.runs and self._link.session is not None and now >= self._due:
            self._due = max(self._due + EVERY, now)
            self.rms = round(max(0.0, float(self._world["pump.rms"])), 2)
            self._link.publish(TOPIC, orjson.dumps({"rms": self.rms}))
        self._link.step(0.0)

    def close(self) -> None:
        self._link.close()

    def _connected(self, session: Session) -> None:
        self._link.subscribe([(NOTICES, 1)], lambda codes: None)

    def _hear(self, message: Message) -> None:
        if message.qos:
            self._link.ack(message.packet_id)
        self.notices.append(message.payload.decode("utf-8", "replace"))
