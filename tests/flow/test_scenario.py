"""A whole gateway in a scenario, and in a recording: what the file says happens, at its times."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from drivers.simulation.recording import Recorder, read_recording
from edge.cli.record import watch
from edge.config import load
from edge.testing.harness import Harness

CONFIG = """\
edge: {id: cellar, backend: sim, scenario: storm.yaml}
devices:
  room: {driver: tmp102, bus: i2c-1, every: 5s}
  climate: {driver: bme280, bus: i2c-1, every: 5s}
  door: {driver: contact, pin: 17}
  heater: {driver: relay, pin: 27}
tasks:
  cold:
    run: ./tasks.py:cold
    when: {source: room, channel: temperature, below: 6}
    grant: {devices: [heater]}
  opened:
    run: ./tasks.py:opened
    when: {source: door, edge: rising}
journal: {path: ./journal}
"""
SCENARIO = """\
signals:
  room.temperature: {value: 10, response: {to: heater.on, gain: 20, within: 10m}}
at:
  1m: {door.open: true}
  5m: {room.temperature: {value: 5, response: {to: heater.on, gain: 20, within: 10m}}}
  90s: {door.open: false}
faults:
  - {at: 3m, for: 30s, device: climate, kind: unplug}
  - {at: 30s, for: 2m, device: door, kind: bounce}
"""
TASKS = """\
from edge import Context, Event, task

@task
def cold(event: Event, ctx: Context) -> dict:
    ctx.device("heater").on()
    return dict(event.values)

@task
def opened(event: Event, ctx: Context) -> dict:
    return {"at": event.monotonic} if hasattr(event, "monotonic") else {}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "edge.yaml").write_text(CONFIG)
    (tmp_path / "storm.yaml").write_text(SCENARIO)
    (tmp_path / "tasks.py").write_text(TASKS)
    return tmp_path


def states(edge: Harness) -> dict[str, str]:
    return {part["name"]: part["state"] for part in edge.runtime.status() if part["kind"] == "device"}


def test_what_the_scenario_says_happens_at_its_times(folder: Path, edge_factory: Callable[..., Harness]) -> None:
    edge = edge_factory(folder / "edge.yaml")
    edge.advance("59s")
    assert edge.outcomes == []
    edge.advance("2m")
    assert [outcome.task for outcome in edge.outcomes] == ["opened"]
    assert states(edge)["climate"] == "ok"
    edge.advance("10s")
    assert states(edge)["climate"] == "failed"
    edge.advance("90s")
    assert states(edge)["climate"] == "ok"


def test_a_heater_that_a_task_switches_on_warms_the_room(folder: Path, edge_factory: Callable[..., Harness]) -> None:
    edge = edge_factory(folder / "edge.yaml")
    edge.advance("5m")
    edge.advance("10m")

    assert [outcome.task for outcome in edge.outcomes] == ["opened", "cold"]
    [(_, off), (switched, on)] = edge.pins.history(27)
    assert (off, on) == (False, True)
    warmer = 20 * (1 - math.exp(-(edge.clock.monotonic() - switched) / 600))
    assert edge.world["room.temperature"] == pytest.approx(5 + warmer)
    assert edge.runtime.desk.read("room")["values"]["temperature"] == pytest.approx(5 + warmer, abs=0.07)


def test_a_scenario_goes_on_after_a_restart(folder: Path, edge_factory: Callable[..., Harness]) -> None:
    edge = edge_factory(folder / "edge.yaml")
    edge.advance("2m")
    edge.crash()
    edge.advance("3m")
    edge.restart()
    edge.advance("10s")

    assert [outcome.task for outcome in edge.outcomes] == ["opened", "cold"]


def test_faults_of_a_bus_and_a_pin_are_planned_by_a_test(folder: Path, edge_factory: Callable[..., Harness]) -> None:
    (folder / "storm.yaml").write_text("signals: {room.temperature: 10}")
    edge = edge_factory(folder / "edge.yaml")
    edge.advance("10s")
    edge.bus("i2c-1").faults.plan("nack", 0x48, seconds=60, after=30)
    edge.pin_faults.plan("glitch", 17, after=5, by=0.01)
    edge.pin_faults.plan("glitch", 17, after=20, by=0.2)
    edge.advance("45s")
    assert states(edge) == {"room": "failed", "climate": "ok", "door": "ok", "heater": "ok"}
    assert [outcome.task for outcome in edge.outcomes] == ["opened"]
    edge.advance("2m")
    assert states(edge)["room"] == "ok"


def test_the_seed_of_the_scenario_is_that_of_its_weather_on_every_wire(
    folder: Path, edge_factory: Callable[..., Harness]
) -> None:
    def storm(seed: int) -> list[tuple[str, float]]:
        (folder / "storm.yaml").write_text(
            f"seed: {seed}\nweather: {{room: {{nack: 60}}, door: {{glitch: 60, bounce: 20}}, tank: {{silence: 60}}}}"
        )
        edge = edge_factory(folder / "edge.yaml")
        edge.advance("30m")
        wires = (edge.bus("i2c-1").faults, edge.pin_faults, edge.line("tank").faults)
        return [(fault.kind, fault.begin) for wire in wires for fault in wire.history]

    (folder / "edge.yaml").write_text(CONFIG.replace("  heater:", "  tank: {driver: ds18b20}\n  heater:"))
    first = storm(1)
    assert {kind for kind, _ in first} == {"nack", "glitch", "bounce", "silence"}
    assert storm(1) == first
    assert not set(storm(2)) & set(first), "another seed is another storm on each wire"


def test_what_a_test_plans_happens_at_its_time_and_a_restart_forgets_it(
    folder: Path, edge_factory: Callable[..., Harness]
) -> None:
    (folder / "edge.yaml").write_text(CONFIG.replace(", scenario: storm.yaml", ""))
    edge, seen = edge_factory(folder / "edge.yaml"), []
    for after in (7.3, 30):
        edge.world.later(after, lambda: seen.append(edge.clock.monotonic()))
    edge.advance("10s")
    assert seen == [pytest.approx(7.3, abs=0.001)]
    edge.restart()
    edge.advance("1m")
    assert len(seen) == 1


def test_an_hour_of_weather_starts_no_task_that_the_truth_would_not(
    folder: Path, edge_factory: Callable[..., Harness]
) -> None:
    """Every kind that a driver can tell, a dozen times an hour; the thresholds lie half a degree beside the truth."""
    places = [("tmp102", 1, 0x48), ("tmp102", 2, 0x49), ("bme280", 1, 0x76), ("bme280", 2, 0x77)]
    names = [f"s{number}" for number in range(len(places))]
    (folder / "edge.yaml").write_text(
        "edge: {id: cellar, backend: sim, scenario: storm.yaml}\njournal: {path: ./journal}\ndevices:\n"
        + "".join(
            f"  {name}: {{driver: {kind}, bus: i2c-{bus}, address: {address}, every: 5s}}\n"
            for name, (kind, bus, address) in zip(names, places, strict=True)
        )
        + "tasks:\n"
        + "".join(
            f"  {name}-{word}:\n    run: ./tasks.py:opened\n"
            f"    when: {{source: {name}, channel: temperature, {word}: {limit}}}\n"
            for name in names
            for word, limit in (("above", 21.5), ("below", 20.5))
        )
    )
    rates = "{nack: 12, unplug: 12, wrong_chip: 12, reset: 12, stretch: 12, stuck: 12, slow: 12}"
    (folder / "storm.yaml").write_text(
        "signals:\n"
        + "".join(f"  {name}.temperature: 21\n" for name in names)
        + "weather:\n"
        + "".join(f"  {name}: {rates}\n" for name in names)
    )
    edge = edge_factory(folder / "edge.yaml", seed=5)
    edge.advance("1h")

    assert edge.outcomes == []
    assert edge.runtime.desk.journal_stats()["events"]["received"] > 500
    assert len(edge.bus("i2c-1").faults.history) > 100

    edge.bus("i2c-1").faults.clear()
    edge.advance("2m")
    edge.bus("i2c-1").faults.plan("spike", 0x48, by=5, seconds=10)
    edge.advance("10s")
    assert [outcome.task for outcome in edge.outcomes] == ["s0-above"]  # what no wire can tell does start it


# -- recordings -------------------------------------------------------------------------------------------------------


@pytest.fixture
def recorded(folder: Path, edge_factory: Callable[..., Harness]) -> Path:
    """Ten minutes of the scenario, as `edge record` takes them down, at virtual time."""
    stage = edge_factory(folder / "edge.yaml")  # lends its outside: clock, world and simulated wires
    stage.close()
    stage.world.forget()
    outside, path = stage._outside(), folder / "bug.rec"
    stage.world.began = stage.clock.monotonic()

    def pause(seconds: float) -> None:
        stage.clock.advance(seconds)

    with path.open("wb") as file:
        recorder = Recorder(file.write, now=stage.clock.monotonic)
        watch(load(folder / "edge.yaml"), replace(outside), recorder, 600, pause)
        recorder.close()
    return path


def test_a_recording_is_a_test(recorded: Path, edge_factory: Callable[..., Harness]) -> None:
    """The same events start the same tasks, without a world, a scenario, or the chips."""
    (recorded.parent / "storm.yaml").write_text("signals: {room.temperature: 40}")
    edge = edge_factory(recorded.parent / "edge.yaml", recording=recorded.name)
    edge.advance("2m")
    assert [outcome.task for outcome in edge.outcomes] == ["opened"]
    assert edge.runtime.desk.devices()[0]["values"] == {"temperature": 10.0}
    edge.advance("75s")
    assert states(edge)["climate"] == "failed"
    edge.advance("6m")
    assert [outcome.task for outcome in edge.outcomes] == ["opened", "cold"]
    assert states(edge) == {"room": "ok", "climate": "ok", "door": "ok", "heater": "ok"}


def test_past_its_end_a_recording_says_so(recorded: Path, edge_factory: Callable[..., Harness]) -> None:
    assert read_recording(recorded).seconds == pytest.approx(600, abs=6)
    edge = edge_factory(recorded.parent / "edge.yaml", recording=recorded.name)
    edge.advance("11m")

    [room] = [part for part in edge.runtime.status() if part["name"] == "room"]
    assert room["state"] == "failed"
    assert "the recording has nothing more of this address" in room["last_error"]


def test_another_driver_option_is_off_the_script(recorded: Path, edge_factory: Callable[..., Harness]) -> None:
    text = CONFIG.replace("driver: bme280,", "driver: bme280, oversampling: 4,")
    (recorded.parent / "edge.yaml").write_text(text)
    edge = edge_factory(recorded.parent / "edge.yaml", recording=recorded.name)
    edge.advance("10s")

    [climate] = [part for part in edge.runtime.status() if part["name"] == "climate"]
    assert "the driver writes f2 03 f4 6d, where it writes f2 01 f4 25 in the recording" in climate["last_error"]
