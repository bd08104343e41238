"""A gateway with sensors on 1-Wire, IIO, serial ports and SPI: read, unplugged, plugged in again, each on its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from drivers import BusTimeout
from edge.testing.harness import Harness

ON_LINES = """
devices:
  tank:  {driver: ds18b20, id: 28-00000a1b2c3d, every: 10s}
  hut:   {driver: iio, id: bme280, channels: temperature humidity, every: 10s}
  shed:  {driver: dht22, every: 10s}
  board: {driver: soc, every: 10s}
  psu:   {driver: hwmon, id: ina219, channels: "in1, curr1", every: 10s}
  dust:  {driver: pms5003, port: /dev/ttyUSB0, mode: active, every: 10s}
  air:   {driver: mhz19, port: /dev/ttyAMA0, abc: false, every: 10s}
  soil:  {driver: mcp3008, bus: spi-0, select: 0, every: 10s}
  stove: {driver: max31855, bus: spi-0, select: 1, every: 10s}
"""
CONFIG = f"""
edge: {{id: greenhouse, backend: sim}}
{ON_LINES}tasks:
  look:
    run: ./look.py:look
    when: {{source: air, channel: co2, above: 1000}}
journal: {{path: ./journal}}
"""
TASK = """
from edge import Context, Event, task

@task
def look(event: Event, ctx: Context) -> dict:
    return dict(event.values)
"""
DEVICES = ("tank", "hut", "shed", "board", "psu", "dust", "air", "soil", "stove")


@pytest.fixture
def edge(tmp_path: Path, edge_factory: Callable[..., Harness]) -> Harness:
    (tmp_path / "edge.yaml").write_text(CONFIG)
    (tmp_path / "look.py").write_text(TASK)
    return edge_factory(tmp_path / "edge.yaml")


def states(edge: Harness) -> dict[str, str]:
    return {str(one["name"]): str(one["state"]) for one in edge.runtime.desk.devices()}


def test_the_world_reaches_a_task_through_each_of_the_wires(edge: Harness) -> None:
    edge.world["tank.temperature"] = 17.5
    edge.world["hut.humidity"] = 61.0
    edge.world["psu.curr1"] = 1.25
    edge.world["board.undervoltage"] = True
    edge.world["soil.ch7"] = 1.2
    edge.world["air.co2"] = 1200
    edge.advance("1m")

    assert set(states(edge).values()) == {"ok"}
    values = {name: edge.runtime.instruments.values(name) for name in DEVICES}
    assert values["tank"] == {"temperature": 17.5}
    assert values["hut"] == {"temperature": 21.0, "humidity": 61.0}
    assert values["psu"] == {"in1": 0.0, "curr1": 1.25}
    assert values["board"]["undervoltage"] is True
    assert values["soil"]["ch7"] == pytest.approx(1.2, abs=0.004)
    [outcome] = edge.outcomes
    assert outcome.result == {"co2": 1200.0, "temperature": 22.0}


def test_each_part_that_is_unplugged_fails_alone_and_comes_back_when_it_is_plugged_in(edge: Harness) -> None:
    edge.advance("30s")
    for name in DEVICES:
        edge.line(name).unplug()
        edge.advance("1m")
        assert {other for other, state in states(edge).items() if state != "ok"} == {name}
        edge.line(name).plug()
        edge.advance("3m")
        assert states(edge)[name] == "ok", name


def test_an_error_that_passes_costs_no_reading(edge: Harness) -> None:
    edge.advance("31s")
    edge.line("air").fail(BusTimeout, times=2)
    edge.world["air.co2"] = 1500
    edge.advance("20s")

    assert states(edge)["air"] == "ok"
    assert edge.outcomes[-1].result["co2"] == 1500.0


def test_each_has_a_wire_of_its_own_but_spi_is_one(edge: Harness) -> None:
    wires = edge.runtime.instruments.wiring.wires()

    assert {wire: [handle.name for handle in handles] for wire, handles in wires.items()} == {
        "w1 28-00000a1b2c3d": ["tank"],
        "iio bme280": ["hut"],
        "iio": ["shed"],
        "soc": ["board"],
        "hwmon ina219": ["psu"],
        "/dev/ttyUSB0": ["dust"],
        "/dev/ttyAMA0": ["air"],
        "spi-0": ["soil", "stove"],
    }


def test_the_devices_say_where_they_are(edge: Harness) -> None:
    places = {one["name"]: one["place"] for one in edge.runtime.desk.devices()}

    assert places["tank"] == "w1 28-00000a1b2c3d"
    assert places["stove"] == "spi-0.1"
    assert places["dust"] == "/dev/ttyUSB0"


def test_only_a_device_with_a_line_of_its_own_has_one(tmp_path: Path, edge_factory: Callable[..., Harness]) -> None:
    (tmp_path / "edge.yaml").write_text("edge: {id: a}\ndevices:\n  room: {driver: tmp102, bus: i2c-1}\n")
    edge = edge_factory(tmp_path / "edge.yaml")

    with pytest.raises(LookupError, match="room \\(tmp102\\) has no line of its own"):
        edge.line("room")
    with pytest.raises(LookupError, match="did you mean 'room'"):
        edge.line("rom")


def test_a_scenario_spoils_lines_at_its_times_and_at_random(
    tmp_path: Path, edge_factory: Callable[..., Harness]
) -> None:
    (tmp_path / "edge.yaml").write_text(CONFIG.replace("backend: sim", "backend: sim, scenario: storm.yaml"))
    (tmp_path / "look.py").write_text(TASK)
    (tmp_path / "storm.yaml").write_text(
        "seed: 3\nfaults:\n  - {at: 1m, for: 1m, device: tank, kind: unplug}\n"
        "  - {at: 1m, for: 1m, device: air, kind: spike, by: 60}\nweather:\n  soil: {silence: 30}\n"
    )
    edge = edge_factory(tmp_path / "edge.yaml")
    edge.advance("50s")
    assert edge.runtime.instruments.values("air")["co2"] == 620.0
    edge.advance("30s")
    assert states(edge)["tank"] == "failed"
    assert edge.runtime.instruments.values("air")["co2"] == 680.0
    edge.advance("1h")
    assert states(edge)["tank"] == "ok"
    assert 10 < len(edge.line("soil").faults.history) < 60


def test_a_doubted_reading_starts_no_task_until_it_has_held_and_is_shown_at_once(
    tmp_path: Path, edge_factory: Callable[..., Harness]
) -> None:
    (tmp_path / "edge.yaml").write_text(
        CONFIG.replace("abc: false,", "abc: false, jump: {co2: 300}, believe: 1m,")
        + "upstream: {kind: mqtt, broker: mqtt://cloud.example}\n"
    )
    (tmp_path / "look.py").write_text(TASK)
    edge = edge_factory(tmp_path / "edge.yaml")
    edge.advance("35s")
    edge.world["air.co2"] = 1800.0
    edge.advance("10s")
    [air] = [one for one in edge.runtime.desk.devices() if one["name"] == "air"]
    assert (air["values"]["co2"], air["doubt"], air["state"]) == (1800.0, "jump", "degraded")
    assert edge.runtime.instruments.values("air")["co2"] == 620.0
    assert edge.outcomes == []
    assert edge.runtime.tally.data()["suppressed"] == {"doubtful": 1}
    edge.advance("70s")
    assert [outcome.result["co2"] for outcome in edge.outcomes] == [1800.0]
    assert states(edge)["air"] == "ok"
