"""How a batch of records becomes one message on a link, and what the broker's answer means for them.

A courier is the seam of an upstream: `Sync` decides what is sent when, the courier how.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import orjson

from edge import envelope
from edge.links.link import CORRELATION, FAILURE, HOPS, REPLAYED, Link, Pairs
from edge.model import Record, Stored

_LARGEST_PACKET = 268_435_455  # the protocol's own limit
_OVERHEAD = 400  # bytes of a PUBLISH packet beside topic and payload, generously
_LONGEST_TOPIC = 1024  # of those that runs publish on
_BATCH_BYTES = 100_000  # brokers in the cloud take 128 KB and less


class Fate(Enum):
    """What an answer means."""

    DELIVERED = "delivered"
    REFUSED = "refused"  # these records will never be taken
    LATER = "later"  # not now: a quota, an overload
    FORBIDDEN = "forbidden"  # nothing is wrong with the records: a person has to open the door first


@dataclass(frozen=True, slots=True)
class Answer:
    """What the other side said to one message; `reason` for people."""

    fate: Fate
    reason: str = ""


DELIVERED = Answer(Fate.DELIVERED)
Answered = Callable[[Answer], None]


class Courier(Protocol):
    """One way upstream. Used by one thread, that of its link."""

    batch: int
    """Records that one message is meant to hold at most."""
    size: int
    """Bytes that one message is meant to hold at most; a single record may be larger."""
    window: int
    """Messages that may be under way."""

    @property
    def connection(self) -> int:
        """The number of the connection that is up, 0 without one."""
        ...

    @property
    def free(self) -> bool:
        """Whether the other side takes another message now."""
        ...

    @property
    def capacity(self) -> int:
        """Bytes of records that can be in one message at all."""
        ...

    @property
    def patience(self) -> float:
        """Seconds without an answer after which the connection does not work, whatever it claims."""
        ...

    def send(self, batch: Sequence[Stored], replayed: bool, answered: Answered) -> None:
        """Send one message. `answered` comes during a later step of the link, unless the connection ends first.

        Raises ValueError when these records can never be sent.
        """
        ...

    def blame(self, connections: int) -> Answer:
        """What it means that sending one record ended so many connections in a row."""
        ...

    def give_up(self, reason: str) -> None:
        """This connection does not work: make another."""
        ...

    def wake(self) -> None:
        """Have the thread look at its sync. Any thread."""
        ...


# Reason codes of PUBACK (MQTT 5, section 3.4.2.1) that say something about the moment, not about the message
_PASSING = {0x91: Fate.LATER, 0x97: Fate.LATER, 0x89: Fate.LATER, 0x96: Fate.LATER}
_NOT_AUTHORISED = 0x87


class _MqttCourier:
    def __init__(self, link: Link, *, window: int, batch: int, size: int, overhead: int) -> None:
        self.batch = batch
        self.size = size
        self.window = window
        self._link = link
        self._overhead = overhead

    @property
    def connection(self) -> int:
        session = self._link.session
        return 0 if session is None else session.number

    @property
    def free(self) -> bool:
        return self._link.room > 0

    @property
    def patience(self) -> float:
        session = self._link.session
        return 1.5 * session.keepalive if session is not None and session.keepalive else 60.0

    def give_up(self, reason: str) -> None:
        self._link.replace(reason)

    def wake(self) -> None:
        self._link.wake()

    @property
    def capacity(self) -> int:
        session = self._link.session
        packet = _LARGEST_PACKET if session is None else session.maximum_packet_size or _LARGEST_PACKET
        return packet - self._overhead


class OutcomeCourier(_MqttCourier):
    """Outcomes to one topic of an upstream broker: an envelope, or a JSON array of up to `batch` of them."""

    def __init__(self, link: Link, topic: str, *, window: int, batch: int) -> None:
        super().__init__(link, window=window, batch=batch, size=_BATCH_BYTES, overhead=_OVERHEAD + len(topic.encode()))
        self._topic = topic

    def send(self, batch: Sequence[Stored], replayed: bool, answered: Answered) -> None:
        if len(batch) == 1:
            payload, content_type = batch[0].record.body, envelope.CONTENT_TYPE
        else:
            payload = envelope.pack([stored.record.body for stored in batch])
            content_type = envelope.BATCH_CONTENT_TYPE

        def done(code: int, name: str) -> None:
            answered(DELIVERED if code == 0 else self._judge(code, name))

        self._link.publish(
            self._topic, payload, content_type=content_type, properties=REPLAYED if replayed else (), done=done
        )

    def blame(self, connections: int) -> Answer:
        return self._forbidden(f"sending an outcome ended {connections} connections in a row")

    def _forbidden(self, what: str) -> Answer:
        remedy = f"let {self._link.client_id} publish on {self._topic} in the broker's access rules"
        return Answer(Fate.FORBIDDEN, f"{what}; {remedy}")

    def _judge(self, code: int, name: str) -> Answer:
        if code < FAILURE:  # only 0x10 is that: taken, and thrown away at once
            return Answer(Fate.DELIVERED, f"nobody subscribes to {self._topic} at the upstream broker")
        if code == _NOT_AUTHORISED:
            return self._forbidden(name)
        return Answer(_PASSING.get(code, Fate.REFUSED), f"{name} (reason 0x{code:02x})")


class PublishCourier(_MqttCourier):
    """What runs asked to publish, each record on its own topic.

    It uses the ingest link, not one of its own: `noLocal` keeps a gateway from hearing itself only where both sides
    are one client. Text is sent as it is, anything else as JSON.
    """

    def __init__(self, link: Link, *, window: int = 64) -> None:
        super().__init__(link, window=window, batch=1, size=_BATCH_BYTES, overhead=_OVERHEAD + _LONGEST_TOPIC)

    def send(self, batch: Sequence[Stored], replayed: bool, answered: Answered) -> None:
        [stored] = batch
        payload, properties = _unpack(stored.record)
        if replayed:
            properties += REPLAYED

        def done(code: int, name: str) -> None:
            if code < FAILURE:
                answered(DELIVERED)
            else:
                answered(
                    Answer(_PASSING.get(code, Fate.REFUSED), f"{name} (reason 0x{code:02x}) on {stored.record.topic}")
                )

        self._link.publish(stored.record.topic, payload, properties=properties, done=done)

    def blame(self, connections: int) -> Answer:
        return Answer(Fate.REFUSED, f"the broker ended {connections} connections in a row instead of taking it")


def _unpack(record: Record) -> tuple[bytes, Pairs]:
    try:
        body = orjson.loads(record.body)
        value = body["payload"]
        properties = ((CORRELATION, str(body["correlation_id"])), (HOPS, str(body["hops"])))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"not a publish record: {error}") from error
    return value.encode() if isinstance(value, str) else orjson.dumps(value), properties
