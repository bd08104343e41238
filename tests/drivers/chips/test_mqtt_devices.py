"""Presets for devices on the broker: messages that such devices really sent, and that nothing else becomes a value."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from drivers import BadData, BusTimeout, Nack, OutOfRange, Reading, World, find
from drivers.suite import problems
from drivers.wires.mqtt import MqttDevice, Presence, Said

VARIANTS: list[tuple[str, dict[str, Any]]] = [
    ("tasmota", {"channels": "on power energy temperature humidity pressure voltage current power_factor"}),
    ("tasmota", {"channels": "power", "relay": 2, "full_topic": "home/%topic%/%prefix%/"}),
    ("zigbee2mqtt", {"channels": "temperature humidity battery linkquality"}),
    ("zigbee2mqtt", {"channels": "on brightness power energy", "safe": "off"}),
    ("zigbee2mqtt", {"channels": "contact battery_voltage voc_index=ppb", "base": "z2m/second"}),
    ("shelly", {"channels": "on power voltage current frequency power_factor energy temperature input"}),
    ("shelly", {"channels": "on power energy temperature input", "generation": 1, "safe": "off"}),
    ("esphome", {"channels": "sensor/level=mm binary_sensor/pump=bool switch/valve switch/heater"}),
]


def device(kind: str, topic: str, **options: Any) -> Any:
    return find(kind).build(None, topic, **options)  # type: ignore[arg-type]


def values(preset: MqttDevice, topic: str, payload: str | bytes) -> Any:
    heard = preset.take(topic, payload.encode() if isinstance(payload, str) else payload)
    return heard.values if isinstance(heard, Reading) else heard


@pytest.mark.parametrize(("kind", "options"), VARIANTS, ids=lambda value: str(value)[:40])
def test_it_conforms_with_every_channel(kind: str, options: dict[str, Any]) -> None:
    assert problems(find(kind), options) == []


# -- Tasmota ---------------------------------------------------------------------------------------------------------


def test_a_ups_behind_a_tasmota_meter() -> None:
    """The SENSOR message of arendst/Tasmota issue 4956."""
    plug = device("tasmota", "ups", channels="power apparent_power reactive_power power_factor voltage current energy")
    said = (
        '{"Time":"2019-01-17T01:29:17","ENERGY":{"TotalStartTime":"2018-11-19T12:02:10","Total":91.136,'
        '"Yesterday":4.845,"Today":0.241,"Period":0.530,"Power":166.800,"ApparentPower":203.674,"ReactivePower":116.900,"Factor":0.82,'
        '"Voltage":218,"Current":0.933}}'
    )

    assert values(plug, "tele/ups/SENSOR", said) == {
        "power": 166.8, "apparent_power": 203.674, "reactive_power": 116.9, "power_factor": 0.82, "voltage": 218.0,
        "current": 0.933, "energy": 91.136,
    }  # fmt: skip


TWO_PHASES = (
    '{"Time":"2026-09-18T11:19:21","ENERGY":{"TotalStartTime":"2026-09-16T00:00:00","Total":[2.813,0.254],'
    '"Yesterday":[1.530,0.125],"Today":[0.772,0.059],"Power":[52,5],"ApparentPower":[66,10],"ReactivePower":[40,9],'
    '"Factor":[0.79,0.50],"Voltage":235,"Current":[0.278,0.044],"BL09XX":{"Temperature":46.5}}}'
)
"""Of a "Sonoff Dual Meter", as ferrets6/wattson has it in a test."""


@pytest.mark.parametrize(("relay", "watts", "total"), [(None, 52.0, 2.813), (1, 52.0, 2.813), (2, 5.0, 0.254)])
def test_a_meter_with_two_phases_is_read_by_relay(relay: int | None, watts: float, total: float) -> None:
    plug = device("tasmota", "tasmota", channels="power energy voltage temperature", relay=relay)

    assert values(plug, "tele/tasmota/SENSOR", TWO_PHASES) == {
        "power": watts, "energy": total, "voltage": 235.0, "temperature": 46.5,
    }  # fmt: skip


def test_climate_sensors_of_tasmota() -> None:
    """Messages of Tasmota's pages on the AHT1x and on MQTT, and of one user's BME280."""
    climate = device("tasmota", "node", channels="temperature humidity dew_point")
    aht = '{"AHT1X-0x38":{"Temperature":24.7,"Humidity":61.9,"DewPoint":16.8},"TempUnit":"C"}'
    assert values(climate, "tele/node/SENSOR", aht) == {"temperature": 24.7, "humidity": 61.9, "dew_point": 16.8}

    probe = device("tasmota", "node", channels="temperature")
    assert values(probe, "tele/node/SENSOR", '{"Time":"2017-02-16T10:13:52", "DS18B20":{"Temperature":20.6}}') == {
        "temperature": 20.6
    }

    air = device("tasmota", "node", channels="pressure")
    bme = (
        '{"Time":"2019-04-20T19:00:40","BME280":{"Temperature":23.0,"Humidity":32.3,"Pressure":1014.0},'
        '"SGP30":{"eCO2":584,"TVOC":263,"aHumidity":6.5717},"PressureUnit":"hPa","TempUnit":"C"}'
    )
    assert values(air, "tele/node/SENSOR", bme) == {"pressure": 1014.0}


def test_fahrenheit_and_millimetres_are_turned_into_our_units() -> None:
    node = device("tasmota", "node", channels="temperature pressure")
    said = '{"BME280":{"Temperature":68.0,"Pressure":760.0},"PressureUnit":"mmHg","TempUnit":"F"}'

    found = values(node, "tele/node/SENSOR", said)

    assert found["temperature"] == pytest.approx(20.0)
    assert found["pressure"] == pytest.approx(1013.25, abs=0.01)


def test_two_sensors_that_measure_the_same_must_be_told_apart() -> None:
    said = '{"DS18B20-1":{"Temperature":20.6},"DS18B20-2":{"Temperature":4.1},"ESP32":{"Temperature":56.7}}'
    with pytest.raises(BadData, match="name one, such as `sensor: DS18B20-1`"):
        values(device("tasmota", "node", channels="temperature"), "tele/node/SENSOR", said)

    named = device("tasmota", "node", channels="temperature", sensor="DS18B20-2")
    assert values(named, "tele/node/SENSOR", said) == {"temperature": 4.1}


def test_the_switch_of_a_tasmota_device() -> None:
    """The command flow of Tasmota's page on MQTT, and a STATE message of one user."""
    plug = device("tasmota", "tasmota_switch")
    state = (
        '{"Time":"2024-02-24T22:20:38","Uptime":"0T00:10:11","UptimeSec":611,"Heap":24,"POWER":"OFF","Wifi":{"AP":1}}'
    )

    assert values(plug, "stat/tasmota_switch/POWER", "ON") == {"on": True}
    assert values(plug, "tele/tasmota_switch/STATE", state) == {"on": False}
    assert values(plug, "tele/tasmota_switch/LWT", "Online") == Presence(True)
    assert values(plug, "tele/tasmota_switch/LWT", "Offline") == Presence(False)
    assert plug.command("on") == [("cmnd/tasmota_switch/POWER", b"ON")]
    with pytest.raises(BadData):  # as in the log on Tasmota's page for openHAB
        values(plug, "tele/tasmota_switch/STATE", '{"Time":"2017-07-25T12:06:28", "POWER":"POWER"}')


def test_one_relay_of_several_and_another_full_topic() -> None:
    second = device("tasmota", "kettle", relay=2, full_topic="tasmota/%topic%/%prefix%/")

    assert second.command(False) == [("tasmota/kettle/cmnd/POWER2", b"OFF")]
    assert second.topics == ("tasmota/kettle/tele/LWT", "tasmota/kettle/tele/STATE", "tasmota/kettle/stat/POWER2")
    assert values(second, "tasmota/kettle/tele/STATE", '{"POWER1":"ON","POWER2":"OFF"}') == {"on": False}


# -- Zigbee2MQTT -----------------------------------------------------------------------------------------------------


def test_zigbee_devices() -> None:
    """The examples of Zigbee2MQTT's page on topics, and logs of users."""
    climate = device("zigbee2mqtt", "bedroom", channels="temperature humidity")
    assert values(climate, "zigbee2mqtt/bedroom", '{"temperature": 27.34, "humidity": 44.72}') == {
        "temperature": 27.34, "humidity": 44.72,
    }  # fmt: skip
    motion = device("zigbee2mqtt", "hall/motion", channels="occupancy")
    assert values(motion, "zigbee2mqtt/hall/motion", '{"occupancy": true}') == {"occupancy": True}
    leak = device(
        "zigbee2mqtt", "czujnikzalania1", channels="water_leak battery battery_voltage linkquality", base="zigbee"
    )
    said = '{"battery":"100.00","voltage":3045,"linkquality":99,"water_leak":false}'
    assert values(leak, "zigbee/czujnikzalania1", said) == {
        "water_leak": False, "battery": 100.0, "battery_voltage": 3045.0, "linkquality": 99.0,
    }  # fmt: skip
    bulb = device("zigbee2mqtt", "bulb", channels="on brightness")
    found = values(bulb, "zigbee2mqtt/bulb", '{"state": "ON", "brightness": 127, "color_temp": 325}')
    assert found == {"on": True, "brightness": 50.0}


@pytest.mark.parametrize("word", ["online", '{"state":"online"}'])
def test_both_forms_of_availability(word: str) -> None:
    lamp = device("zigbee2mqtt", "bulb", channels="on")

    assert values(lamp, "zigbee2mqtt/bulb/availability", word) == Presence(True)
    assert values(lamp, "zigbee2mqtt/bridge/state", word.replace("online", "offline")) == Presence(False, "bridge")


def test_what_a_button_did_and_an_emptied_state_are_no_readings() -> None:
    lamp = device("zigbee2mqtt", "bulb", channels="on")

    assert values(lamp, "zigbee2mqtt/bulb", '{"action": "single"}') is None
    assert values(lamp, "zigbee2mqtt/bulb", "") is None


@pytest.mark.parametrize(
    ("value", "wish"),
    [
        ("on", {"state": "ON"}),
        (False, {"state": "OFF"}),
        (0, {"state": "OFF"}),
        (50, {"state": "ON", "brightness": 127}),
        (100, {"state": "ON", "brightness": 254}),
    ],
)
def test_what_a_zigbee_lamp_is_told(value: Any, wish: dict[str, Any]) -> None:
    lamp = device("zigbee2mqtt", "bulb", channels="on brightness")

    [(topic, payload)] = lamp.command(value)

    assert (topic, json.loads(payload)) == ("zigbee2mqtt/bulb/set", wish)


def test_one_switch_of_several_on_a_zigbee_device() -> None:
    left = device("zigbee2mqtt", "wall", channels="on", endpoint="l1")

    assert values(left, "zigbee2mqtt/wall", '{"state_l1": "ON", "state_l2": "OFF"}') == {"on": True}
    assert left.command("off") == [("zigbee2mqtt/wall/set", b'{"state_l1": "OFF"}')]


# -- Shelly ----------------------------------------------------------------------------------------------------------


def test_a_shelly_plus_2pm() -> None:
    """The message of iobroker-community-adapters/ioBroker.shelly issue 813."""
    blind = device(
        "shelly", "shellyplus2pm-4022d8da9a60", relay=1, channels="on power voltage frequency energy temperature"
    )
    said = (
        '{"id":1, "source":"SHC", "output":false, "apower":0.0, "voltage":229.4, "freq":50.0, "current":0.000, '
        '"pf":0.00, "aenergy":{"total":0.037,"by_minute":[0.000,0.000,0.000],"minute_ts":1698999994},'
        '"temperature":{"tC":48.0, "tF":118.4}}'
    )

    assert values(blind, "shellyplus2pm-4022d8da9a60/status/switch:1", said) == {
        "on": False, "power": 0.0, "voltage": 229.4, "frequency": 50.0, "energy": 0.000037, "temperature": 48.0,
    }  # fmt: skip
    assert blind.command(True) == [("shellyplus2pm-4022d8da9a60/command/switch:1", b"on")]
    assert values(blind, "shellyplus2pm-4022d8da9a60/online", "true") == Presence(True)


def test_a_shelly_of_the_first_generation() -> None:
    """Messages of a shelly1pm, as the test of a rule engine publishes them."""
    relay = device("shelly", "shellies/shelly1pm-A123B4", generation=1, channels="on power energy temperature input")
    base = "shellies/shelly1pm-A123B4"

    assert values(relay, f"{base}/relay/0", "on") == {"on": True}
    assert values(relay, f"{base}/relay/0", "overpower") == {"on": False}
    assert values(relay, f"{base}/relay/0/power", "0.00") == {"power": 0.0}
    assert values(relay, f"{base}/relay/0/energy", "138838") == {"energy": pytest.approx(2.31397, abs=1e-5)}
    assert values(relay, f"{base}/temperature", "34.21") == {"temperature": 34.21}
    assert values(relay, f"{base}/input/0", "0") == {"input": False}
    assert relay.command("off") == [(f"{base}/relay/0/command", b"off")]


# -- ESPHome ---------------------------------------------------------------------------------------------------------


def test_an_esphome_node() -> None:
    """The topics of esphome/esphome issue 10411; `nan` as in home-assistant/core issue 18240."""
    node = device("esphome", "weather-sensor", channels="sensor/temperature=degC binary_sensor/rain switch/heater")

    assert values(node, "weather-sensor/sensor/temperature/state", "23.4") == {"temperature": 23.4}
    assert values(node, "weather-sensor/binary_sensor/rain/state", "ON") == {"rain": True}
    assert values(node, "weather-sensor/status", "offline") == Presence(False)
    assert node.command("heater=on") == [("weather-sensor/switch/heater/command", b"ON")]
    with pytest.raises(BadData, match="no value of it"):
        values(node, "weather-sensor/sensor/temperature/state", "nan")


# -- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "options", "reason"),
    [
        ("tasmota", {"channels": "powr"}, "did you mean 'power'"),
        ("tasmota", {"channels": "power=kW"}, "gives power in W, not in kW"),
        ("tasmota", {"channels": "power power"}, "stands there twice"),
        ("tasmota", {"full_topic": "%topic%/"}, "needs %prefix%"),
        ("tasmota", {"stale": 0.0}, "leave it out"),
        ("zigbee2mqtt", {"channels": "temprature"}, "did you mean 'temperature'.*needs its unit: temprature=degC"),
        ("zigbee2mqtt", {"channels": "temperature", "safe": "off"}, "cannot be set"),
        ("shelly", {"channels": "voltage", "generation": 1}, "not told by the first generation"),
        ("esphome", {"channels": "sensor/level"}, "needs its unit.*sensor/level=mm"),
        ("esphome", {"channels": "senser/level=mm"}, "did you mean 'sensor'"),
        ("esphome", {"channels": "switch/valve=mm"}, "delete =mm"),
    ],
)
def test_options_that_cannot_be_meant(kind: str, options: dict[str, Any], reason: str) -> None:
    with pytest.raises(OutOfRange, match=reason):
        device(kind, "it", **options)


@pytest.mark.parametrize("topic", [None, "", "plug/+", "plug/#", "/plug"])
def test_a_topic_names_one_device(topic: Any) -> None:
    with pytest.raises(OutOfRange, match="the topic of one device"):
        device("tasmota", topic)


def test_a_value_that_no_such_device_measures_is_refused() -> None:
    plug = device("tasmota", "plug", channels="voltage")

    with pytest.raises(OutOfRange, match=r"outside 0 \.\. 1000 V"):
        plug.hear(Said("tele/plug/SENSOR", b'{"ENERGY":{"Voltage":23000}}'))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["ENERGY", "Power", "POWER", "temperature", "state", "aenergy", "output", "TempUnit", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
).map(lambda value: json.dumps(value).encode())


@pytest.mark.parametrize(("kind", "options"), VARIANTS, ids=lambda value: str(value)[:40])
@given(payload=st.binary(max_size=64) | JSON)
@example(payload=b"1" * 400)
@example(payload=b'{"ENERGY":{"Power":1' + b"0" * 400 + b"}}")
def test_any_bytes_are_a_reading_within_its_limits_or_are_refused(
    kind: str, options: dict[str, Any], payload: bytes
) -> None:
    preset = device(kind, "it", **options)
    for topic in preset.topics:
        try:
            heard = preset.hear(Said(topic, payload))
        except (BadData, OutOfRange):
            continue
        if isinstance(heard, Reading):
            assert heard.values
            assert heard.values.keys() <= preset.telling.keys()
            for channel, value in heard.values.items():
                low, high = preset.limits().get(channel, (-1e308, 1e308))
                assert low <= value <= high


# -- what is remembered ----------------------------------------------------------------------------------------------


def test_a_device_that_went_and_came_is_heard_anew() -> None:
    plug = device("tasmota", "plug")
    plug.fed = True
    with pytest.raises(BusTimeout, match="nothing heard yet"):
        plug.read()

    plug.hear(Said("stat/plug/POWER", b"ON"))
    assert plug.read().values == {"on": True}
    plug.hear(Said("tele/plug/LWT", b"Offline", retain=True))
    with pytest.raises(Nack, match="it is offline"):
        plug.read()
    assert plug.hear(Said("stat/plug/POWER", b"ON", retain=True)) is None  # kept from before it went
    plug.hear(Said("stat/plug/POWER", b"OFF"))  # who speaks is there
    assert plug.read().values == {"on": False}


def test_a_bridge_that_is_gone_takes_its_devices_with_it() -> None:
    lamp = device("zigbee2mqtt", "bulb", channels="on")
    lamp.fed = True
    lamp.hear(Said("zigbee2mqtt/bulb", b'{"state":"ON"}'))

    lamp.hear(Said("zigbee2mqtt/bridge/state", b"offline"))

    with pytest.raises(Nack, match="what connects it to the broker is offline"):
        lamp.read()


def test_a_plug_that_is_off_measures_no_power() -> None:
    world = World()
    line = find("tasmota").sim(world, "it").line()  # type: ignore[union-attr,call-arg]
    plug: Any = find("tasmota").build(line, "plug", channels="on power")
    line.part.fit(plug)
    plug.start()
    assert plug.read().values == {"on": True, "power": 40.0}

    plug.set("off")
    line.wait(line.part.period)

    assert plug.read().values == {"on": False, "power": 0.0}
    assert world["it.on"] is False


def test_who_only_reads_leaves_the_switch_alone() -> None:
    line = find("tasmota").sim(World(), "it").line()  # type: ignore[union-attr,call-arg]
    plug: Any = find("tasmota").build(line, "plug", channels="on", safe="off")
    line.part.fit(plug)
    with plug:
        assert plug.read().values == {"on": True}
    assert line.part.on is True

    with plug:
        plug.set("on")
    assert line.part.on is False


@pytest.mark.parametrize("value", ["1", '{"Temperature": 1}'])
@pytest.mark.parametrize("kind", ["tasmota", "shelly"])
def test_a_refusal_is_short_and_harmless_whatever_the_names_in_the_message(kind: str, value: str) -> None:
    preset = device(kind, "it", channels="on temperature")
    names = ",".join(json.dumps(f"\x1b[2J\n{number}") + f":{value}" for number in range(2000))

    with pytest.raises(BadData) as refusal:
        preset.hear(Said(preset.topics[-1], f"{{{names}}}".encode()))

    assert len(str(refusal.value)) < 400
    assert str(refusal.value).isprintable()


def test_any_name_that_configuration_may_give_a_channel_can_be_one() -> None:
    node = device("esphome", "node", channels="sensor/self=mm")

    assert values(node, "node/sensor/self/state", "7") == {"self": 7.0}
