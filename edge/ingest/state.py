"""Live values for whoever looks: `edge/<id>/<device>/<channel>`, `edge/<id>/apps/<name>`; retained, never journalled.

Only the latest value of a channel counts: what changes faster than the broker acknowledges is skipped, and what
changed while the link was down is sent when it is up again.

QoS 1, because that is how a broker can say that its access rules forbid a topic. Many say it by ending the connection
instead; so a topic that was never taken goes alone, and one that cost two connections is left alone.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Mapping
from typing import Any

import orjson

from edge.links.link import FAILURE, Link, Session

log = logging.getLogger(__name__)

Value = float | bool | str | Mapping[str, Any]
_ATTEMPTS = 2  # connections that a topic may cost


class LiveState:
    """`set` from any thread; `step` by the link's thread, before each step of the link."""

    def __init__(self, link: Link, edge_id: str) -> None:
        self.refused: dict[str, str] = {}
        """Topic -> why the broker does not take it. Read from any thread."""
        self._link = link
        self._prefix = f"edge/{edge_id}/"
        self._lock = threading.Lock()
        self._values: dict[str, Value] = {}
        self._changed: dict[str, Value] = {}
        self._under_way: set[str] = set()
        self._taken: set[str] = set()  # topics that the broker is known to take
        self._probe = ""  # the one under way of which that is not known
        self._cost: Counter[str] = Counter()
        link.listen(self._connected, self._disconnected)

    def set(self, device: str, channel: str, value: Value) -> None:
        """The channel has this value now."""
        topic = f"{self._prefix}{device}/{channel}"
        with self._lock:
            if self._values.get(topic) == value:
                return
            self._values[topic] = self._changed[topic] = value
        self._link.wake()

    def step(self) -> None:
        """Publish what changed, one message a topic at a time."""
        if not self._changed or not self._link.room:
            return
        with self._lock:
            waiting = list(self._changed)
        for topic in waiting:
            if not self._link.room:
                break
            if topic in self._under_way or (topic not in self._taken and self._probe):
                continue
            with self._lock:
                value = self._changed.pop(topic)
            if topic not in self.refused:
                self._send(topic, value)

    def _send(self, topic: str, value: Value) -> None:
        self._under_way.add(topic)
        if topic not in self._taken:
            self._probe = topic

        def answered(code: int, name: str) -> None:
            self._under_way.discard(topic)
            self._taken.add(topic)
            if self._probe == topic:
                self._probe = ""
            if code >= FAILURE:
                self._refuse(topic, name)

        self._link.publish(topic, orjson.dumps(value), retain=True, done=answered)

    def _refuse(self, topic: str, reason: str) -> None:
        self.refused = {**self.refused, topic: reason}
        log.error("%s: the broker does not take it: %s; change its access rules", topic, reason)

    def _connected(self, session: Session) -> None:
        with self._lock:
            self._changed = dict(self._values)

    def _disconnected(self, reason: str) -> None:
        self._under_way.clear()
        if self._probe:
            self._cost[self._probe] += 1
            if self._cost[self._probe] >= _ATTEMPTS:
                self._refuse(self._probe, reason)
            self._probe = ""
