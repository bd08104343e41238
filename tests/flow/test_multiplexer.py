"""A multiplexer in a whole runtime: two sensors with one address, real faults, and each value from where it is."""

from __future__ import annotations

import pytest

from edge.scanning import UnknownBus

CONFIG = """
edge: {id: pi, backend: sim}
devices:
  mux:   {driver: tca9548a, bus: i2c-1, address: 0x70, every: 10s}
  left:  {driver: tmp102, bus: mux/0, address: 0x48, every: 2s}
  right: {driver: tmp102, bus: mux/1, address: 0x48, every: 2s}
  other: {driver: tmp102, bus: i2c-1, address: 0x49, every: 2s}
"""


def running(edge_factory, folder):
    config = folder / "edge.yaml"
    config.write_text(CONFIG)
    edge = edge_factory(config)
    for number, name in enumerate(("left", "right", "other")):
        edge.world[f"{name}.temperature"] = 20.0 + number
    edge.advance("5s")
    return edge


def states(edge):
    return {part["name"]: part["state"] for part in edge.runtime.status() if part["kind"] == "device"}


def values(edge):
    last = edge.runtime.instruments.last
    return {name: last[name].values["temperature"] for name in ("left", "right", "other")}


def test_chips_with_one_address_are_read_each_through_its_channel(edge_factory, tmp_path):
    edge = running(edge_factory, tmp_path)
    assert states(edge) == dict.fromkeys(("mux", "left", "right", "other"), "ok")
    assert values(edge) == {"left": 20.0, "right": 21.0, "other": 22.0}
    assert edge.runtime.desk.read("right")["values"] == {"temperature": 21.0}
    assert [device["place"] for device in edge.runtime.desk.devices()] == [
        "i2c-1 0x70", "mux/0 0x48", "mux/1 0x48", "i2c-1 0x49"
    ]  # fmt: skip


def test_everything_behind_one_bus_has_one_thread(edge_factory, tmp_path):
    edge = running(edge_factory, tmp_path)
    assert [part.name for part in edge.runtime.instruments.parts] == ["i2c-1"]
    assert len({id(handle.lock) for handle in edge.runtime.instruments.handles.values()}) == 1


def test_an_unplugged_multiplexer_fails_what_is_behind_it_and_nothing_else_and_all_come_back(edge_factory, tmp_path):
    edge = running(edge_factory, tmp_path)
    edge.bus("i2c-1").faults.plan("unplug", 0x70, seconds=120)
    edge.advance("60s")
    assert states(edge) == {"mux": "failed", "left": "failed", "right": "failed", "other": "ok"}
    errors = {part["name"]: part["last_error"] for part in edge.runtime.status()}
    assert "multiplexer cannot be selected: i2c-1 0x70: no answer" in errors["left"]
    edge.world["left.temperature"] = 30.0
    edge.advance("3m")
    assert set(states(edge).values()) == {"ok"}
    assert values(edge) == {"left": 30.0, "right": 21.0, "other": 22.0}


def test_one_chip_behind_it_can_be_unplugged_alone(edge_factory, tmp_path):
    edge = running(edge_factory, tmp_path)
    chip = edge.bus("mux/1").detach(0x48)
    edge.advance("60s")
    assert states(edge) == {"mux": "ok", "left": "ok", "right": "failed", "other": "ok"}
    edge.bus("mux/1").attach(0x48, chip)
    edge.advance("2m")
    assert states(edge)["right"] == "ok"


def test_an_hour_of_weather_on_the_multiplexer_never_gives_a_neighbours_value(edge_factory, tmp_path):
    edge = running(edge_factory, tmp_path)
    weather = {"nack": 30, "unplug": 10, "wrong_chip": 10, "reset": 60, "stretch": 10, "flip": 30}
    edge.bus("i2c-1").faults.weather(0x70, weather, lasts={**dict.fromkeys(weather, 5.0), "reset": 0.0})
    for _ in range(360):
        edge.advance("10s")
        assert values(edge) == {"left": 20.0, "right": 21.0, "other": 22.0}
    edge.bus("i2c-1").faults.clear()
    edge.advance("3m")
    assert set(states(edge).values()) == {"ok"}


def test_a_scan_in_a_running_runtime_names_everything_and_disturbs_nothing(edge_factory, tmp_path):
    edge = running(edge_factory, tmp_path)
    buses = [bus["bus"] for bus in edge.runtime.desk.scan() if bus["backend"] == "sim"]
    assert buses == ["i2c-1", *(f"mux/{channel}" for channel in range(8))]

    found = {bus: edge.runtime.desk.scan(bus) for bus in buses}

    assert [(one["address"], one["device"]) for one in found["i2c-1"]["found"]] == [(0x49, "other"), (0x70, "mux")]
    assert [(one["address"], one["device"]) for one in found["mux/0"]["found"]] == [(0x48, "left")]
    assert [(one["address"], one["device"]) for one in found["mux/1"]["found"]] == [(0x48, "right")]
    assert all(found[f"mux/{channel}"]["found"] == [] for channel in range(2, 8))
    edge.advance("10s")
    assert set(states(edge).values()) == {"ok"}
    assert values(edge) == {"left": 20.0, "right": 21.0, "other": 22.0}


def test_a_hung_bus_is_one_part_of_the_status_with_the_remedy_until_it_is_freed(edge_factory, tmp_path):
    edge = running(edge_factory, tmp_path)
    edge.bus("i2c-1").stuck = True
    edge.advance("30s")
    [bus] = [part for part in edge.runtime.status() if part["kind"] == "bus"]
    assert (bus["name"], bus["state"]) == ("i2c-1", "failed")
    assert "`edge devices recover i2c-1` may free it" in bus["last_error"]
    assert any(reason.startswith("i2c-1: ") for reason in edge.runtime.degraded())

    assert edge.runtime.desk.recover("i2c-1") == {"bus": "i2c-1", "clocks": 9}
    edge.advance("3m")
    assert not [part for part in edge.runtime.status() if part["kind"] == "bus"]
    assert set(states(edge).values()) == {"ok"}
    assert edge.runtime.desk.recover("i2c-1") == {"bus": "i2c-1", "clocks": 0}
    with pytest.raises(UnknownBus, match="no simulated bus 'i2c-9' to free; there are i2c-1"):
        edge.runtime.desk.recover("i2c-9")
