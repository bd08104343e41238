"""One connection to an MQTT broker, on paho-mqtt's protocol code and a network loop of our own.

Invariants
- One thread calls everything except `wake`, `session` and `standing`; paho's own thread is never started.
- A connection is a paho client of its own, never resumed: paho would send again what it still holds, all at once,
  whatever the broker's window. What was not acknowledged is its owner's to send again.
- An exception in a callback costs the connection and is said; the message that raised it is acknowledged first, or
  the broker would deliver it, and we would fail, for ever.
- paho never queues: it is given a message only while the broker has room for it.
- Nothing here is fatal. A refusal that a person has to mend is a state with the remedy, tried again slowly.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import math
import ssl
from collections.abc import Callable
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge.clock import Clock
from edge.config import parse_broker
from edge.config.models import Broker
from edge.errors import LinkError
from edge.links.backoff import Attempts, Backoff
from edge.links.dialect import UNKNOWN_VERSION, Dialect, remedy
from edge.links.link import (
    FAILURE,
    Done,
    Filters,
    Granted,
    Listeners,
    Message,
    OnMessage,
    Pairs,
    Session,
    Standing,
    State,
    Will,
)
from edge.links.presence import Presence
from edge.links.wire import BlockSocket, Waiter, plain_context, tls_context

log = logging.getLogger(__name__)

_LOST, _MUTE, _CLOSED = "connection lost", "the broker does not answer our greeting", "closed"
_GATE = 0.05  # seconds between two looks at `ready`
_PACKETS = 256  # read in one step at most, so that acknowledgements are never far behind
_MAXIMUM_PACKET = 4 * 1024 * 1024  # what a gateway with little memory is willing to receive
_VERSIONS = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}


class MqttLink:
    """`edge.links.link.Link` on a real broker. Connects in the first `step`; starts offline and stays patient.

    `keep_session` asks the broker to remember subscriptions and what it could not deliver for
    `settings.session_expiry`; `receive_maximum` bounds what it sends unacknowledged (MQTT 5).
    """

    def __init__(
        self,
        settings: Broker,
        *,
        client_id: str,
        clock: Clock,
        backoff: Backoff,
        will: Will | None = None,
        keep_session: bool = True,
        receive_maximum: int = 1000,
    ) -> None:
        self.client_id = client_id
        self.on_message: OnMessage = lambda message: None
        self.ready: Callable[[], bool] = lambda: True
        self._settings = settings
        self._host, self._port, self._encrypted = parse_broker(settings.broker)
        self._clock = clock
        self._attempts = Attempts(clock, backoff)
        self._presence = Presence(will, client_id)
        self._keep_session = keep_session
        self._receive_maximum = receive_maximum
        self._waiter = Waiter()
        self.wake = self._waiter.wake
        self._listeners = Listeners()
        self.listen = self._listeners.add
        self._client: Client | None = None
        self._socket: BlockSocket | None = None
        self.session: Session | None = None
        self.standing = Standing(State.OFFLINE, clock.monotonic())
        self._published: dict[int, Done | None] = {}  # QoS 1 under way
        self._subscribed: dict[int, Granted] = {}
        self._dialect = Dialect(settings.version)
        self._version = self._dialect.version
        self._connections = 0
        self._opened = 0.0
        self.heard = 0.0
        self._blocks = 0
        self._end: tuple[str, int] | None = None  # why this connection is over, with the reason code if one was given

    @property
    def room(self) -> int:
        if self.session is None or self._presence.announcing:
            return 0
        return max(0, self.session.receive_maximum - len(self._published))

    def step(self, timeout: float) -> None:
        if self.standing.state is State.CLOSED:
            return
        if self._client is None:
            self._wait_offline(timeout)
            return
        try:
            if self._end is None:
                self._turn(self._client, timeout)
        except Exception as error:  # whatever a callback or the library raises, this connection is over
            log.exception("%s: connection given up", self.client_id, extra={"action": "link_failed"})
            self._finish(f"{type(error).__name__}: {error}")
        if self._end is not None:
            self._lose(*self._end)

    def subscribe(self, filters: Filters, done: Granted, *, retained: bool = False) -> None:
        client = self._connected()
        if self._version == "5":
            options = [
                (name, SubscribeOptions(qos, not name.startswith("$share/"), retainHandling=int(not retained)))
                for name, qos in filters
            ]
            _, packet_id = client.subscribe(options)
        else:
            _, packet_id = client.subscribe(list(filters))
        if packet_id is not None:
            self._subscribed[packet_id] = done

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
        attached = _attach(content_type, properties) if self._version == "5" and (content_type or properties) else None
        info = self._connected().publish(topic, payload, qos, retain, attached)
        if qos:
            self._published[info.mid] = done

    def ack(self, packet_id: int) -> None:
        self._connected().ack(packet_id, 1)

    def replace(self, reason: str) -> None:
        if self._client is not None:
            self._finish(reason)

    def retry(self) -> None:
        self._attempts.plan(at_once=True)

    def close(self) -> None:
        if self.standing.state is State.CLOSED:
            return
        if self.session is not None:
            self._presence.leave(self)
        self._lose(_CLOSED, 0)
        self._stand(State.CLOSED)
        self._waiter.close()

    def _wait_offline(self, timeout: float) -> None:
        left = self._attempts.left
        if left > 0:
            self._waiter.wait(None, min(timeout, left))
        elif not self.ready():
            self._waiter.wait(None, min(timeout, _GATE))
        else:
            self._connect()

    def _connect(self) -> None:
        self._end = None
        self._opened = self.heard = self._clock.monotonic()
        self._version = self._dialect.version
        try:
            client = self._client = self._make_client()
            greeting: dict[str, Any] = {}
            if self._version == "5":
                greeting = {"clean_start": not self._keep_session, "properties": self._wishes()}
            client.connect(self._host, self._port, max(1, math.ceil(self._settings.keepalive)), **greeting)
            sock: Any = client.socket()
            self._socket = sock
            self._blocks = 0
        except ssl.SSLCertVerificationError as error:
            self._plan(f"the broker's certificate is not trusted: {error.verify_message}", "check ca: and host name")
        except LinkError as error:
            self._plan(str(error), "mend the file or name another")
        except (OSError, ValueError) as error:
            self._plan(f"{self._host}:{self._port}: {error}")

    def _make_client(self) -> Client:
        settings = self._settings
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self.client_id,
            clean_session=None if self._version == "5" else not self._keep_session,
            protocol=_VERSIONS[self._version],
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.tls_set_context(
            tls_context(settings.ca, settings.cert, settings.key) if self._encrypted else plain_context()
        )
        if settings.user is not None:
            client.username_pw_set(settings.user, settings.password.get_secret_value() if settings.password else None)
        if (will := self._presence.will) is not None:
            client.will_set(will.topic, will.offline, qos=1, retain=True)
        client.max_inflight_messages_set(65_535)  # our owners keep the broker's window; paho must not queue
        client.on_socket_register_write = _collect
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        return client

    def _wishes(self) -> Properties:
        expiry = min(int(self._settings.session_expiry), 0xFFFF_FFFF) if self._keep_session else 0
        return _properties(
            PacketTypes.CONNECT,
            ReceiveMaximum=self._receive_maximum,
            MaximumPacketSize=_MAXIMUM_PACKET,
            SessionExpiryInterval=expiry,
        )

    # -- a connection's life --------------------------------------------------------------------------------------

    def _turn(self, client: Client, timeout: float) -> None:
        sock = self._socket
        assert sock is not None
        while True:
            client.loop_write()
            sock.flush()
            if sock.unsent or not client.want_write():  # else it holds more than the socket was willing to collect
                break
        if self._waiter.wait(sock, timeout):
            for _ in range(_PACKETS):
                client.loop_read()
                if self._end is not None or not sock.more:
                    break
        client.loop_misc()
        now = self._clock.monotonic()
        if sock.received != self._blocks:
            self._blocks, self.heard = sock.received, now
        silence = now - self.heard
        if client.socket() is None:
            self._finish(_LOST)
        elif self.session is None:
            if now - self._opened > self._dialect.patience:
                self._finish(_MUTE)
        elif 0 < self.session.keepalive * 1.5 < silence:
            self._finish(f"nothing heard for {silence:.0f} s")

    def _finish(self, reason: str, code: int = 0) -> None:
        """This connection is to end; the first reason counts, `code` is the broker's where it gave one."""
        self._end = self._end or (reason, code)

    def _lose(self, reason: str, code: int) -> None:
        client, session, sock = self._client, self.session, self._socket
        if client is not None and client.socket() is not None:
            _say_goodbye(client)
        self.session = None
        self._presence.lose(reason)
        self._published.clear()
        self._subscribed.clear()
        advice = remedy(code, client_id=self.client_id, user=self._settings.user)
        at_once = False
        if session is None:
            if code == UNKNOWN_VERSION:
                at_once = self._dialect.refused()
            elif not code and sock is not None:
                at_once = self._dialect.silent(mute=reason == _MUTE)
        elif (hint := self._attempts.lived(self._clock.monotonic() - self._opened)) and reason == _LOST:
            reason += hint.format(client_id=self.client_id)
        self._plan(reason, None if at_once else advice, at_once=at_once)
        if session is not None:
            level = logging.INFO if reason == _CLOSED else logging.WARNING
            log.log(level, "%s: offline: %s", self.client_id, reason, extra={"action": "link_down"})
            self._listeners.down(reason)

    def _plan(self, reason: str, advice: str | None = None, *, at_once: bool = False) -> None:
        """The next attempt: soon, or late when a person has to do something first."""
        self._client = self._socket = self._end = None
        self._attempts.plan(at_once=at_once, late=advice is not None)
        if advice is None:
            self._stand(State.OFFLINE, reason)
        else:
            log.error("%s: refused: %s; %s", self.client_id, reason, advice, extra={"action": "link_refused"})
            self._stand(State.REFUSED, f"{reason}; {advice}")

    def _stand(self, state: State, error: str = "") -> None:
        standing = self.standing
        since = standing.since if standing.state is state else self._clock.monotonic()
        self.standing = Standing(state, since, error or standing.last_error)

    def _connected(self) -> Client:
        if self._client is None or self.session is None:
            raise RuntimeError("the link is offline: look at `session` first")
        return self._client

    # -- what the library calls, inside `step` ----------------------------------------------------------------------

    def _on_connect(self, client: Client, data: Any, flags: ConnectFlags, code: ReasonCode, granted: Any) -> None:
        if code.is_failure:
            self._finish(f"the broker refused the connection: {code}", code.value)
            return
        self._dialect.accepted()
        self._connections += 1
        session = Session(
            number=self._connections,
            present=flags.session_present,
            version=self._version,
            receive_maximum=getattr(granted, "ReceiveMaximum", 65_535),
            maximum_packet_size=getattr(granted, "MaximumPacketSize", None),
            keepalive=client.keepalive,
        )
        self.session = session
        self._stand(State.CONNECTED)
        log.info("%s: connected, MQTT %s", self.client_id, self._version, extra={"action": "link_up"})
        self._presence.arrive(self)
        self._listeners.up(session)

    def _on_disconnect(self, client: Client, data: Any, flags: DisconnectFlags, code: ReasonCode, more: Any) -> None:
        if flags.is_disconnect_packet_from_server:
            self._finish(f"the broker ended the connection: {code}", code.value)
        else:
            self._finish(_LOST)

    def _on_message(self, client: Client, data: Any, got: MQTTMessage) -> None:
        try:
            topic = got.topic
        except UnicodeDecodeError:
            topic = "\N{REPLACEMENT CHARACTER}"  # no source has it: it is rejected and counted like any stray topic
        properties = getattr(got.properties, "UserProperty", ())
        message = Message(topic, bytes(got.payload), got.qos, got.retain, got.dup, got.mid, tuple(properties))
        try:
            self.on_message(message)
        except Exception:
            client.ack(got.mid, got.qos)
            raise

    def _on_publish(self, client: Client, data: Any, packet_id: int, code: ReasonCode, more: Any) -> None:
        done = self._published.pop(packet_id, None)
        if done is not None:
            done(code.value, str(code) if code.value >= FAILURE else "")

    def _on_subscribe(self, client: Client, data: Any, packet_id: int, codes: list[ReasonCode], more: Any) -> None:
        done = self._subscribed.pop(packet_id, None)
        if done is not None:
            done([code.value for code in codes])


class _Packed(Properties):
    """Properties whose bytes are made once: making them costs the library as much as the rest of a publish."""

    def __init__(self, properties: Properties) -> None:
        packed: bytes = properties.pack()  # type: ignore[no-untyped-call]
        object.__setattr__(self, "pack", lambda: packed)


@functools.lru_cache(maxsize=64)
def _attach(content_type: str, pairs: Pairs) -> Properties:
    """What goes with a publish."""
    return _Packed(_properties(PacketTypes.PUBLISH, ContentType=content_type, UserProperty=list(pairs)))


def _properties(kind: int, **values: Any) -> Properties:
    """Of a packet; what is empty is left out."""
    properties = Properties(kind)  # type: ignore[no-untyped-call]
    for name, value in values.items():
        if value:
            setattr(properties, name, value)
    return properties


def _collect(client: Client, data: Any, sock: Any) -> None:
    """With this callback set the library only collects packets; `step` sends them, many at a time."""


def _say_goodbye(client: Client) -> None:
    """Best effort: the connection may be the one that does not work."""
    client.on_disconnect = None
    with contextlib.suppress(OSError):
        client.disconnect()
        client.loop_write()
