"""Devices that hang on an MQTT broker: what they say becomes readings, what they are told becomes messages.

A preset (`drivers.tasmota`, `zigbee2mqtt`, `shelly`, `esphome`) knows topics and payloads and nothing of brokers: it
names the topics it wants, makes something of one message (`take`) and a message of a command (`command`). Who carries
the messages is the wire, a `Post`: the runtime's ingest, a connection of a command's own, or a simulated node.

A device of this kind cannot be asked as a chip can: it speaks when it likes. `read()` gives what was heard last.
"""

import json
import math
import re
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple, Protocol

from drivers.base import Device, Output, Reading, Seconds, Value
from drivers.errors import BadData, BusTimeout, BusUnavailable, Nack, OutOfRange
from drivers.options import nearest, words_in

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


class Quantity(NamedTuple):
    """The unit of a channel, and the values beyond which it is no measurement but a fault."""

    unit: str
    low: float = -math.inf
    high: float = math.inf


BOOL = Quantity("bool")
QUANTITIES: Mapping[str, Quantity] = {
    "on": BOOL,
    "power": Quantity("W", -100_000.0, 100_000.0),
    "apparent_power": Quantity("VA", -100_000.0, 100_000.0),
    "reactive_power": Quantity("var", -100_000.0, 100_000.0),
    "power_factor": Quantity("ratio", -1.0, 1.0),
    "voltage": Quantity("V", 0.0, 1_000.0),
    "current": Quantity("A", -500.0, 500.0),
    "frequency": Quantity("Hz", 0.0, 500.0),
    "energy": Quantity("kWh", 0.0, 999_999.0),
    "temperature": Quantity("degC", -100.0, 300.0),
    "humidity": Quantity("%", 0.0, 100.0),
    "pressure": Quantity("hPa", 300.0, 1_200.0),
    "illuminance": Quantity("lx", 0.0, 200_000.0),
    "co2": Quantity("ppm", 0.0, 50_000.0),
    "battery": Quantity("%", 0.0, 100.0),
}
"""Channels that several presets have."""


def quantities(*names: str, **more: Quantity) -> dict[str, Quantity]:
    """Those of `QUANTITIES`, in this order, and some of the preset's own."""
    return {**{name: QUANTITIES[name] for name in names}, **more}


def units(table: Mapping[str, Quantity]) -> dict[str, str]:
    return {name: quantity.unit for name, quantity in table.items()}


def ranges(table: Mapping[str, Quantity]) -> dict[str, tuple[float, float]]:
    return {name: (low, high) for name, (_, low, high) in table.items() if math.isfinite(low)}


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

    def __init__(self, post: Post, topic: str | None, channels: Mapping[str, Quantity], stale: Seconds | None) -> None:
        if not topic or topic.strip("/") != topic or set(topic) & set("+#\0"):
            raise OutOfRange(f"{type(self).__name__} needs the topic of one device, without + and #, not {topic!r}")
        if stale is not None and stale <= 0:
            raise OutOfRange("stale: 0s would make every device lost at once; leave it out for the usual time")
        self.post = post
        self.topic = topic
        self.telling = units(channels)
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
        channels: Mapping[str, Quantity],
        stale: Seconds | None,
        safe: Value | None,
    ) -> None:
        super().__init__(post, topic, channels, stale)
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


# -- what presets read with -----------------------------------------------------------------------------------------


def channels_in(text: str, known: Mapping[str, Quantity], preset: str, *, open: bool = False) -> dict[str, Quantity]:
    """The option `channels`: names, and where the preset's list is `open` also `name=unit`. Raises `OutOfRange`."""
    chosen: dict[str, Quantity] = {}
    for word in words_in(text):
        name, given, unit = word.partition("=")
        if name in chosen:
            raise OutOfRange(f"channels: {name} stands there twice")
        if name in known:
            if given and unit != known[name].unit:
                raise OutOfRange(f"channels: {preset} gives {name} in {known[name].unit}, not in {unit or 'nothing'}")
            chosen[name] = known[name]
        elif open and unit and re.fullmatch("[a-z][a-z0-9_]*", name):
            chosen[name] = Quantity(unit)
        else:
            otherwise = f"; any other needs its unit: {name}=degC" if open else ""
            listed = f"; it knows {', '.join(known)}"
            raise OutOfRange(f"channels: {preset} knows no {name!r}{nearest(name, tuple(known)) or listed}{otherwise}")
    if not chosen:
        raise OutOfRange(f"channels: name at least one of {', '.join(known)}")
    return chosen


def chosen_units(text: object, known: Mapping[str, Quantity], otherwise: Mapping[str, str]) -> Mapping[str, str]:
    """The units of `channels_in`, for `Device.channels_of`: `otherwise` where the option makes no sense."""
    try:
        return units(channels_in(str(text), known, "", open=True))
    except OutOfRange:
        return otherwise


def text_of(payload: bytes) -> str:
    """A payload that is a word or a number. Raises `BadData`."""
    try:
        return payload.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise BadData(f"not text: {payload[:40]!r}") from error


def object_of(payload: bytes) -> dict[str, Any]:
    """A payload that is a JSON object. Raises `BadData`."""
    try:
        found = json.loads(payload, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise BadData(f"not JSON: {payload[:40]!r}") from error
    if not isinstance(found, dict):
        raise BadData(f"not a JSON object: {payload[:40]!r}")
    return found


def number_of(value: Any, what: str) -> float:
    """A number, also one written as text, as some devices do. Raises `BadData`."""
    try:
        if isinstance(value, int | float | str) and not isinstance(value, bool):
            number = float(value)
            if math.isfinite(number):
                return number
    except (ValueError, OverflowError):
        pass
    raise BadData(f"{what} is {str(value)[:40]!r}, which is no number")


def switch_of(value: Any, what: str) -> bool:
    """True or false, or on and off in any case. Raises `BadData`."""
    if isinstance(value, bool):
        return value
    word = value.lower() if isinstance(value, str) else ""
    if word not in ("on", "off"):
        raise BadData(f"{what} is {str(value)[:40]!r}, neither ON nor OFF")
    return word == "on"


def presence_of(payload: bytes, online: str, offline: str, of: str = "device") -> Presence | None:
    """What an availability topic says; None for the empty message that clears it. Raises `BadData`."""
    word = text_of(payload)
    if word.startswith("{"):
        word = str(object_of(payload).get("state"))
    if not word:
        return None
    if word not in (online, offline):
        raise BadData(f"{word[:40]!r} is neither {online} nor {offline}")
    return Presence(word == online, of)


def _no_number(word: str) -> Any:
    raise ValueError(word)
