"""Plugs, relays and sensor nodes with the Tasmota firmware.

Topics and payloads from Tasmota's own documentation (`docs/MQTT.md`, `Commands.md`, `openHAB.md`, `AHT1x.md` of
tasmota/docs), and SENSOR messages as users of it published them (arendst/Tasmota issue 4956, among others):

    tele/<topic>/LWT      Online | Offline, kept     tele/<topic>/SENSOR      {"ENERGY": {...}, "AM2301": {...}}
    tele/<topic>/STATE    {"POWER": "ON", ...}       stat/<topic>/POWER       ON | OFF, at once
    cmnd/<topic>/POWER    ON | OFF                   cmnd/<topic>/TelePeriod  empty: STATE and SENSOR now

STATE and SENSOR come every TelePeriod, 300 s unless set otherwise.
"""

import json
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from drivers.base import Reading, Seconds, Value, on_or_off
from drivers.errors import BadData, OutOfRange
from drivers.kit import preset
from drivers.simulation.mqtt import SimNode
from drivers.wires.mqtt import MqttOutput, Post, Presence

_METER = {
    "power": "Power", "apparent_power": "ApparentPower", "reactive_power": "ReactivePower", "power_factor": "Factor",
    "voltage": "Voltage", "current": "Current", "frequency": "Frequency", "energy": "Total", "energy_today": "Today",
    "energy_yesterday": "Yesterday",
}  # fmt: skip
_SENSORS = {
    "temperature": "Temperature", "humidity": "Humidity", "dew_point": "DewPoint", "pressure": "Pressure",
    "illuminance": "Illuminance", "co2": "CarbonDioxide",
}  # fmt: skip
_UNITS: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "temperature": {"C": (1.0, 0.0), "F": (5 / 9, -160 / 9)},
    "pressure": {"hPa": (1.0, 0.0), "mmHg": (1.333224, 0.0), "inHg": (33.86389, 0.0)},
}
"""Channel -> unit as the device names it -> factor and offset to ours."""
_OF_THE_CHIP = "ESP32"  # the temperature of the processor itself

KNOWN = preset.measures(
    "on", *(name for name in (*_METER, *_SENSORS) if name in preset.MEASURES),
    energy_today=preset.MEASURES["energy"], energy_yesterday=preset.MEASURES["energy"],
    dew_point=preset.MEASURES["temperature"],
)  # fmt: skip


class Tasmota(MqttOutput):
    """One relay of a Tasmota device, with what it measures.

    `relay` is the number of one of several (POWER2); `sensor` names one where several measure the same
    ("DS18B20-2"); `full_topic` is the device's FullTopic where it was changed. Lists of a meter with several phases
    are taken by `relay`.
    """

    channels: ClassVar[Mapping[str, str]] = preset.units(KNOWN)
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = preset.ranges(KNOWN)
    resolution: ClassVar[Mapping[str, float]] = {
        "power": 1.0, "apparent_power": 1.0, "reactive_power": 1.0, "power_factor": 0.01, "voltage": 1.0,
        "current": 0.001, "frequency": 0.1, "energy": 0.001, "energy_today": 0.001, "energy_yesterday": 0.001,
        "temperature": 0.1, "humidity": 0.1, "dew_point": 0.1, "pressure": 0.1, "illuminance": 1.0, "co2": 1.0,
    }  # fmt: skip
    silence = Seconds(660.0)  # two reports lost, and a minute

    def __init__(
        self,
        post: Post,
        topic: str | None = None,
        *,
        channels: str = "on",
        relay: int | None = None,
        sensor: str | None = None,
        full_topic: str = "%prefix%/%topic%/",
        safe: bool | Literal["on", "off"] | None = None,
        stale: Seconds | None = None,
    ) -> None:
        super().__init__(post, topic, preset.channels_in(channels, KNOWN, "tasmota"), stale, safe)
        if "%prefix%" not in full_topic or "%topic%" not in full_topic:
            raise OutOfRange(f"full_topic {full_topic!r} needs %prefix% and %topic%, as FullTopic of the device has")
        if relay is not None and not 1 <= relay <= 32:
            raise OutOfRange(f"there is no relay {relay}; they count from 1")
        self.relay = relay
        self.sensor = sensor
        self._full = full_topic.replace("%topic%", self.topic).rstrip("/")
        self._power = f"POWER{relay or ''}"
        self.presence, self.state, self.telemetry = (
            self._at("tele/LWT"),
            self._at("tele/STATE"),
            self._at("tele/SENSOR"),
        )
        self.switch = self._at(f"stat/{self._power}")
        telling = (self.state, self.switch) if "on" in self.telling else (self.state,)
        self.topics = (self.presence, *telling, *([self.telemetry] if self.telling.keys() - {"on"} else []))

    @classmethod
    def channels_of(cls, options: Mapping[str, Any]) -> Mapping[str, str]:
        return preset.channels_or(options.get("channels", "on"), KNOWN, cls.channels)

    @property
    def claims(self) -> frozenset[str]:
        return frozenset(f"{claim} {self.relay or ''}{self.sensor or ''}".strip() for claim in super().claims)

    def _at(self, place: str) -> str:
        prefix, _, name = place.partition("/")
        return f"{self._full.replace('%prefix%', prefix)}/{name}"

    def ask(self) -> list[tuple[str, bytes]]:
        return [(self._at("cmnd/TelePeriod"), b"")]

    def command(self, value: Value) -> list[tuple[str, bytes]]:
        on = on_or_off(value, "a Tasmota relay")
        return [(self._at(f"cmnd/{self._power}"), b"ON" if on else b"OFF")]

    def take(self, topic: str, payload: bytes) -> Reading | Presence | None:
        if topic == self.presence:
            return preset.presence_of(payload, "Online", "Offline")
        if topic == self.switch:
            return self.reading(on=preset.switch_of(preset.text_of(payload), self._power))
        if topic == self.state:
            return self._state(preset.object_of(payload))
        return self._telemetry(preset.object_of(payload)) if topic == self.telemetry else None

    def _state(self, state: Mapping[str, Any]) -> Reading | None:
        value = state.get(self._power, state.get("POWER1") if self.relay is None else None)
        if value is None or "on" not in self.telling:
            return None
        return self.reading(on=preset.switch_of(value, self._power))

    def _telemetry(self, said: Mapping[str, Any]) -> Reading:
        found: dict[str, float | bool] = {}
        for channel in self.telling.keys() - {"on"}:
            key = _METER.get(channel) or _SENSORS[channel]
            value = self._metered(said, key) if channel in _METER else self._sensed(said, key)
            if value is not None:  # null: the sensor did not answer
                found[channel] = self._converted(channel, preset.number_of(value, key), said)
        if not found:
            raise BadData(f"it has none of {', '.join(sorted(self.telling))}, only {preset.names_of(said)}")
        return self.reading(**found)

    def _metered(self, said: Mapping[str, Any], key: str) -> Any:
        meter = said.get("ENERGY")
        value = meter.get(key) if isinstance(meter, dict) else None
        if isinstance(value, list):
            number = (self.relay or 1) - 1
            return value[number] if number < len(value) else None
        return value

    def _sensed(self, said: Mapping[str, Any], key: str) -> Any:
        meter = said.get("ENERGY")
        inside = meter if isinstance(meter, dict) else {}
        having = {
            name: part[key]
            for name, part in (*said.items(), *inside.items())
            if isinstance(part, dict) and key in part and (name == self.sensor or self.sensor is None)
        }
        if len(having) > 1:
            having.pop(_OF_THE_CHIP, None)
        if len(having) > 1:
            parts, first = preset.names_of(having, " and "), preset.names_of([next(iter(having))])
            raise BadData(f"{key} stands in {parts}: name one, such as `sensor: {first}`")
        return next(iter(having.values()), None)

    def _converted(self, channel: str, number: float, said: Mapping[str, Any]) -> float:
        table = _UNITS.get("temperature" if channel == "dew_point" else channel)
        if table is None:
            return number
        usual = next(iter(table))
        unit = said.get("PressureUnit" if channel == "pressure" else "TempUnit", usual)
        if not isinstance(unit, str) or unit not in table:
            raise BadData(f"{channel} in {str(unit)[:20]!r}; known are {', '.join(table)}")
        factor, offset = table[unit]
        return number * factor + offset


class SimTasmota(SimNode):
    """A plug with a meter and a climate sensor. Off, it measures no power."""

    period = 300.0
    defaults: ClassVar[Mapping[str, float]] = {
        "power": 40.0, "apparent_power": 44.0, "reactive_power": 18.0, "power_factor": 0.9, "voltage": 230.0,
        "current": 0.191, "frequency": 50.0, "energy": 12.5, "energy_today": 0.2, "energy_yesterday": 0.9,
        "temperature": 21.0, "humidity": 45.0, "dew_point": 8.6, "pressure": 1013.0, "illuminance": 120.0, "co2": 600.0,
    }  # fmt: skip
    _BY_LOAD = ("power", "apparent_power", "reactive_power", "power_factor", "current")

    def birth(self) -> None:
        self.say(self.device.presence, "Online", retain=True)
        self.say(self.device.switch, self._word)

    def will(self) -> None:
        self.say(self.device.presence, "Offline", retain=True)

    def report(self) -> None:
        device: Tasmota = self.device
        power = f"POWER{device.relay or ''}"
        self.say(device.state, json.dumps({"Time": "2026-11-21T09:00:00", "UptimeSec": 611, power: self._word}))
        self.say(device.telemetry, json.dumps(self._sensors()))

    def _sensors(self) -> dict[str, Any]:
        meter = {key: self._shown(channel) for channel, key in _METER.items()}
        climate = {key: self._shown(channel) for channel, key in _SENSORS.items()}
        found = {"Time": "2026-11-21T09:00:00", "ENERGY": {"TotalStartTime": "2026-11-01T08:00:00", **meter}}
        return {**found, self.device.sensor or "BME280": climate, "PressureUnit": "hPa", "TempUnit": "C"}

    def _shown(self, channel: str) -> float | list[float]:
        value = self.signal(channel) if self.on or channel not in self._BY_LOAD else 0.0
        step = Tasmota.resolution[channel]
        shown = round(round(value / step) * step, 3)
        relay = self.device.relay
        return [0.0] * (relay - 1) + [shown] if relay and relay > 1 and channel in self._BY_LOAD else shown

    @property
    def _word(self) -> str:
        return "ON" if self.on else "OFF"

    def obey(self, topic: str, payload: bytes) -> None:
        device: Tasmota = self.device
        place, _, command = topic.rpartition("/")
        if place != device.command("on")[0][0].rpartition("/")[0]:
            return
        if command == "TelePeriod":
            self.report()
        elif command == f"POWER{device.relay or ''}":
            self.switch({"on": True, "off": False}.get(payload.decode(errors="replace").lower(), self.on))

    def switched(self, changed: bool) -> None:
        power = f"POWER{self.device.relay or ''}"
        self.say(self.device.switch.rpartition("/")[0] + "/RESULT", json.dumps({power: self._word}))
        self.say(self.device.switch, self._word)


DRIVER, SIM = Tasmota, SimTasmota
