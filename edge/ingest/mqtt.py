"""Messages from a broker become events, and are acknowledged in the order in which they came.

Threads: the link's thread calls `arrived`, `step` and the link's callbacks; the leading thread calls `events` of an
`Arrival`; any thread calls its `settle`. Between them stand one flag an arrival and the link's `wake`.

Invariants
- `arrived` is total: it never raises for any message, does not decode, and never waits.
- An acknowledgement is sent when the message and all that came before it on this connection are settled
  (MQTT 5, MQTT-4.6.0-2). What was settled after its connection ended is not acknowledged on another one, unless
  the broker delivers it again there: then the arrival already being worked on takes the repeat's place in the line.
- When the inbox is full, a QoS 1 message is neither queued nor acknowledged: the connection is given up, everything
  after it is ignored, and the link stays away until the inbox has drained. The broker delivers it again.
"""

from __future__ import annotations

import logging
import re
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

from drivers.wires.mqtt import LARGEST, Said
from edge.clock import Clock
from edge.config.base import NAME
from edge.config.models import Mqtt, Subscription
from edge.errors import PayloadError
from edge.ids import Minter
from edge.ingest.filters import choose
from edge.ingest.mail import Box
from edge.ingest.payload import MALFORMED, decode
from edge.ingest.redelivery import Accepted, Recent, digest
from edge.ingest.topics import Topics
from edge.links.link import CORRELATION, FAILURE, HOPS, Filters, Granted, Link, Message, Session
from edge.model import Delivery, Event, EventKind, Incoming

log = logging.getLogger(__name__)

APPS = "apps"
_COMMANDS = "set"
_COMMAND_BYTES = 1024
_LONGEST_NAME = 64  # of an app

Command = Callable[[str, str, object], None]
"""Carry out a remote command: device, channel, value. Raises PayloadError when it may not or cannot be done."""


class Source:
    """One entry of `subscribe:`, and what is needed to make its events."""

    __slots__ = ("name", "raw", "recent", "settings")

    def __init__(self, name: str, settings: Subscription, raw: bool) -> None:
        self.name = name
        self.settings = settings
        self.raw = raw
        self.recent = None if settings.dedupe is None else Recent()


class Arrival:
    """An `Incoming` from the broker. See `edge.model.Incoming` for who calls what."""

    __slots__ = ("_digest", "_owner", "fault", "message", "monotonic", "settled", "wall")

    def __init__(self, owner: MqttSource, message: Message, monotonic: float, wall: float) -> None:
        self._owner = owner
        self._digest = 0
        self.message = message
        self.monotonic = monotonic
        self.wall = wall
        self.settled = False
        self.fault: PayloadError | None = None

    @property
    def digest(self) -> int:
        if not self._digest:
            self._digest = digest(self.message.topic, self.message.payload)
        return self._digest

    @property
    def delivery(self) -> Delivery | None:
        if not self.message.packet_id:
            return None
        return Delivery(self._owner.client_id, self.message.packet_id, self.digest)

    def events(self) -> Sequence[Event]:
        if self.fault is not None:
            raise self.fault
        return self._owner.read(self)

    def shed(self) -> None:
        """Too large for every source: it will be refused, but its bytes need not wait in the inbox until then."""
        message = self.message
        self._digest = digest(message.topic, message.payload)
        self.fault = PayloadError("too_large", f"{len(message.payload)} bytes on {message.topic}")
        self.message = message._replace(payload=b"")

    def settle(self) -> None:
        if self.message.packet_id:
            self.settled = True
            self._owner.wake()


class Door(NamedTuple):
    """Where what comes for apps goes, past the inbox. `take` gets the app's name and the arrival, which it settles when
    the answer is durable, on the link's thread: it never waits and never raises. What has more than `largest` bytes, or
    came before, has a `fault`."""

    take: Callable[[str, Arrival], None]
    largest: int


class MqttSource:
    """The `mqtt:` section's subscriptions on one link.

    `offer` takes a QoS 1 arrival or says False; `push` always takes a QoS 0 one; `crowded` says that the inbox is
    not yet empty enough to begin again. `deliveries` are the digests the journal holds by packet id, and `forget`
    tells it that the session they belong to is gone. `raw` names the sources whose tasks want bytes; `commands` the
    devices that may be set from outside, by `command` on the leading thread. `devices` says whose
    messages come on a topic, of the devices on the broker. `door` is open for apps; without one none may come.
    """

    def __init__(
        self,
        link: Link,
        settings: Mqtt,
        *,
        edge_id: str,
        offer: Callable[[Incoming], bool],
        push: Callable[[Incoming], None],
        crowded: Callable[[], bool],
        clock: Clock,
        minter: Minter,
        deliveries: Mapping[int, int],
        forget: Callable[[], None],
        raw: Collection[str] = (),
        commands: Collection[str] = (),
        command: Command | None = None,
        devices: Mapping[str, tuple[Box, ...]] = MappingProxyType({}),
        door: Door | None = None,
    ) -> None:
        self.client_id = link.client_id
        self.wake = link.wake
        self.degraded: dict[str, str] = {}
        """Source (or filter) -> why the broker does not deliver it."""
        self._link = link
        self._offer = offer
        self._push = push
        self._crowded = crowded
        self._clock = clock
        self._minter = minter
        self._forget = forget
        self._command = command
        self._door = door
        self._prefix = f"edge/{edge_id}/"
        self._accepted = Accepted(deliveries)
        self._line: deque[Arrival] = deque()  # QoS 1 of this connection, in the order of arrival
        self._working: dict[int, Arrival] = {}  # by packet id: not yet acknowledged, also of earlier connections
        self._full = False  # the inbox was: nothing more is taken from this connection
        self._closed = False
        self._estranged = False  # the session that the journal knows is gone, and the journal was not told yet
        self._subscribed = False
        self._sources: dict[str, tuple[Source | Box, ...]] = dict(devices)
        self._gather(settings.subscribe, raw)
        self._topics = Topics(self._sources)
        limits = [entry.max_payload for entry in settings.subscribe.values()]
        self._limit = max([*limits, LARGEST] if devices else limits, default=_COMMAND_BYTES)
        self._commanded = frozenset(commands)
        self._filters = choose(settings, commands=self._listened_to(), devices=devices)
        link.on_message = self.arrived
        link.ready = self._may_connect
        link.listen(self._connected, self._disconnected)

    def _gather(self, subscriptions: Mapping[str, Subscription], raw: Collection[str]) -> None:
        for name, entry in subscriptions.items():
            self._sources[entry.topic] = (*self._sources.get(entry.topic, ()), Source(name, entry, name in raw))

    def _listened_to(self) -> Iterator[str]:
        """The topics on which we are told to do something."""
        yield from (f"{self._prefix}{device}/+/{_COMMANDS}" for device in self._commanded)
        if self._door is not None:
            yield f"{self._prefix}{APPS}/+/{_COMMANDS}"

    # -- the link's thread ----------------------------------------------------------------------------------------

    def step(self) -> None:
        """Acknowledge what can be acknowledged. Call before each step of the link."""
        line = self._line
        while line and line[0].settled:
            arrival = line.popleft()
            packet_id = arrival.message.packet_id
            self._accepted.add(packet_id, arrival.digest)
            self._working.pop(packet_id, None)
            self._link.ack(packet_id)

    def drain(self) -> None:
        """Take nothing more; what was taken is still acknowledged, the rest comes again another time. Any thread."""
        self._closed = True

    def arrived(self, message: Message) -> None:
        """The link's `on_message`."""
        if self._closed:
            return
        arrival = Arrival(self, message, self._clock.monotonic(), self._clock.wall())
        app = None if self._door is None else self._app(message.topic)
        if len(message.payload) > (self._limit if self._door is None or app is None else self._door.largest):
            arrival.shed()
        if message.packet_id:
            if not self._full:
                self._hold(arrival, app)
        elif self._door is not None and app is not None:
            self._door.take(app, arrival)
        else:
            self._push(arrival)

    def _app(self, topic: str) -> str | None:
        """The app that a message is for."""
        levels = topic[len(self._prefix) :].split("/") if topic.startswith(self._prefix) else []
        if len(levels) != 3 or levels[0] != APPS or levels[2] != _COMMANDS or not re.fullmatch(NAME, levels[1]):
            return None
        return levels[1] if len(levels[1]) <= _LONGEST_NAME else None

    def _hold(self, arrival: Arrival, app: str | None) -> None:
        packet_id = arrival.message.packet_id
        if not arrival.message.dup:
            self._accepted.drop(packet_id)
        else:
            original = self._working.get(packet_id)
            if original is not None and original.digest == arrival.digest:
                self._line.append(original)
                return
            if self._accepted.holds(packet_id, arrival.digest):
                arrival.fault = PayloadError("duplicate", "delivered again by the broker; it was accepted before")
        if app is None and not self._offer(arrival):
            self._full = True
            self._link.replace("the inbox is full: waiting until it has drained")
            return
        self._working[packet_id] = arrival
        self._line.append(arrival)
        if self._door is not None and app is not None:
            self._door.take(app, arrival)

    def _may_connect(self) -> bool:
        return not (self._full and self._crowded())

    def _connected(self, session: Session) -> None:
        self._full = False
        self._estranged = self._estranged or not session.present
        if self._estranged:
            self._accepted.clear()
            self._working.clear()
            self._forget()
            self._estranged = False
        # 3.1.1 has no way to subscribe again without getting every retained message again
        if not (session.present and self._subscribed and session.version == "3.1.1"):
            self._subscribe(self._filters.events, self._link.subscribe)
        self._subscribe(self._filters.states, partial(self._link.subscribe, retained=True))

    def _subscribe(self, chosen: Mapping[str, int], subscribe: Callable[[Filters, Granted], None]) -> None:
        filters = list(chosen.items())
        if filters:
            subscribe(filters, lambda codes: self._granted(filters, codes))

    def _disconnected(self, reason: str) -> None:
        self._line.clear()

    def _granted(self, filters: Sequence[tuple[str, int]], codes: Sequence[int]) -> None:
        self._subscribed = True
        degraded = dict(self.degraded)
        for (filter, qos), code in zip(filters, codes, strict=False):
            names = ", ".join(source.name for source in self._sources.get(filter, ())) or filter
            degraded.pop(names, None)
            if code >= FAILURE:
                reason = f"the broker refused the subscription (reason 0x{code:02x}): check its access rules"
            elif code < qos:
                reason = f"the broker granted QoS {code} instead of {qos}: messages may be lost"
            else:
                continue
            degraded[names] = reason
            log.error("%s (%s): %s", names, filter, reason, extra={"action": "subscription_refused", "topic": filter})
        self.degraded = degraded

    # -- the leading thread ---------------------------------------------------------------------------------------

    def read(self, arrival: Arrival) -> Sequence[Event]:
        """The events of one message: one a source. Raises PayloadError when no source can use it."""
        message = arrival.message
        sources = self._topics.find(message.topic)
        if not sources:
            return self._obey(message)
        if len(sources) == 1:
            event = self._event(sources[0], arrival)
            return () if event is None else (event,)
        events: list[Event] = []
        refusal: PayloadError | None = None
        for source in sources:
            try:
                if (event := self._event(source, arrival)) is not None:
                    events.append(event)
            except PayloadError as error:
                refusal = refusal or error
        if refusal is not None and not events:
            raise refusal
        return events

    def _event(self, source: Source | Box, arrival: Arrival) -> Event | None:
        message = arrival.message
        if isinstance(source, Box):
            said = Said(message.topic, message.payload, message.retain)
            return source.event(said, arrival.wall, arrival.monotonic)
        values = self._values(source, message)
        properties = dict(message.properties) if message.properties else {}
        if source.recent is not None:
            self._drop_repeat(source, source.recent, values, properties)
        return Event(
            id=self._minter.mint(),
            source=source.name,
            kind=EventKind.MESSAGE,
            values=values,
            time=arrival.wall,
            monotonic=arrival.monotonic,
            quality=self._clock.quality(),
            topic=message.topic,
            payload=message.payload if source.raw else None,
            correlation_id=properties.get(CORRELATION, "")[:128],
            hops=_hops(properties.get(HOPS, "")),
        )

    def _values(self, source: Source, message: Message) -> Mapping[str, object]:
        try:
            values = decode(message.payload, source.settings.max_payload)
        except PayloadError as error:
            if source.raw and error.reason == MALFORMED:
                return {}
            raise PayloadError(error.reason, f"{source.name}, topic {message.topic}: {error}") from error
        if values is None and not source.raw:
            raise PayloadError(
                "not_json", f"{source.name}, topic {message.topic}: not JSON, and no task asks for bytes"
            )
        return values or {}

    def _drop_repeat(
        self, source: Source, recent: Recent, values: Mapping[str, object], properties: Mapping[str, str]
    ) -> None:
        dedupe = source.settings.dedupe
        assert dedupe is not None
        if dedupe.property is not None:
            value: object = properties.get(dedupe.property)
        else:
            value = values.get(dedupe.field or "")
        if value is None:
            return
        key = value if isinstance(value, (str, int, float)) else str(value)
        if recent.seen(key):
            raise PayloadError("duplicate", f"{source.name}: {dedupe.property or dedupe.field} {key!r} came before")

    def _obey(self, message: Message) -> Sequence[Event]:
        device, channel = self._addressed(message.topic)
        if message.retain:
            raise PayloadError("retained_command", f"{message.topic}: retained commands are not obeyed")
        try:
            values = decode(message.payload, _COMMAND_BYTES)
        except PayloadError as error:
            raise PayloadError("bad_command", f"{message.topic}: {error}") from error
        value = message.payload.decode("utf-8", "replace") if values is None else values.get("value", values)
        assert self._command is not None
        self._command(device, channel, value)
        return ()

    def _addressed(self, topic: str) -> tuple[str, str]:
        levels = topic[len(self._prefix) :].split("/") if topic.startswith(self._prefix) else []
        if len(levels) != 3 or levels[2] != _COMMANDS or levels[0] not in self._commanded or self._command is None:
            raise PayloadError(
                "no_source", f"no source listens to {topic}; the broker may remember an old subscription"
            )
        return levels[0], levels[1]


def _hops(text: str) -> int:
    """How many publishes it came through. What is no number did not come from us."""
    return min(int(text), 1000) if text.isascii() and text.isdigit() and len(text) <= 9 else 0
