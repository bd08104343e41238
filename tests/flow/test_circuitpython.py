"""A gateway that reads some of its sensors with Adafruit's drivers: triggers, faults, recordings, all as with ours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from drivers import Nack
from drivers.recording import Recorder, read_recording
from edge.testing.harness import Harness

CONFIG = """
edge: {id: canteen, backend: sim}
devices:
  air:
    {driver: circuitpython, bus: i2c-1, address: 0x44, every: 10s, sim: sht31,
     module: adafruit_sht31d, class: SHT31D, channels: "temperature=degC relative_humidity:humidity=%"}
  crowd:
    {driver: circuitpython, bus: i2c-1, address: 0x62, every: 10s, sim: scd4x, begin: start_periodic_measurement,
     patience: 6s, module: adafruit_scd4x, class: SCD4X, channels: "CO2=ppm"}
  ours: {driver: sht31, bus: i2c-1, address: 0x45, every: 10s}
  fan: {driver: relay, pin: 27}
tasks:
  cool:
    run: ./cool.py:cool
    when: {source: air, channel: temperature, above: 30, clear: 28}
    grant: {devices: [fan]}
  crowded:
    run: ./cool.py:cool
    when: {source: crowd, channel: co2, above: 1500}
    grant: {devices: [fan]}
journal: {path: ./journal}
"""
TASK = """
from edge import Context, Event, task

@task
def cool(event: Event, ctx: Context) -> dict:
    ctx.device("fan").on()
    return dict(event.values)
"""


@pytest.fixture
def edge(tmp_path: Path, edge_factory: Callable[..., Harness]) -> Harness:
    (tmp_path / "edge.yaml").write_text(CONFIG)
    (tmp_path / "cool.py").write_text(TASK)
    return edge_factory(tmp_path / "edge.yaml")


def states(edge: Harness) -> dict[str, str]:
    return {str(one["name"]): str(one["state"]) for one in edge.runtime.desk.devices()}


def values(edge: Harness, device: str) -> dict[str, Any]:
    return dict(edge.runtime.instruments.values(device))


def test_what_they_measure_starts_a_task_that_switches_an_output(edge: Harness) -> None:
    edge.advance("1m")
    assert edge.outcomes == []
    assert set(states(edge).values()) == {"ok"}

    edge.world["air.temperature"] = 31.5
    edge.advance("20s")
    [outcome] = edge.outcomes
    assert outcome.task == "cool"
    assert outcome.result == {"temperature": pytest.approx(31.5, abs=0.01), "humidity": pytest.approx(45, abs=0.01)}
    assert edge.world["fan.on"] is True

    edge.world["crowd.co2"] = 1800
    edge.advance("20s")
    assert edge.outcomes[-1].result == {"co2": 1800.0}


def test_one_that_is_pulled_out_fails_alone_and_comes_back(edge: Harness) -> None:
    edge.advance("30s")
    bus = edge.bus("i2c-1")
    chip = bus.detach(0x44)
    edge.advance("1m")
    assert states(edge)["air"] == "failed"
    assert {name for name, state in states(edge).items() if state != "ok"} == {"air"}

    bus.attach(0x44, chip)
    edge.advance("2m")
    assert set(states(edge).values()) == {"ok"}
    edge.world["air.temperature"] = 35.0
    edge.advance("20s")
    assert len(edge.outcomes) == 1


def test_an_error_that_passes_costs_no_reading_and_a_wrong_checksum_is_none(edge: Harness) -> None:
    edge.advance("31s")
    edge.bus("i2c-1").fail(0x44, Nack, times=1)
    edge.world["air.temperature"] = 25.0
    edge.advance("10s")
    assert values(edge, "air")["temperature"] == pytest.approx(25.0, abs=0.01)

    edge.bus("i2c-1").faults.plan("crc", 0x44, seconds=35)
    edge.world["air.temperature"] = 50.0
    edge.advance("30s")
    assert values(edge, "air")["temperature"] == pytest.approx(25.0, abs=0.01)
    assert edge.outcomes == []
    edge.advance("2m")
    assert len(edge.outcomes) == 1


def test_the_world_knows_the_names_of_the_channels_and_of_what_stands_for_the_part(edge: Harness) -> None:
    edge.world["crowd.humidity"] = 60.0
    with pytest.raises(KeyError, match="did you mean"):
        edge.world["crowd.humidty"] = 60.0


def test_they_read_the_same_in_every_run_to_the_last_digit(edge: Harness) -> None:
    edge.world["air.temperature"] = 21.37
    edge.advance("5m")
    first = values(edge, "air"), edge.clock.monotonic()
    edge.restart()
    edge.advance("5m")
    assert values(edge, "air") == first[0]


def test_what_was_recorded_is_played_back_to_them(tmp_path: Path) -> None:
    """The same transfers in the same order, though nothing is waited for."""
    from drivers import SimBus, World, find

    entry = find("circuitpython")
    options = {"module": "adafruit_sht31d", "class": "SHT31D", "channels": "temperature=degC", "sim": "sht31"}
    chip: Any = entry.simulated(options)
    with (tmp_path / "rec").open("wb") as file:
        recorder = Recorder(file.write, now=lambda: 0.0)
        with entry.build(recorder.bus("i2c-1", SimBus({0x44: chip(World(), "it")})), 0x44, **options) as device:
            wanted = device.read().values
        recorder.close()

    played = read_recording(tmp_path / "rec").bus("i2c-1", wait=lambda seconds: None)
    with entry.build(played, 0x44, **options) as device:
        assert device.read().values == wanted


def test_behind_a_multiplexer_time_is_the_bus_s_too(tmp_path: Path, edge_factory: Callable[..., Harness]) -> None:
    """Theirs for the HTU21D asks without a pause until it is answered: on a bus that hid its time, for ever."""
    (tmp_path / "edge.yaml").write_text(
        """
edge: {id: canteen, backend: sim}
devices:
  mux: {driver: tca9548a, bus: i2c-1, address: 0x70}
  air:
    {driver: circuitpython, bus: mux/3, address: 0x40, every: 10s, sim: htu21d, module: adafruit_htu21d, class: HTU21D,
     channels: "temperature=degC"}
journal: {path: ./journal}
"""
    )
    edge = edge_factory(tmp_path / "edge.yaml")
    edge.world["air.temperature"] = 17.0
    edge.advance("30s")
    assert states(edge) == {"mux": "ok", "air": "ok"}
    assert values(edge, "air")["temperature"] == pytest.approx(17.0, abs=0.02)
