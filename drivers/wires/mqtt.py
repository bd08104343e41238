"""Devices that hang on an MQTT broker: what they say becomes readings, what they are told becomes messages.

A preset (`drivers.tasmota`, `zigbee2mqtt`, `shelly`, `esphome`) knows topics and payloads and nothing of brokers: it
names the topics it wants, makes something of one message (`take`) and a message of a command (`command`). Who carries
the messages is the wire, a `Post`: the runtime's ingest, a connection of a command's own, or a simulated node.

A device of this kind cannot be asked as a chip can: it speaks when it likes. `read()` gives what was heard last.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, NamedTuple, Protocol

from drivers.base import Device, Output, Reading, Seconds, Value
from drivers.errors import BadData, BusTimeout, BusUnavailable, Nack, OutOfRange

LARGEST = 64_000
"""Bytes of the longest message that is looked at; what such devices send is a hundredth of it."""


class Said(NamedTuple):
    """One message; `retain` where the broker had kept it, which says nothing about the device being alive."""

    topic: str
    payload: bytes
    retain: bool = False


@dataclass(frozen=True, slots=True)
class Presence:
    """Word of the device, or of what stands between it and the broker (`of`: "bridge"), that it is there or not."""

    online: bool
    of: str = "device"


class Post(Protocol):
    """The way to and from one broker."""

    name: str

    def subscribe(self, topics: Sequence[str]) -> None:
        """Have `messages` bring what comes on these, what the broker kept included. Raises `BusError`."""

    def publish(self, topic: str, payload: bytes) -> None:
        """Have the broker take it at QoS 1, not to be kept. Raises `BusError` where it did not."""

    def messages(self, enough: Callable[[], bool]) -> Iterable[Said]:
        """What came since the last call; may wait a few seconds for more until it is `enough`. Raises `BusError`."""

    def close(self) -> None: ...


class MqttDevice(Device):
    """Base of what hangs on a broker: `Preset(post, topic, **options)`.

    topics    what to subscribe to, none with a wildcard; where it tells whether it is there comes first
    telling   channel -> unit of what this device tells
    stale     seconds of silence after which it counts as lost; None: it may be silent for ever
    fed       whether somebody else calls `hear` with what comes (the runtime's ingest); else `read` looks itself
    cut       why nothing can come now, empty while it can; set by whoever feeds it
    silence   the usual `stale` of a preset
    """

    wire = "mqtt"
    own_wire = True  # one device may be away and another not
    silence: ClassVar[Seconds | None] = None
    topics: tuple[str, ...]
    telling: Mapping[str, str] = MappingProxyType({})

    def __init__(self, post: Post, topic: str | None, telling: Mapping[str, str], stale: Seconds | None) -> None:
        if not topic or topic.strip("/") != topic or set(topic) & set("+#\0"):
            raise OutOfRange(f"{type(self).__name__} needs the topic of one device, without + and #, not {topic!r}")
        if stale is not None and stale <= 0:
            raise OutOfRange("stale: 0s would make every device lost at once; leave it out for the usual time")
        self.post = post
        self.topic = topic
        self.telling = telling
        self.stale = type(self).silence if stale is None else stale
        self.fed = False
        self.cut = ""
        self._values: Mapping[str, float | bool] = {}
        self._away: frozenset[str] = frozenset()

    def units(self) -> Mapping[str, str]:
        return self.telling

    @abstractmethod
    def take(self, topic: str, payload: bytes) -> Reading | Presence | None:
        """What one message on one of `topics` means: some of the channels, a presence, or nothing that concerns us.

        Changes nothing. Raises `BadData` or `OutOfRange`, whatever the bytes are, and nothing else.
        """

    def ask(self) -> list[tuple[str, bytes]]:
        """Messages after which the device says how it is; empty where it is told by itself or cannot be asked."""
        return []

    @property
    def claims(self) -> frozenset[str]:
        """What no second device may be made of: topic and channel."""
        return frozenset(f"{self.topic} {channel}" for channel in self.telling)

    def hear(self, said: Said) -> Reading | Presence | None:
        """`take`, remembered. None also for what the broker had kept of a device that is not there."""
        if len(said.payload) > LARGEST:
            raise BadData(f"{len(said.payload)} bytes; no such device says more than {LARGEST}")
        heard = self.take(said.topic, said.payload)
        if isinstance(heard, Presence):
            self._away = self._away - {heard.of} if heard.online else self._away | {heard.of}
            if self._away:
                self._values = {}
        elif heard is not None:
            if said.retain and self._away:
                return None
            if not said.retain:
                self._away = frozenset()
            self._values = {**self._values, **heard.values}
        return heard

    @property
    def away(self) -> frozenset[str]:
        """Whose word it is that the device is not there."""
        return self._away

    @property
    def values(self) -> Mapping[str, float | bool]:
        """What was heard last of each channel."""
        return self._values

    def forget(self) -> None:
        """It was silent for too long: what it said is no longer known to be so."""
        self._values = {}

    def start(self) -> None:
        if not self.fed:
            self.post.subscribe(self.topics)
            for topic, payload in self.ask():
                self.post.publish(topic, payload)

    def read(self) -> Reading:
        """What was heard last of each channel, of those that were heard of at all.

        Raises `BusUnavailable` without a connection, `Nack` for a device that is not there, `BusTimeout` where nothing
        was heard yet.
        """
        if self.cut:
            raise BusUnavailable(self.cut)
        if not self.fed:
            self._listen()
        if self._away:
            raise self.absence()
        if not self._values:
            raise BusTimeout(f"{self.topic}: nothing heard yet: is it on, and is this its topic?")
        return Reading(dict(self._values))

    def _listen(self) -> None:
        """Until every channel was heard once, or the post brings no more."""
        missing = set(self.telling)
        for said in self.post.messages(lambda: not missing and not self._away):
            heard = self.hear(said)
            if isinstance(heard, Reading):
                missing.difference_update(heard.values)

    def absence(self) -> Nack:
        """The error of a device that is not there."""
        who = "what connects it to the broker" if self._away == {"bridge"} else "it"
        return Nack(f"{self.topic}: {who} is offline, as the broker was told: check power and network")

    def close(self) -> None:
        """Nothing to do for a device that may simply go on."""
        return


class MqttOutput(MqttDevice, Output):
    """Base of those that can be told something. `safe` None: left as it is at stop, as at start."""

    safe: Value | None  # type: ignore[assignment]  # what is not there is not set

    def __init__(
        self,
        post: Post,
        topic: str | None,
        telling: Mapping[str, str],
        stale: Seconds | None,
        safe: Value | None,
    ) -> None:
        super().__init__(post, topic, telling, stale)
        self.safe = safe
        self._in_use = False

    @abstractmethod
    def command(self, value: Value) -> list[tuple[str, bytes]]:
        """The messages that bring the device to this value. Raises `OutOfRange`."""

    def prove_safe(self) -> None:
        """At the end of a constructor whose `safe` may be a number: raises `OutOfRange` for one that cannot be set."""
        if self.safe is not None:
            try:
                self.command(self.safe)
            except OutOfRange as error:
                raise OutOfRange(f"safe: {error}") from error

    def start(self) -> None:
        super().start()
        self._in_use = self._in_use or self.fed  # who only reads must not switch it off when he is done

    def set(self, value: Value) -> None:
        self._in_use = True
        for topic, payload in self.command(value):
            self.post.publish(topic, payload)

    def make_safe(self) -> None:
        """Go to the configured safe state; nothing where none is."""
        if self.safe is not None:
            self.set(self.safe)

    def close(self) -> None:
        in_use, self._in_use = self._in_use, False
        if in_use:
            self.make_safe()
