"""The frozen values that rooms hand to each other. No behaviour beyond turning into and out of plain data.

Those made for every message are named tuples: as frozen as a dataclass, made in a quarter of its time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any, NamedTuple, Protocol

from edge.clock import Quality, iso

MAX_HOPS = 8  # a chain of publish -> event -> run longer than this is a loop


class EventKind(StrEnum):
    """What in the world raised an event."""

    READING = "reading"  # a sensor was sampled
    EDGE = "edge"  # a pin changed, after debounce
    MESSAGE = "message"  # an MQTT message came
    TICK = "tick"  # a schedule was due
    MANUAL = "manual"  # someone ran `edge fire`


class Event(NamedTuple):
    """Something happened. What a micro-app is handed.

    `values` maps channel or field to value; `time` is the wall clock in seconds since 1970-01-01 UTC at the moment
    it happened, as good as `quality` says; `topic` is the MQTT topic of a message; `payload` are its raw bytes, kept
    only for a task that asks for raw payloads. `doubt` says why a reading may be a lie (`jump`, `frozen`); it starts
    only what asks for such readings. `monotonic` orders events of one boot and is never stored.
    """

    id: str
    source: str
    kind: EventKind
    values: Mapping[str, Any]
    time: float
    monotonic: float
    quality: Quality = "estimated"
    topic: str | None = None
    payload: bytes | None = None
    correlation_id: str = ""
    hops: int = 0
    doubt: str = ""

    def data(self) -> dict[str, Any]:
        """The event as it stands in an outcome: plain, JSON-ready, without what is empty."""
        data: dict[str, Any] = {
            "id": self.id,
            "source": self.source,
            "time": iso(self.time),
            "values": self.values,
        }
        if self.topic is not None:
            data["topic"] = self.topic
        if self.hops:
            data["hops"] = self.hops
        if self.doubt:
            data["doubt"] = self.doubt
        if self.kind is not EventKind.READING and self.kind is not EventKind.MESSAGE:
            data["kind"] = self.kind.value
        return data


class Status(StrEnum):
    """How a run ended. One outcome a run, one status an outcome."""

    SUCCESS = "success"  # returned a result of the declared type
    PARTIAL = "partial"  # returned, but said or was checked to be incomplete
    FAILURE = "failure"  # raised, asked for what was not granted, or returned the wrong type
    TIMEOUT = "timeout"  # did not end within `limits.time`
    CANCELLED = "cancelled"  # was told to end: shutdown, or replaced by a newer run
    REJECTED = "rejected"  # never ran: rate limit, queue full, too many hops


class RecordKind(IntEnum):
    """What a journal record is. The numbers stand on disk: never reuse one."""

    ACCEPTED = 1  # a run that must happen; `id` is the run's
    OUTCOME = 2  # how it ended: the envelope's bytes; same id, closes the accepted record
    PUBLISH = 3  # a message a run asked to send to the `mqtt:` broker


class RecordClass(StrEnum):
    """What a record is worth when space runs out."""

    ALARM = "alarm"
    TELEMETRY = "telemetry"
    PUBLISH = "publish"


class Record(NamedTuple):
    """One thing to keep. `body` is stored and sent as it is; `topic` only for PUBLISH."""

    kind: RecordKind
    klass: RecordClass
    id: str
    body: bytes
    topic: str = ""


class Stored(NamedTuple):
    """A record read back: `sequence` is the journal's own order, `accepted` the wall clock at append."""

    sequence: int
    record: Record
    accepted: float = 0.0


class Delivery(NamedTuple):
    """What recognises a redelivered QoS 1 message: `digest` is 64 bits over source, topic and payload."""

    client: str
    packet_id: int
    digest: int


class Verdict(StrEnum):
    """What became of a record at one upstream."""

    DELIVERED = "delivered"
    DEAD = "dead"  # the upstream said no for good; kept as a dead letter with its reason
    EXPIRED = "expired"  # its time to live passed before it could be sent
    DROPPED = "dropped"  # space ran out


class Incoming(Protocol):
    """Something offered to the inbox: not yet decoded, so that foreign threads do next to nothing."""

    @property
    def delivery(self) -> Delivery | None:
        """How a repeat of it is recognised; None where repeats cannot happen."""
        ...

    def events(self) -> Sequence[Event]:
        """Decode it, on the dispatch thread. Raises `PayloadError`."""
        ...

    def settle(self) -> None:
        """All that it matched is durable (or nothing matched): acknowledge it. Any thread, once."""
        ...


@dataclass(frozen=True, slots=True)
class Happened:
    """An `Incoming` that is an event already and that nobody waits for: readings, edges, ticks."""

    event: Event

    @property
    def delivery(self) -> None:
        return None

    def events(self) -> Sequence[Event]:
        return (self.event,)

    def settle(self) -> None:
        """Nobody waits."""


class Start(NamedTuple):
    """A trigger matched: run `task` for `event`."""

    task: str
    event: Event


@dataclass(frozen=True, slots=True)
class Fired:
    """An `Incoming` that starts one task by hand, past its trigger. `answer` gets the outcome's bytes, or None and
    why it was refused; it is called once, by the thread that ends the run, before the outcome is durable."""

    start: Start
    answer: Callable[[bytes | None, str], None]

    @property
    def delivery(self) -> None:
        return None

    def events(self) -> Sequence[Event]:
        return (self.start.event,)

    def settle(self) -> None:
        """Nobody waits for more than the answer."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """An outcome read back from its envelope: what tests, the command line and consumers look at."""

    id: str
    task: str
    status: Status
    time: str
    event: Mapping[str, Any]
    result: Any
    error: Mapping[str, Any] | None
    attempts: int
    duration_ms: float
    usage: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_envelope(cls, envelope: Mapping[str, Any]) -> Outcome:
        """From the CloudEvents structured form; raises KeyError when it is not one of ours."""
        data = envelope["data"]
        return cls(
            id=envelope["id"],
            task=data["task"],
            status=Status(data["status"]),
            time=envelope["time"],
            event=data["event"],
            result=data["result"],
            error=data["error"],
            attempts=data["attempts"],
            duration_ms=data["duration_ms"],
            usage=data["usage"],
            data=data,
        )
