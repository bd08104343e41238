"""Nodes with the ESPHome firmware and its `mqtt:` component.

Topics from ESPHome's documentation (`components/mqtt.rst` of esphome/esphome-docs) and logs of its users
(esphome/esphome issue 10411, home-assistant/core issue 18240, where a sensor without a value says `nan`):

    <node>/status                        online | offline; kept, and the last will
    <node>/sensor/<name>/state           23.4                        <node>/binary_sensor/<name>/state   ON | OFF
    <node>/switch/<name>/state           ON | OFF                    <node>/switch/<name>/command        ON | OFF

States are kept by the broker unless the node's configuration says otherwise.
"""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from drivers.base import Reading, Seconds, Value, on_or_off
from drivers.errors import BadData, OutOfRange
from drivers.kit import preset
from drivers.kit.values import each
from drivers.options import nearest, words_in
from drivers.simulation.mqtt import SimNode
from drivers.wires.mqtt import MqttOutput, Post, Presence

_KINDS = ("sensor", "binary_sensor", "switch")


def components_in(text: str) -> dict[str, tuple[str, str]]:
    """Channel -> component (`sensor/level`) and unit, of the option `channels`. Raises `OutOfRange`."""
    found: dict[str, tuple[str, str]] = {}
    for word in words_in(text):
        component, _, unit = word.partition("=")
        kind, _, name = component.partition("/")
        if kind not in _KINDS or not re.fullmatch("[a-z][a-z0-9_]*", name):
            hint = nearest(kind, _KINDS)
            raise OutOfRange(f"channels: {word!r} is not sensor/NAME=UNIT, binary_sensor/NAME or switch/NAME{hint}")
        if kind == "sensor" and not unit:
            raise OutOfRange(f"channels: {component} needs its unit, which the messages do not tell: {component}=mm")
        if kind != "sensor" and unit not in ("", "bool"):
            raise OutOfRange(f"channels: {component} is on or off; delete ={unit}")
        if name in found:
            raise OutOfRange(f"channels: {name} stands there twice")
        found[name] = (component, unit if kind == "sensor" else "bool")
    if not found:
        raise OutOfRange("channels: name at least one component, such as sensor/level=mm")
    return found


class EspHome(MqttOutput):
    """Some components of one node; `topic` is the node's name, or its `topic_prefix`.

    The names of channels are those of the components. It can be set where one is a switch; with several,
    `pump=on valve=off` sets some of them.
    """

    channels: ClassVar[Mapping[str, str]] = {}

    def __init__(
        self,
        post: Post,
        topic: str | None = None,
        *,
        channels: str,
        safe: bool | Literal["on", "off"] | None = None,
        stale: Seconds | None = None,
    ) -> None:
        components = components_in(channels)
        super().__init__(post, topic, {name: unit for name, (_, unit) in components.items()}, stale, safe)
        self.switches = tuple(name for name, (component, _) in components.items() if component.startswith("switch/"))
        if safe is not None and not self.switches:
            raise OutOfRange("safe: a node without a switch among its channels cannot be set")
        self.presence = f"{self.topic}/status"
        self.places = {f"{self.topic}/{component}/state": name for name, (component, _) in components.items()}
        self.topics = (self.presence, *self.places)

    @classmethod
    def channels_of(cls, options: Mapping[str, Any]) -> Mapping[str, str]:
        try:
            found = components_in(str(options.get("channels", "")))
        except OutOfRange:
            return cls.channels
        return {name: unit for name, (_, unit) in found.items()}

    @classmethod
    def acts(cls, options: Mapping[str, Any]) -> bool:
        return any(word.startswith("switch/") for word in words_in(str(options.get("channels", ""))))

    @property
    def claims(self) -> frozenset[str]:
        return frozenset(self.places)

    def command(self, value: Value) -> list[tuple[str, bytes]]:
        wishes = each(value, self.switches, "an ESPHome switch", on_or_off)
        return [(f"{self.topic}/switch/{name}/command", b"ON" if wanted else b"OFF") for name, wanted in wishes.items()]

    def take(self, topic: str, payload: bytes) -> Reading | Presence | None:
        if topic == self.presence:
            return preset.presence_of(payload, "online", "offline")
        name = self.places.get(topic)
        if name is None or not payload:  # empty: somebody cleared what the broker kept
            return None
        text = preset.text_of(payload)
        if self.telling[name] == "bool" and not topic.startswith(f"{self.topic}/sensor/"):
            return self.reading(**{name: preset.switch_of(text, name)})
        if text.lower() == "nan":
            raise BadData(f"{name} is nan: the node has no value of it")
        return self.reading(**{name: preset.number_of(text, name)})


class SimEspHome(SimNode):
    """A node with the components that the configuration asks for."""

    period = 60.0

    def __init__(self, world: Any, name: str) -> None:
        super().__init__(world, name)
        self._told: dict[str, str] = {}
        self.switched_on: dict[str, bool] = {}

    def fit(self, device: Any) -> None:
        self.switched_on = dict.fromkeys(device.switches, False)
        super().fit(device)

    def birth(self) -> None:
        self.say(self.device.presence, "online", retain=True)

    def will(self) -> None:
        self.say(self.device.presence, "offline", retain=True)

    def report(self) -> None:
        for topic, name in self.device.places.items():
            self._tell(topic, name)

    def changed(self) -> None:
        for topic, name in self.device.places.items():
            if self.device.telling[name] == "bool" and self._text(name) != self._told.get(name):
                self._tell(topic, name)

    def _tell(self, topic: str, name: str) -> None:
        self._told[name] = self._text(name)
        self.say(topic, self._told[name], retain=True)

    def _text(self, name: str) -> str:
        value = self.signal(name, float(self.switched_on.get(name, 0.0)))
        if self.device.telling[name] == "bool":
            return "ON" if value else "OFF"
        return f"{value:.3f}"

    def obey(self, topic: str, payload: bytes) -> None:
        for name in self.switched_on:
            if topic == f"{self.device.topic}/switch/{name}/command" and payload in (b"ON", b"OFF"):
                self.switched_on[name] = payload == b"ON"
                self.world[f"{self.name}.{name}"] = self.switched_on[name]
                self._tell(f"{self.device.topic}/switch/{name}/state", name)


DRIVER, SIM = EspHome, SimEspHome
