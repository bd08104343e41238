"""Relays, plugs and meters by Shelly, on their own firmware; both generations.

Second generation and later (Plus, Pro, Gen3, Gen4), from Shelly's documentation of the MQTT and Switch components, and
messages that users published (iobroker-community-adapters/ioBroker.shelly issue 813):

    <topic>/online             true | false; kept, and the last will
    <topic>/status/switch:0    {"id":0,"source":"init","output":false,"apower":0.0,"voltage":232.7,"current":0.000,
                                "aenergy":{"total":0.000, ...},"temperature":{"tC":39.2, "tF":102.5}}
    <topic>/status/input:0     {"id":0,"state":false}
    <topic>/command/switch:0   on | off | status_update

"Generic status update over MQTT" and "Enable MQTT Control" must be switched on in the device's settings.

First generation (`generation: 1`), topics and payloads as the sources of public programs for it have them (Home
Assistant configurations, ioBroker.shelly, a test of rules for the shelly1pm); **Shelly's own page not seen**:

    shellies/<id>/online           true | false              shellies/<id>/relay/0          on | off | overpower
    shellies/<id>/relay/0/power    0.00, in W                shellies/<id>/relay/0/energy   138838, in W min
    shellies/<id>/temperature      34.21, in degC            shellies/<id>/input/0          0 | 1
    shellies/<id>/relay/0/command  on | off
"""

import json
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from drivers.base import Reading, Seconds, Value, on_or_off
from drivers.errors import BadData, OutOfRange
from drivers.kit import preset
from drivers.kit.preset import BOOL
from drivers.simulation.mqtt import SimNode
from drivers.wires.mqtt import MqttOutput, Post, Presence

KNOWN = preset.measures(
    "on", "power", "voltage", "current", "frequency", "power_factor", "energy", "temperature", input=BOOL
)
_SWITCH: Mapping[str, tuple[str, ...]] = {
    "on": ("output",), "power": ("apower",), "voltage": ("voltage",), "current": ("current",), "frequency": ("freq",),
    "power_factor": ("pf",), "energy": ("aenergy", "total"), "temperature": ("temperature", "tC"),
}  # fmt: skip
_FIRST = ("on", "power", "energy", "temperature", "input")
_WATT_HOURS, _WATT_MINUTES = 1000.0, 60_000.0  # in a kWh


class Shelly(MqttOutput):
    """One relay of a Shelly, with what it measures.

    `topic` is the device's MQTT prefix: `shellyplus1-a8032abe54dc`, for the first generation
    `shellies/shelly1pm-A123B4`. `relay` counts from 0, as Shelly does, and is the number of the input as well.
    """

    channels: ClassVar[Mapping[str, str]] = preset.units(KNOWN)
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = preset.ranges(KNOWN)
    resolution: ClassVar[Mapping[str, float]] = {
        "power": 0.1, "voltage": 0.1, "current": 0.001, "frequency": 0.1, "power_factor": 0.01, "energy": 0.001,
        "temperature": 0.1,
    }  # fmt: skip

    def __init__(
        self,
        post: Post,
        topic: str | None = None,
        *,
        channels: str = "on",
        relay: int = 0,
        generation: Literal[1, 2] = 2,
        safe: bool | Literal["on", "off"] | None = None,
        stale: Seconds | None = None,
    ) -> None:
        super().__init__(post, topic, preset.channels_in(channels, KNOWN, "shelly"), stale, safe)
        if not 0 <= relay <= 7:
            raise OutOfRange(f"there is no relay {relay}; they count from 0")
        self.relay = relay
        self.generation = generation
        self.presence = f"{self.topic}/online"
        places = self._first() if generation == 1 else self._second()
        self.places = {f"{self.topic}/{place}": channels for place, channels in places.items() if channels}
        self.topics = (self.presence, *self.places)
        if generation == 1 and stale is None:
            self.stale = Seconds(120.0)  # it says everything every 30 s

    def _first(self) -> dict[str, tuple[str, ...]]:
        alien = [channel for channel in self.telling if channel not in _FIRST]
        if alien:
            raise OutOfRange(f"channels: {alien[0]} is not told by the first generation, only {', '.join(_FIRST)}")
        relay = f"relay/{self.relay}"
        places = (relay, f"{relay}/power", f"{relay}/energy", "temperature", f"input/{self.relay}")
        return {place: (name,) if name in self.telling else () for name, place in zip(_FIRST, places, strict=True)}

    def _second(self) -> dict[str, tuple[str, ...]]:
        switch = tuple(channel for channel in self.telling if channel in _SWITCH)
        places = {f"status/switch:{self.relay}": switch}
        return {**places, f"status/input:{self.relay}": ("input",) if "input" in self.telling else ()}

    @classmethod
    def channels_of(cls, options: Mapping[str, Any]) -> Mapping[str, str]:
        return preset.channels_or(options.get("channels", "on"), KNOWN, cls.channels)

    @property
    def claims(self) -> frozenset[str]:
        return frozenset(f"{topic} {channel}" for topic, channels in self.places.items() for channel in channels)

    def ask(self) -> list[tuple[str, bytes]]:
        return [] if self.generation == 1 else [(self.control, b"status_update")]

    @property
    def control(self) -> str:
        """The topic of commands."""
        place = f"relay/{self.relay}/command" if self.generation == 1 else f"command/switch:{self.relay}"
        return f"{self.topic}/{place}"

    def command(self, value: Value) -> list[tuple[str, bytes]]:
        return [(self.control, b"on" if on_or_off(value, "a Shelly") else b"off")]

    def take(self, topic: str, payload: bytes) -> Reading | Presence | None:
        if topic == self.presence:
            return preset.presence_of(payload, "true", "false")
        channels = self.places.get(topic)
        if channels is None:
            return None
        return self._plain(channels[0], payload) if self.generation == 1 else self._status(channels, payload)

    def _plain(self, channel: str, payload: bytes) -> Reading:
        text = preset.text_of(payload)
        if channel == "on":
            return self.reading(on=preset.switch_of("off" if text == "overpower" else text, "the relay"))
        if channel == "input":
            if text not in ("0", "1"):
                raise BadData(f"the input is {text[:40]!r}, neither 0 nor 1")
            return self.reading(input=text == "1")
        return self.reading(
            **{channel: preset.number_of(text, channel) / (_WATT_MINUTES if channel == "energy" else 1)}
        )

    def _status(self, channels: tuple[str, ...], payload: bytes) -> Reading:
        status = preset.object_of(payload)
        found: dict[str, float | bool] = {}
        for channel in channels:
            path = ("state",) if channel == "input" else _SWITCH[channel]
            value: Any = status
            for step in path:
                value = value.get(step) if isinstance(value, dict) else None
            if value is None:  # null: it could not measure
                continue
            if channel in ("on", "input"):
                found[channel] = preset.switch_of(value, path[0])
            else:
                found[channel] = preset.number_of(value, channel) / (_WATT_HOURS if channel == "energy" else 1)
        if not found:
            raise BadData(f"it has none of {', '.join(channels)}, only {preset.names_of(status)}")
        return self.reading(**found)


class SimShelly(SimNode):
    """A relay with a meter, of either generation. Off, it measures no power."""

    period = 60.0
    qos = 1
    defaults: ClassVar[Mapping[str, float]] = {
        "power": 40.0, "voltage": 230.0, "current": 0.191, "frequency": 50.0, "power_factor": 0.9, "energy": 12.5,
        "temperature": 40.0, "input": 0.0,
    }  # fmt: skip
    _BY_LOAD = ("power", "current", "power_factor")

    def __init__(self, world: Any, name: str) -> None:
        super().__init__(world, name)
        self._input = False

    def birth(self) -> None:
        self.say(self.device.presence, "true", retain=True)

    def will(self) -> None:
        self.say(self.device.presence, "false", retain=True)

    def report(self) -> None:
        for topic in self.device.places:
            self._tell(topic)

    def changed(self) -> None:
        if bool(self.signal("input")) != self._input:
            self.report()

    def _tell(self, topic: str) -> None:
        self._input = bool(self.signal("input"))
        if self.device.generation == 1:
            [channel] = self.device.places[topic]
            self.say(topic, self._plain(channel), retain=True)
        elif "/status/input:" in topic:
            self.say(topic, json.dumps({"id": self.device.relay, "state": self._input}))
        else:
            self.say(topic, json.dumps(self._status("init")))

    def _plain(self, channel: str) -> str:
        if channel == "on":
            return "on" if self.on else "off"
        if channel == "input":
            return str(int(self._input))
        return f"{self._shown(channel) * _WATT_MINUTES:.0f}" if channel == "energy" else f"{self._shown(channel):.2f}"

    def _status(self, source: str) -> dict[str, Any]:
        celsius = self._shown("temperature")
        return {
            "id": self.device.relay, "source": source, "output": self.on, "apower": self._shown("power"),
            "voltage": self._shown("voltage"), "freq": self._shown("frequency"), "current": self._shown("current"),
            "pf": self._shown("power_factor"), "aenergy": {"total": self._shown("energy") * _WATT_HOURS},
            "temperature": {"tC": celsius, "tF": round(celsius * 1.8 + 32, 1)},
        }  # fmt: skip

    def _shown(self, channel: str) -> float:
        value = self.signal(channel) if self.on or channel not in self._BY_LOAD else 0.0
        step = Shelly.resolution[channel]
        return round(round(value / step) * step, 3)

    def obey(self, topic: str, payload: bytes) -> None:
        if topic == self.device.control:
            if payload == b"status_update":
                self.report()
            else:
                self.switch({b"on": True, b"off": False}.get(payload, self.on))

    def switched(self, changed: bool) -> None:
        self.report()


DRIVER, SIM = Shelly, SimShelly
