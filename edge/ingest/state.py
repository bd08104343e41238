"""Live values for whoever looks: `edge/<id>/<device>/<channel>`, retained, QoS 0, never journalled.

Only the latest value of a channel counts: what changes faster than the link can send is skipped, and what changed
while the link was down is sent when it is up again.
"""

from __future__ import annotations

import threading

import orjson

from edge.links.link import Link, Session

Value = float | bool | str


class LiveState:
    """`set` from any thread; `step` by the link's thread, before each step of the link."""

    def __init__(self, link: Link, edge_id: str) -> None:
        self._link = link
        self._prefix = f"edge/{edge_id}/"
        self._lock = threading.Lock()
        self._values: dict[str, Value] = {}
        self._changed: dict[str, Value] = {}
        link.listen(self._connected)

    def set(self, device: str, channel: str, value: Value) -> None:
        """The channel has this value now."""
        topic = f"{self._prefix}{device}/{channel}"
        with self._lock:
            if self._values.get(topic) == value:
                return
            self._values[topic] = self._changed[topic] = value
        self._link.wake()

    def step(self) -> None:
        """Publish what changed."""
        if not self._changed or self._link.session is None:
            return
        with self._lock:
            changed, self._changed = self._changed, {}
        for topic, value in changed.items():
            self._link.publish(topic, orjson.dumps(value), qos=0, retain=True)

    def _connected(self, session: Session) -> None:
        with self._lock:
            self._changed = dict(self._values)
