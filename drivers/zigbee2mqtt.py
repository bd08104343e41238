"""Zigbee devices behind Zigbee2MQTT.

Topics and payloads from its documentation (`mqtt_topics_and_messages.md`, `device-availability.md` of
Koenkk/zigbee2mqtt.io), and logs of its users:

    zigbee2mqtt/<name>                {"temperature": 27.34, "humidity": 44.72}: what this kind of device exposes
    zigbee2mqtt/<name>/availability   online | offline, or {"state": "online"}; kept; only where availability is on
    zigbee2mqtt/bridge/state          the same of Zigbee2MQTT itself, which is its last will
    zigbee2mqtt/<name>/set            {"state": "ON"}

Every kind of device has its own keys ("Exposes" on its page): those that are not known here are channels when their
unit is given, `channels: "temperature voc_index=ppb"`. Buttons say what was done in words ({"action": "single"}),
which no channel can hold: subscribe to their topic in `mqtt:` and look at the field `action`.
"""

import json
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from drivers.base import Reading, Seconds, Value, on_or_off
from drivers.errors import OutOfRange
from drivers.kit import preset
from drivers.kit.preset import BOOL, Measure
from drivers.kit.values import percent
from drivers.simulation.mqtt import SimNode
from drivers.wires.mqtt import MqttOutput, Post, Presence

KNOWN = preset.measures(
    "temperature", "humidity", "pressure", "illuminance", "co2", "battery",
    "on", "power", "voltage", "current", "energy",
    brightness=Measure("%", 0.0, 100.0), battery_voltage=Measure("mV", 0.0, 20_000.0),
    device_temperature=preset.MEASURES["temperature"], soil_moisture=Measure("%", 0.0, 100.0),
    pm25=Measure("ug/m3", 0.0, 10_000.0), linkquality=Measure("lqi", 0.0, 255.0), position=Measure("%", 0.0, 100.0),
    contact=BOOL, occupancy=BOOL, presence=BOOL, vibration=BOOL, water_leak=BOOL, smoke=BOOL, gas=BOOL, tamper=BOOL,
    battery_low=BOOL,
)  # fmt: skip
_KEYS = {"on": "state", "battery_voltage": "voltage"}  # a plug's voltage is in V, a battery's in mV
_BRIGHTEST = 254


class Zigbee2Mqtt(MqttOutput):
    """One Zigbee device by its friendly name.

    It can be set where `channels` has `on` (true, "on" ...) or `brightness` (per cent; 0 is off). `endpoint` names one
    of several switches of a device (`state_l1`); `base` is Zigbee2MQTT's base topic.
    """

    channels: ClassVar[Mapping[str, str]] = preset.units(KNOWN)
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = preset.ranges(KNOWN)
    resolution: ClassVar[Mapping[str, float]] = {
        "temperature": 0.01, "humidity": 0.01, "pressure": 0.1, "illuminance": 1.0, "co2": 1.0, "battery": 0.5,
        "power": 0.01, "voltage": 0.01, "current": 0.01, "energy": 0.01, "brightness": 0.4, "battery_voltage": 1.0,
        "device_temperature": 1.0, "soil_moisture": 0.1, "pm25": 1.0, "linkquality": 1.0, "position": 1.0,
    }  # fmt: skip
    silence = Seconds(90_000.0)  # 25 h: after so long Zigbee2MQTT itself gives up a device with a battery

    def __init__(
        self,
        post: Post,
        topic: str | None = None,
        *,
        channels: str,
        endpoint: str | None = None,
        base: str = "zigbee2mqtt",
        safe: bool | float | Literal["on", "off"] | None = None,
        stale: Seconds | None = None,
    ) -> None:
        super().__init__(post, topic, preset.channels_in(channels, KNOWN, "zigbee2mqtt", open=True), stale, safe)
        if safe is not None and not self.acts({"channels": channels}):
            raise OutOfRange("safe: a device without the channel on or brightness cannot be set")
        self.state = f"{base}/{self.topic}"
        self._suffix = f"_{endpoint}" if endpoint else ""
        self._bridge = f"{base}/bridge/state"
        self.presence = f"{self.state}/availability"
        self.topics = (self._bridge, self.presence, self.state)
        self.prove_safe()

    @classmethod
    def channels_of(cls, options: Mapping[str, Any]) -> Mapping[str, str]:
        return preset.channels_or(options.get("channels", ""), KNOWN, cls.channels)

    @classmethod
    def acts(cls, options: Mapping[str, Any]) -> bool:
        return not cls.channels_of(options).keys().isdisjoint(("on", "brightness"))

    @property
    def claims(self) -> frozenset[str]:
        return frozenset(f"{self.state} {self.key(channel)}" for channel in self.telling)

    def key(self, channel: str) -> str:
        """Under which name the channel stands in a message."""
        return _KEYS.get(channel, channel) + (self._suffix if channel in ("on", "brightness") else "")

    def command(self, value: Value) -> list[tuple[str, bytes]]:
        wish: dict[str, Any] = {}
        if "brightness" in self.telling:
            share = percent(value, "a Zigbee lamp")
            wish[self.key("on")] = "ON" if share else "OFF"
            if share and not isinstance(value, bool) and value != "on":
                wish[self.key("brightness")] = round(share / 100 * _BRIGHTEST)
        else:
            wish[self.key("on")] = "ON" if on_or_off(value, "a Zigbee switch") else "OFF"
        return [(f"{self.state}/set", json.dumps(wish).encode())]

    def take(self, topic: str, payload: bytes) -> Reading | Presence | None:
        if topic in (self.presence, self._bridge):
            return preset.presence_of(payload, "online", "offline", "bridge" if topic == self._bridge else "device")
        if topic != self.state or not payload:  # empty: the device was removed, and its state cleared
            return None
        said = preset.object_of(payload)
        found: dict[str, float | bool] = {}
        for channel, unit in self.telling.items():
            key = self.key(channel)
            value = said.get(key)
            if value is None:
                continue
            found[channel] = preset.switch_of(value, key) if unit == "bool" else preset.number_of(value, key)
            if channel == "brightness":
                found[channel] *= 100 / _BRIGHTEST
        return self.reading(**found) if found else None


class SimZigbee2Mqtt(SimNode):
    """Any device: it exposes what the configuration asks for."""

    period = 600.0
    defaults: ClassVar[Mapping[str, float]] = {
        "temperature": 21.0, "humidity": 45.0, "pressure": 1013.0, "illuminance": 120.0, "co2": 600.0, "battery": 100.0,
        "power": 40.0, "voltage": 230.0, "current": 0.19, "energy": 12.5, "brightness": 100.0,
        "battery_voltage": 3000.0, "device_temperature": 25.0, "soil_moisture": 40.0, "pm25": 8.0, "linkquality": 120.0,
        "position": 100.0, "contact": 1.0,
    }  # fmt: skip

    def __init__(self, world: Any, name: str) -> None:
        super().__init__(world, name)
        self._told: dict[str, Any] = {}

    def birth(self) -> None:
        self.say(self.device.topics[0], json.dumps({"state": "online"}), retain=True)
        self.say(self.device.presence, json.dumps({"state": "online"}), retain=True)

    def will(self) -> None:
        self.say(self.device.presence, json.dumps({"state": "offline"}), retain=True)

    def report(self) -> None:
        self._told = self._seen()
        self.say(self.device.state, json.dumps(self._told))

    def changed(self) -> None:
        seen, told = self._seen(), self._told
        if any(type(value) in (bool, str) and value != told.get(key) for key, value in seen.items()):
            self.report()

    def _seen(self) -> dict[str, Any]:
        device: Zigbee2Mqtt = self.device
        found: dict[str, Any] = {}
        for channel, unit in device.telling.items():
            value = self.on if channel == "on" else self.signal(channel, self.defaults.get(channel, 0.0))
            if channel == "on":
                found[device.key(channel)] = "ON" if value else "OFF"
            elif unit == "bool":
                found[device.key(channel)] = bool(value)
            elif channel == "brightness":
                found[device.key(channel)] = round(value / 100 * _BRIGHTEST)
            else:
                step = device.resolution.get(channel, 0.001)
                found[device.key(channel)] = round(round(value / step) * step, 3)
        return found

    def obey(self, topic: str, payload: bytes) -> None:
        device: Zigbee2Mqtt = self.device
        if topic != f"{device.state}/set":
            return
        wish = preset.object_of(payload)
        if (bright := wish.get(device.key("brightness"))) is not None:
            self.world[f"{self.name}.brightness"] = bright * 100 / _BRIGHTEST
        self.switch(wish.get(device.key("on"), "ON") == "ON")

    def switched(self, changed: bool) -> None:
        self.report()


DRIVER, SIM = Zigbee2Mqtt, SimZigbee2Mqtt
