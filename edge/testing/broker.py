"""An MQTT broker in memory, at the link's seam: the real ingest and sync code runs against it on one thread.

It keeps what makes QoS 1 hard: sessions that outlive connections, packet ids, repeats marked DUP after a reconnect,
retained messages, last wills, one copy a matching subscription, a window in both directions, reason codes. What a
broker can do to a gateway, a test can have it do: be away (`online`), fall silent (`hung`), forget sessions
(`remembers`), refuse (`refuse`), cut connections (`cut`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from edge.clock import Clock
from edge.config.models import Broker
from edge.envelope import unpack
from edge.ingest.topics import matches
from edge.links.link import (
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
from edge.model import Outcome

_RETRY = 1.0  # seconds until a link that lost its connection tries again


@dataclass
class _Client:
    """What the broker remembers of a client."""

    filters: dict[str, int] = field(default_factory=dict)
    queue: deque[Message] = field(default_factory=deque)  # waits for room in the window, or for the client
    unacknowledged: dict[int, Message] = field(default_factory=dict)
    last_id: int = 0
    link: FakeLink | None = None

    def next_id(self) -> int:
        self.last_id = self.last_id % 65_535 + 1
        return self.last_id


class FakeBroker:
    """One broker. Attributes may be changed at any time; they count from then on."""

    def __init__(self, clock: Clock) -> None:
        self.hung = False
        """Takes connections and packets, answers nothing: a stopped process, a full disk."""
        self.remembers = True
        """Keeps the sessions of clients that are away."""
        self.version = "5"
        self.receive_maximum = 65_535
        self.maximum_packet_size: int | None = None
        self.keepalive = 30.0
        self.messages: list[Message] = []
        """Every message that clients published, in order, wills and state included."""
        self.retained: dict[str, Message] = {}
        self.hearers: list[Callable[[str, bytes], None]] = []
        """Told of every message that clients published."""
        self._clock = clock
        self._online = True
        self._clients: dict[str, _Client] = {}
        self._refusals: list[tuple[str, int, str, float]] = []

    # -- what a test does -----------------------------------------------------------------------------------------

    @property
    def online(self) -> bool:
        return self._online

    @online.setter
    def online(self, up: bool) -> None:
        """Reachable or not. Going away cuts every connection; sessions and retained messages stay."""
        self._online = up
        if not up:
            self.cut()

    def cut(self) -> None:
        """Every connection breaks, without a word to either side."""
        for client_id in list(self._clients):
            self._drop(client_id)

    def publish(
        self, topic: str, payload: bytes | str, *, qos: int = 1, retain: bool = False, properties: Pairs = ()
    ) -> None:
        """Someone else publishes."""
        body = payload.encode() if isinstance(payload, str) else payload
        self._route(Message(topic, body, qos, retain, False, 0, properties), None)

    def refuse(self, filter: str, code: int, name: str = "refused", *, times: float = float("inf")) -> None:
        """Answer publishes inside `filter` with this reason code, the next `times`."""
        self._refusals.append((filter, code, name, times))

    def link(
        self,
        settings: Broker,
        *,
        client_id: str,
        will: Will | None = None,
        keep_session: bool = True,
        receive_maximum: int = 1000,
    ) -> FakeLink:
        """A link to this broker, not yet connected; `settings` are not looked at."""
        return FakeLink(self, self._clock, client_id, will, keep_session, receive_maximum)

    @property
    def connected(self) -> list[str]:
        """The client ids that are connected."""
        return [name for name, client in self._clients.items() if client.link is not None]

    # -- what links do --------------------------------------------------------------------------------------------

    def open(self, link: FakeLink) -> bool:
        """Take the connection; True when the client is remembered."""
        self._drop(link.client_id)
        known = self._clients.get(link.client_id)
        present = known is not None and self.remembers and link.keep_session
        client = known if known is not None and present else _Client()
        self._clients[link.client_id] = client
        client.link = link
        repeats = [message._replace(dup=True) for message in client.unacknowledged.values()]
        client.unacknowledged.clear()
        client.queue.extendleft(reversed(repeats))
        return present

    def leave(self, link: FakeLink) -> None:
        """A clean goodbye: no will."""
        client = self._clients.get(link.client_id)
        if client is not None and client.link is link:
            client.link = None

    def _drop(self, client_id: str) -> None:
        client = self._clients.get(client_id)
        if client is None or client.link is None:
            return
        link, client.link = client.link, None
        link.broken = True
        if link.will is not None:
            self._route(Message(link.will.topic, link.will.offline, 1, True, False, 0), client_id)

    def take(self, link: FakeLink, message: Message) -> tuple[int, str]:
        """A client publishes: reason code and its name."""
        for index, (filter, code, name, times) in enumerate(self._refusals):
            if matches(filter, message.topic) and times > 0:
                self._refusals[index] = (filter, code, name, times - 1)
                return code, name
        self._route(message, link.client_id)
        return 0, ""

    def subscribe(self, link: FakeLink, filters: Filters, retained: bool = False) -> None:
        client = self._clients[link.client_id]
        for filter, qos in filters:
            new = retained or filter not in client.filters
            client.filters[filter] = qos
            for topic, message in self.retained.items() if new else ():
                if matches(filter, topic):
                    client.queue.append(message._replace(qos=min(qos, message.qos)))

    def acknowledge(self, link: FakeLink, packet_id: int) -> None:
        self._clients[link.client_id].unacknowledged.pop(packet_id, None)

    def deliverable(self, link: FakeLink) -> Message | None:
        """The next message the window has room for; it counts as under way from now on."""
        client = self._clients[link.client_id]
        if self.hung or not client.queue:
            return None
        message = client.queue[0]
        if message.qos == 0:
            return client.queue.popleft()
        if len(client.unacknowledged) >= link.receive_maximum:
            return None
        client.queue.popleft()
        if not message.packet_id:
            message = message._replace(packet_id=client.next_id())
        client.unacknowledged[message.packet_id] = message
        return message

    def _route(self, message: Message, publisher: str | None) -> None:
        if publisher is not None:
            self.messages.append(message)
            for hear in self.hearers:
                hear(message.topic, message.payload)
        if message.retain:
            self.retained[message.topic] = message
            if not message.payload:
                del self.retained[message.topic]
        for name, client in self._clients.items():
            if name == publisher:
                continue  # noLocal
            for filter, qos in client.filters.items():
                granted = min(qos, message.qos)
                if matches(filter, message.topic) and (granted or client.link is not None):
                    client.queue.append(message._replace(qos=granted, retain=False))


class FakeUpstream(FakeBroker):
    """A broker whose consumer reads outcomes and drops repeats by id, as every consumer should."""

    @property
    def received(self) -> list[Outcome]:
        """The outcomes that came, each once, in the order of their first coming."""
        return list(self._outcomes().values())

    @property
    def repeats(self) -> int:
        """How many outcomes came more than once."""
        return sum(len(unpack(message.payload)) for message in self._letters()) - len(self._outcomes())

    def _letters(self) -> list[Message]:
        return [message for message in self.messages if message.topic.endswith("/outcomes")]

    def _outcomes(self) -> dict[str, Outcome]:
        found: dict[str, Outcome] = {}
        for message in self._letters():
            for envelope in unpack(message.payload):
                found.setdefault(envelope["id"], Outcome.from_envelope(envelope))
        return found


class FakeLink:
    """`edge.links.link.Link` to a `FakeBroker`. `step` never waits: time passes when the test says so."""

    def __init__(
        self,
        broker: FakeBroker,
        clock: Clock,
        client_id: str,
        will: Will | None,
        keep_session: bool,
        receive_maximum: int,
    ) -> None:
        self.client_id = client_id
        self.will = will
        self.keep_session = keep_session
        self.receive_maximum = receive_maximum
        self.broken = False  # set by the broker; noticed by the next step
        self.on_message: OnMessage = lambda message: None
        self.ready: Callable[[], bool] = lambda: True
        self.session: Session | None = None
        self.standing = Standing(State.OFFLINE, clock.monotonic())
        self.heard = clock.monotonic()
        self.failures: list[Exception] = []
        """What callbacks raised, each of which cost a connection."""
        self._broker = broker
        self._clock = clock
        self._listeners = Listeners()
        self.listen = self._listeners.add
        self._answers: deque[Callable[[], None]] = deque()
        self._under_way = 0
        self._connections = 0
        self._due = clock.monotonic()
        self._end = ""

    @property
    def room(self) -> int:
        return 0 if self.session is None else max(0, self.session.receive_maximum - self._under_way)

    def step(self, timeout: float = 0.0) -> None:
        if self.standing.state is State.CLOSED:
            return
        try:
            if self.session is None:
                self._connect()
            else:
                self._work()
        except Exception as error:  # noqa: BLE001  as the real link: it costs the connection
            self.failures.append(error)
            self._end = f"{type(error).__name__}: {error}"
        if self._end:
            self._lose(self._end)

    def wake(self) -> None:
        """Nobody waits."""

    def subscribe(self, filters: Filters, done: Granted, *, retained: bool = False) -> None:
        self._broker.subscribe(self, filters, retained)
        codes = [qos for _, qos in filters]
        self._answers.append(lambda: done(codes))

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
        if not topic or "+" in topic or "#" in topic:
            raise ValueError(f"{topic!r} cannot be published on")
        if self.broken:
            return  # into a connection that is gone and does not know it yet
        attached = (*properties, ("content-type", content_type)) if content_type else properties
        assert not qos or self.room, "the broker's window is overrun"
        code, name = self._broker.take(self, Message(topic, payload, qos, retain, False, 0, attached))
        if qos:
            self._under_way += 1
            self._answers.append(lambda: self._answer(done, code, name))

    def _answer(self, done: Done | None, code: int, name: str) -> None:
        self._under_way -= 1
        if done is not None:
            done(code, name)

    def ack(self, packet_id: int) -> None:
        if not self.broken:
            self._broker.acknowledge(self, packet_id)

    def replace(self, reason: str) -> None:
        self._end = self._end or reason

    def retry(self) -> None:
        self._due = self._clock.monotonic()

    def close(self) -> None:
        if self.session is not None and self.will is not None:
            self.publish(self.will.topic, self.will.offline, qos=0, retain=True)
        if self.session is not None:
            self._lose("closed")
        self.standing = Standing(State.CLOSED, self._clock.monotonic())

    def _connect(self) -> None:
        if not self._broker.online or self._broker.hung or self._clock.monotonic() < self._due or not self.ready():
            return
        self.broken, self._end = False, ""
        present = self._broker.open(self)
        self._connections += 1
        broker = self._broker
        self.session = Session(
            self._connections,
            present,
            broker.version,
            broker.receive_maximum,
            broker.maximum_packet_size,
            broker.keepalive,
        )
        self.heard = self._clock.monotonic()
        self.standing = Standing(State.CONNECTED, self._clock.monotonic())
        if self.will is not None:
            self.publish(self.will.topic, self.will.online, retain=True)
        self._listeners.up(self.session)

    def _work(self) -> None:
        if self.broken:
            self._end = "connection lost"
            return
        if self._broker.hung:
            return
        self.heard = self._clock.monotonic()
        while self._answers and not self._end:
            self._answers.popleft()()
        while not self._end and (message := self._broker.deliverable(self)) is not None:
            try:
                self.on_message(message)
            except Exception:
                self.ack(message.packet_id)
                raise

    def _lose(self, reason: str) -> None:
        self._broker.leave(self)
        self.session, self._end = None, ""
        self._answers.clear()
        self._under_way = 0
        self._due = self._clock.monotonic() + _RETRY
        self.standing = Standing(State.OFFLINE, self._clock.monotonic(), reason)
        self._listeners.down(reason)
