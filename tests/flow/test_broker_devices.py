"""Devices on the broker in a whole runtime: what they say starts tasks, what tasks say reaches them."""

from __future__ import annotations

from typing import Any

import pytest

from drivers import BusUnavailable
from edge.model import EventKind, Status

CONFIG = """
edge: {id: pi}
mqtt: {broker: "mqtt://localhost"}
devices:
  plug:    {driver: tasmota, topic: plug1, channels: "on power", safe: "off"}
  climate: {driver: zigbee2mqtt, topic: bedroom, channels: "temperature humidity"}
  lamp:    {driver: shelly, topic: shellyplus1-a8032abe54dc}
  tank:    {driver: esphome, topic: tank-node, channels: "sensor/level=mm binary_sensor/pump"}
tasks:
  overload:
    when: {source: plug, channel: power, above: 2000, for: 10s}
    grant: {devices: [plug]}
    run: "./tasks.py:overload"
  pump: {when: {source: tank, channel: pump, equals: true}, run: "./tasks.py:pump"}
"""
TASKS = """
from edge import Context, Event, task

@task
def overload(event: Event, ctx: Context) -> dict:
    ctx.device("plug").off()
    return {"watts": event.values["power"]}

@task
def pump(event: Event, ctx: Context) -> bool:
    return True
"""


@pytest.fixture
def edge(edge_factory, tmp_path):
    (tmp_path / "tasks.py").write_text(TASKS)
    (tmp_path / "edge.yaml").write_text(CONFIG)
    return edge_factory(tmp_path / "edge.yaml")


def test_a_node_that_is_not_there_is_told_with_what_is_and_why(edge, edge_factory, tmp_path):
    with pytest.raises(KeyError, match=r"no device 'plgu'.*there are climate, lamp, plug, tank"):
        edge.nodes["plgu"]

    (tmp_path / "sim.yaml").write_text(CONFIG.replace("{id: pi}", "{id: pi, backend: sim}"))
    with pytest.raises(KeyError, match="`backend: sim` a device is simulated inside the gateway: say `backend: real`"):
        edge_factory(tmp_path / "sim.yaml").nodes["plug"]


def state_of(edge: Any, name: str) -> tuple[str, str]:
    state = dict(edge.runtime.instruments.states())[name]
    return state.state, state.last_error or ""


def commands(edge: Any, topic: str = "cmnd/plug1/POWER") -> list[bytes]:
    return [message.payload for message in edge.broker.messages if message.topic == topic]


def test_a_plug_that_draws_too_much_is_switched_off_once(edge):
    edge.runtime.desk.set("plug", "on")
    edge.world["plug.power"] = 2500.0
    edge.advance("5m")
    assert edge.outcomes == []
    edge.advance("10s")

    [outcome] = edge.outcomes
    assert (outcome.status, outcome.result) == ("success", {"watts": 2500.0})
    assert edge.nodes["plug"].on is False
    edge.advance("10m")
    assert len(edge.outcomes) == 1
    assert edge.runtime.desk.read("plug")["values"] == {"on": False, "power": 0.0}


def test_commands_go_at_qos_1_and_are_not_kept(edge):
    edge.runtime.desk.set("plug", "on")
    edge.runtime.desk.set("lamp", False)

    sent = [
        m for m in edge.broker.messages if m.topic in ("cmnd/plug1/POWER", "shellyplus1-a8032abe54dc/command/switch:0")
    ]
    assert sent
    assert {(message.qos, message.retain) for message in sent} == {(1, False)}
    assert edge.nodes["lamp"].on is False


def test_readings_have_units_and_are_shown_live(edge):
    edge.world["climate.temperature"] = 22.5
    edge.advance("10m")

    assert edge.runtime.desk.read("climate")["values"] == {"temperature": 22.5, "humidity": 45.0}
    shown = {message.topic: message.payload for message in edge.broker.messages}
    assert shown["edge/pi/climate/temperature"] == b"22.5"
    [climate] = [device for device in edge.runtime.desk.devices() if device["name"] == "climate"]
    assert (climate["place"], climate["output"]) == ("mqtt bedroom", False)
    assert climate["channels"] == {"temperature": "degC", "humidity": "%"}


def test_one_message_is_one_event_with_what_it_told_and_no_more(edge):
    events = []
    match = edge.runtime.triggers.match
    edge.runtime.triggers.match = lambda event: events.append(event) or match(event)

    edge.message("stat/plug1/POWER", "ON")
    edge.message("tank-node/sensor/level/state", "812.5")

    assert [(event.source, event.kind, event.values) for event in events] == [
        ("plug", EventKind.READING, {"on": True}),
        ("tank", EventKind.READING, {"level": 812.5}),
    ]


def test_a_last_will_is_a_failure_and_a_birth_the_end_of_it(edge):
    edge.nodes["plug"].leave()
    edge.advance("1s")

    assert state_of(edge, "plug") == (
        "failed", "plug1: it is offline, as the broker was told: check power and network"
    )  # fmt: skip
    with pytest.raises(Exception, match="it is offline"):
        edge.runtime.desk.read("plug")

    edge.nodes["plug"].arrive()
    edge.advance("1s")
    assert state_of(edge, "plug")[0] == "ok"
    assert edge.runtime.desk.read("plug")["values"]["on"] is False


def test_silence_is_a_state_of_its_own(edge):
    edge.nodes["plug"].here = False  # it hangs, and its connection stays
    edge.advance("10m")
    assert state_of(edge, "plug")[0] == "ok"
    edge.advance("2m")

    state, error = state_of(edge, "plug")
    assert state == "degraded"
    assert "silent for 660 s" in error
    assert state_of(edge, "tank")[0] == "ok"  # it may be silent for ever
    edge.nodes["plug"].arrive()
    edge.advance("1s")
    assert state_of(edge, "plug")[0] == "ok"


@pytest.mark.parametrize("payload", ["MAYBE", b"\xff", ""])
def test_what_does_not_fit_is_rejected_counted_and_said(edge, caplog, payload):
    edge.message("stat/plug1/POWER", payload)

    assert edge.runtime.tally.data()["rejected"] == {"bad_payload": 1}
    assert state_of(edge, "plug")[0] == "degraded"
    assert "plug, topic stat/plug1/POWER" in caplog.text
    edge.message("stat/plug1/POWER", "ON")
    assert state_of(edge, "plug")[0] == "ok"


def test_a_message_that_no_device_sends_is_dropped_before_it_takes_room(edge):
    edge.message("stat/plug1/POWER", "x" * 70_000)

    assert edge.runtime.tally.data()["rejected"] == {"too_large": 1}


def test_an_impossible_value_is_no_event(edge):
    edge.message("tele/plug1/SENSOR", {"ENERGY": {"Power": 9e9}})
    edge.advance("20s")

    assert edge.outcomes == []
    assert edge.runtime.tally.data()["rejected"] == {"implausible": 1}


def test_a_command_without_a_connection_is_an_error_and_is_not_sent_later(edge):
    edge.runtime.desk.set("plug", "on")
    edge.broker.online = False
    edge.advance("1s")
    before = len(commands(edge))

    with pytest.raises(BusUnavailable, match="there is no connection to the broker"):
        edge.runtime.desk.set("plug", "off")
    with pytest.raises(BusUnavailable, match="there is no connection"):
        edge.runtime.desk.read("plug")
    assert state_of(edge, "plug")[0] == "degraded"

    edge.broker.online = True
    edge.advance("5s")
    assert commands(edge)[before:] == []
    assert state_of(edge, "plug")[0] == "ok"


def test_a_task_that_cannot_reach_its_device_fails(edge):
    edge.runtime.desk.set("plug", "on")
    edge.message("tele/plug1/SENSOR", {"ENERGY": {"Power": 2500}})
    edge.broker.online = False
    edge.advance("10s")

    [outcome] = edge.outcomes
    assert outcome.status == "failure"
    assert "there is no connection to the broker" in outcome.error["message"]


def test_a_broker_that_refuses_a_command_is_told(edge):
    edge.broker.refuse("cmnd/#", 0x87, "Not authorized")

    with pytest.raises(Exception, match="the broker refused it: Not authorized; change its access rules"):
        edge.runtime.desk.set("plug", "on")


def test_nobody_listening_is_an_error_where_the_broker_says_so(edge):
    edge.broker.refuse("cmnd/#", 0x10, "No matching subscribers")

    with pytest.raises(Exception, match="nobody listens: is the device on"):
        edge.runtime.desk.set("plug", "on")


def test_what_has_a_safe_state_is_safe_at_start_and_stop_and_the_rest_is_left_alone(edge):
    assert (edge.nodes["plug"].on, edge.nodes["lamp"].on) == (False, True)
    edge.runtime.desk.set("plug", "on")

    edge.close()

    assert (edge.nodes["plug"].on, edge.nodes["lamp"].on) == (False, True)


def test_after_a_restart_what_the_broker_kept_is_the_state(edge):
    edge.world["tank.pump"] = True
    edge.world["tank.level"] = 740.0
    edge.advance("61s")
    assert [outcome.task for outcome in edge.outcomes] == ["pump"]
    edge.nodes["tank"].here = False  # it says nothing any more; only the broker knows
    edge.crash()
    edge.restart()

    assert edge.runtime.desk.read("tank")["values"] == {"level": 740.0, "pump": True}
    edge.advance("1s")
    assert [outcome.task for outcome in edge.outcomes] == ["pump", "pump"]  # it stands so at boot, as a pin's level may


def test_what_the_broker_tells_again_at_every_connection_is_no_news(edge):
    edge.world["tank.pump"] = True
    edge.advance("61s")
    received = edge.runtime.tally.data()["received"]
    for node in edge.nodes.values():
        node.here = False
    edge.broker.cut()
    edge.advance("5s")

    assert edge.runtime.tally.data()["received"] == received
    assert state_of(edge, "tank")[0] == "ok"


def test_a_device_that_went_while_the_gateway_was_away_is_known_to_be_gone(edge):
    edge.broker.cut()
    edge.nodes["tank"].leave()
    edge.advance("5s")

    assert state_of(edge, "tank")[0] == "failed"


def test_a_source_that_covers_a_devices_topics_gets_its_messages_as_well(edge_factory, tmp_path):
    (tmp_path / "tasks.py").write_text(TASKS)
    (tmp_path / "edge.yaml").write_text(
        CONFIG.replace('"mqtt://localhost"', '"mqtt://localhost", subscribe: {all: {topic: "tank-node/#"}}')
    )
    edge = edge_factory(tmp_path / "edge.yaml")
    seen = []
    match = edge.runtime.triggers.match
    edge.runtime.triggers.match = lambda event: seen.append((event.source, event.values)) or match(event)

    edge.message("tank-node/sensor/level/state", "5")

    assert sorted(seen) == [("all", {"value": 5}), ("tank", {"level": 5.0})]


def test_simulated_devices_need_no_broker(edge_factory, tmp_path):
    (tmp_path / "tasks.py").write_text(TASKS)
    text = CONFIG.replace("edge: {id: pi}", "edge: {id: pi, backend: sim}").replace(
        'mqtt: {broker: "mqtt://localhost"}', ""
    )
    (tmp_path / "edge.yaml").write_text(text)
    edge = edge_factory(tmp_path / "edge.yaml")
    edge.advance("1s")
    assert edge.runtime.desk.read("plug")["values"] == {"on": False, "power": 0.0}
    edge.runtime.desk.set("plug", "on")
    edge.world["plug.power"] = 2500.0

    edge.advance("6m")

    [outcome] = edge.outcomes
    assert outcome.task == "overload"
    assert edge.runtime.desk.read("plug")["values"]["on"] is False
    edge.line("plug").unplug()
    edge.advance("2s")
    assert state_of(edge, "plug")[0] == "failed"
    edge.line("plug").plug()
    edge.advance("2s")
    assert state_of(edge, "plug")[0] == "ok"


def test_a_lamp_may_be_set_from_outside_where_that_is_allowed(edge_factory, tmp_path):
    (tmp_path / "tasks.py").write_text(TASKS)
    (tmp_path / "edge.yaml").write_text(CONFIG.replace("a8032abe54dc}", "a8032abe54dc, remote_set: true}"))
    edge = edge_factory(tmp_path / "edge.yaml")

    edge.message("edge/pi/lamp/on/set", "off")
    assert edge.nodes["lamp"].on is False

    edge.message("edge/pi/lamp/on/set", "dim")
    assert edge.runtime.tally.data()["rejected"] == {"command_refused": 1}


def test_what_the_gateway_says_to_a_device_is_no_event_of_anybody(edge_factory, tmp_path):
    (tmp_path / "tasks.py").write_text(TASKS)
    text = CONFIG.replace('"mqtt://localhost"', '"mqtt://localhost", subscribe: {orders: {topic: "cmnd/#"}}')
    (tmp_path / "edge.yaml").write_text(text)
    edge = edge_factory(tmp_path / "edge.yaml")
    seen = []
    match = edge.runtime.triggers.match
    edge.runtime.triggers.match = lambda event: seen.append(event.source) or match(event)

    edge.runtime.desk.set("plug", "on")
    edge.advance("1s")

    assert edge.nodes["plug"].on is True
    assert set(seen) == {"plug"}  # what it answered


def test_a_task_that_answers_its_own_device_ends_the_test_and_limits_end_it_in_the_field(
    edge_factory, tmp_path, monkeypatch
):
    monkeypatch.setattr("edge.testing.harness._RESTLESS", 500)
    (tmp_path / "tasks.py").write_text(
        "from edge import Context, Event, task\n\n@task\ndef flip(event: Event, ctx: Context) -> None:\n"
        "    ctx.device('plug').set(not event.values['on'])\n"
    )
    config = (
        "edge: {id: pi}\nmqtt: {broker: 'mqtt://localhost'}\ndevices: {plug: {driver: tasmota, topic: plug1}}\n"
        "tasks: {flip: {when: {source: plug}, grant: {devices: [plug]}, run: './tasks.py:flip', LIMITS}}\n"
    )
    (tmp_path / "endless.yaml").write_text(config.replace(", LIMITS", ""))
    (tmp_path / "limited.yaml").write_text(config.replace("LIMITS", "limits: {per_minute: 30}"))

    with pytest.raises(AssertionError, match="comes to no rest: does a task command the device"):
        edge_factory(tmp_path / "endless.yaml").nodes["plug"].switch(True)

    edge = edge_factory(tmp_path / "limited.yaml")
    edge.advance("1s")
    assert [outcome.status for outcome in edge.outcomes].count(Status.SUCCESS) == 30
