"""What came for apps over MQTT and was not looked at yet: few, in order, none of them decoded."""

from __future__ import annotations

import logging
from collections import deque

from edge.ingest.mqtt import Arrival
from edge.telemetry import Telemetry

log = logging.getLogger(__name__)

ROOM = 8  # vetting one takes a fraction of a second: who sends more at once is not installing apps


class Mailbox:
    """`put` is the link's thread's, the rest that of the part that vets."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._waiting: deque[tuple[str, Arrival]] = deque()
        self._busy = telemetry.counter("edge_apps_rejected_total", reason="busy")

    def put(self, name: str, arrival: Arrival) -> None:
        """Take it in; what came before, and what there is no room for, is settled as it is."""
        fault = arrival.fault
        if fault is not None and fault.reason == "duplicate":
            arrival.settle()
        elif len(self._waiting) >= ROOM:
            self._busy.add()
            count = self._busy.value
            if not count & (count - 1):  # the 1st, 2nd, 4th, 8th ...: a flood of messages is not a flood of lines
                text = "app %s was not looked at: %d others wait (%d so far)"
                log.warning(text, name, ROOM, count, extra={"action": "app_busy"})
            arrival.settle()
        else:
            self._waiting.append((name, arrival))

    def first(self) -> tuple[str, Arrival] | None:
        """The oldest, which stays until `done`."""
        return self._waiting[0] if self._waiting else None

    def done(self) -> None:
        """The oldest was answered, and the answer is durable."""
        self._waiting.popleft()[1].settle()
