"""A receiver at the end of an MQTT link: subscribe, store, then acknowledge."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence

from edge.collect.receiver import Receiver
from edge.links.link import FAILURE, Link, Message, Session

log = logging.getLogger(__name__)


class Station:
    """Owns the link's callbacks; call `step` in one thread.

    ready        the subscription stands: what is published from now on arrives
    unreadable   messages that were no outcomes: acknowledged, because the next attempt would end the same way
    failed       why it cannot go on, or None: the file takes no more, or the broker refuses the subscription. What
                 was not stored was not acknowledged: the broker keeps it for our session
    """

    def __init__(self, link: Link, receiver: Receiver, topics: Sequence[str]) -> None:
        self.ready = False
        self.unreadable = 0
        self.failed: str | None = None
        self._link = link
        self._receiver = receiver
        self._topics = topics
        link.on_message = self._take
        link.listen(self._subscribe, self._lost)

    def step(self, timeout: float) -> None:
        """Receive for up to `timeout` seconds; nothing once it failed."""
        if self.failed is None:
            self._link.step(timeout)

    def close(self) -> None:
        """Leave; the broker keeps the session. Idempotent."""
        self.ready = False
        self._link.close()

    def _subscribe(self, session: Session) -> None:
        self._link.subscribe([(topic, 1) for topic in self._topics], self._answered)

    def _answered(self, codes: Sequence[int]) -> None:
        refused = [topic for topic, code in zip(self._topics, codes, strict=True) if code >= FAILURE]
        if refused:
            self.failed = f"the broker does not let us subscribe to {', '.join(refused)}: check its access rules"
        else:
            self.ready = True

    def _lost(self, reason: str) -> None:
        self.ready = False

    def _take(self, message: Message) -> None:
        if self.failed is not None:
            return  # later messages of the same read: not stored, not acknowledged
        try:
            self._receiver.take(message.payload)
        except ValueError as error:
            self.unreadable += 1
            log.warning("%s: not an outcome: %s", message.topic, error, extra={"action": "outcome_unreadable"})
        except sqlite3.Error as error:
            self.failed = f"outcomes cannot be stored: {error}"
            return
        if message.qos:
            self._link.ack(message.packet_id)
