"""A connection to an MQTT broker as the rooms see it: `MqttLink` on the wire, `FakeLink` in tests.

One thread drives a link: it calls `step` over and over and every other method; only `wake`, `session` and `standing`
are for all threads. A link keeps no backlog: what is not acknowledged when a connection ends is forgotten by the
link, and its owner, who has it in the journal, sends it again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol

log = logging.getLogger(__name__)

Pairs = tuple[tuple[str, str], ...]
"""User properties of MQTT 5; nothing on MQTT 3.1.1."""

CORRELATION, HOPS = "correlation_id", "hops"  # pairs by which a chain of publish, event and run is recognised
REPLAYED: Pairs = (("replayed", "true"),)  # on what was accepted before the connection it travels on

FAILURE = 0x80  # reason codes from here on are refusals (MQTT 5, section 2.4)


class Message(NamedTuple):
    """A message that came. `packet_id` is 0 for QoS 0."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    dup: bool
    packet_id: int
    properties: Pairs = ()


@dataclass(frozen=True, slots=True)
class Session:
    """What the broker granted when it accepted the connection."""

    number: int  # counts the connections of this link: another number, another connection
    present: bool  # the broker remembers our last connection
    version: str  # "5" or "3.1.1"
    receive_maximum: int  # QoS 1 messages it takes without having acknowledged any
    maximum_packet_size: int | None  # bytes of a whole packet; None without a limit
    keepalive: float  # seconds, the broker's word over ours


@dataclass(frozen=True, slots=True)
class Will:
    """Said by the broker when we are gone, and by ourselves when we come and go; always retained."""

    topic: str
    offline: bytes = b"offline"
    online: bytes = b"online"


class State(StrEnum):
    """Where a link stands."""

    OFFLINE = "offline"  # no connection; the next attempt is due by itself
    CONNECTED = "connected"
    REFUSED = "refused"  # the broker said no in a way that waiting will not mend; tried again slowly
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Standing:
    """State, the monotonic time since when, and what went wrong last, with the remedy where there is one."""

    state: State
    since: float
    last_error: str = ""


Done = Callable[[int, str], None]
"""A broker's answer to one publish: reason code (0 to 255) and its name. Not called when the connection ends."""

Filters = Sequence[tuple[str, int]]
"""Topic filters with their QoS."""

Granted = Callable[[Sequence[int]], None]
"""A broker's answer to a subscription: one reason code a filter."""

OnMessage = Callable[[Message], None]
OnConnected = Callable[[Session], None]
OnDisconnected = Callable[[str], None]


class Listeners:
    """Who wants to know when a link goes up or down, in the order in which they said so."""

    def __init__(self) -> None:
        self._all: list[tuple[OnConnected | None, OnDisconnected | None]] = []

    def add(self, connected: OnConnected | None = None, disconnected: OnDisconnected | None = None) -> None:
        self._all.append((connected, disconnected))

    def up(self, session: Session) -> None:
        for connected, _ in self._all:
            if connected is not None:
                connected(session)

    def down(self, reason: str) -> None:
        for _, disconnected in self._all:
            try:
                if disconnected is not None:
                    disconnected(reason)
            except Exception:  # there is no connection left that it could cost
                log.exception("a listener failed", extra={"action": "link_failed"})


class Link(Protocol):
    """See the module. Callbacks run inside `step`; one that raises costs the connection, not the link."""

    client_id: str
    on_message: OnMessage
    ready: Callable[[], bool]
    """Asked before each attempt to connect: False keeps the link offline a little longer."""

    @property
    def session(self) -> Session | None:
        """The connection that is up, or None."""
        ...

    @property
    def standing(self) -> Standing: ...

    @property
    def heard(self) -> float:
        """Monotonic time at which the broker was heard last."""
        ...

    @property
    def room(self) -> int:
        """QoS 1 messages the broker takes now, all senders on this link together; 0 without a connection."""
        ...

    def listen(self, connected: OnConnected | None = None, disconnected: OnDisconnected | None = None) -> None:
        """Be told of every connection and of its end, in the order of the calls to `listen`."""
        ...

    def subscribe(self, filters: Filters, done: Granted, *, retained: bool = False) -> None:
        """Subscribe; `done` gets one reason code a filter: granted QoS, or >= 0x80.

        `retained`: have what the broker kept sent even where the subscription is not new (on MQTT 3.1.1 it always is).
        """
        ...

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int = 1,
        retain: bool = False,
        content_type: str = "",
        properties: Pairs = (),
        done: Done | None = None,
    ) -> None:
        """Send now. QoS 1 only while there is `room`.

        QoS 0 is for topics the broker is known to allow: Mosquitto 2.0.11 ends the connection of a client whose QoS 0
        message its access rules deny. Raises ValueError for a topic that cannot be published on.
        """
        ...

    def ack(self, packet_id: int) -> None:
        """Acknowledge a QoS 1 message of this connection; call in the order of arrival."""
        ...

    def step(self, timeout: float) -> None:
        """Connect when due, send, receive, call back. Waits up to `timeout` seconds for something to do."""
        ...

    def wake(self) -> None:
        """End a waiting `step` early. Any thread; costs nearly nothing while nobody waits."""
        ...

    def replace(self, reason: str) -> None:
        """Give up this connection and make another when due."""
        ...

    def retry(self) -> None:
        """Connect at the next step instead of waiting for the back-off."""
        ...

    def close(self) -> None:
        """Say goodbye, and connect no more; idempotent."""
        ...
