"""The retained status of a gateway: `online`, `offline`, and the last will that says it when nobody else can.

Many brokers (AWS IoT, HiveMQ, Mosquitto) answer a publish that their access rules forbid by ending the connection.
Only when it is the one message under way can anybody tell that it was to blame; so the status is announced alone,
and one that cost two connections in a row is given up, with its last will, rather than cost every connection.
"""

from __future__ import annotations

import logging

from edge.links.link import FAILURE, Link, Will

log = logging.getLogger(__name__)

_ATTEMPTS = 2


class Presence:
    """One link's status. Used by the link's thread."""

    def __init__(self, will: Will | None, client_id: str) -> None:
        self.will = will
        self.announcing = False
        """The status is under way: nothing else may be."""
        self._client_id = client_id
        self._lost = 0

    def arrive(self, link: Link) -> None:
        """The connection is up."""
        if self.will is not None:
            link.publish(self.will.topic, self.will.online, retain=True, done=self._answered)
            self.announcing = True

    def leave(self, link: Link) -> None:
        """The connection is about to be closed by us. QoS 0: nobody will wait for the answer."""
        if self.will is not None:
            link.publish(self.will.topic, self.will.offline, qos=0, retain=True)

    def lose(self, reason: str) -> None:
        """The connection is gone."""
        if self.announcing:
            self.announcing = False
            self._lost += 1
            if self._lost >= _ATTEMPTS:
                self._give_up(reason)

    def _answered(self, code: int, name: str) -> None:
        self.announcing = False
        self._lost = 0
        if code >= FAILURE:
            self._give_up(name)

    def _give_up(self, reason: str) -> None:
        assert self.will is not None
        log.error(
            "%s: no status and no last will: the broker does not take %s (%s); change its access rules",
            self._client_id,
            self.will.topic,
            reason,
            extra={"action": "status_refused"},
        )
        self.will = None
