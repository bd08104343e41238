"""A scenario and a recording are checked with the configuration: what is wrong is said with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.config import load
from edge.config.check import check
from edge.config.report import Report
from edge.config.scenario import read_scenario

CONFIG = """\
edge: {id: cellar, backend: sim, scenario: storm.yaml}
devices:
  room: {driver: tmp102, bus: i2c-1, every: 5s}
  roof: {driver: tmp102, bus: i2c-2, every: 5s, backend: real}
  door: {driver: contact, pin: 17}
  heater: {driver: relay, pin: 27}
  knob: {driver: rotary, pins: {a: 5, b: 6}}
journal: {path: ./journal}
"""
GOOD = """\
seed: 7
signals:
  room.temperature:
    diurnal: {low: 2, high: 9, warmest: 15h}
    response: {to: heater.on, gain: 15, within: 30m}
    replay: {file: office.csv, column: "T", scale: 2, hole: 5m, holes: silent}
    drift: 0.1
    noise: 0.05
    quantum: 0.0625
  door.open: false
at:
  10m: {door.open: true, room.temperature: 31}
faults:
  - {at: 20m, for: 30s, device: room, kind: unplug}
  - {at: 20m, device: door, kind: bounce, by: 6}
  - {at: 30m, device: knob, role: b, kind: stuck}
weather:
  room: {nack: 6, unplug: 0.5}
"""
LINES = """\
edge: {id: cellar, backend: sim, scenario: storm.yaml}
devices:
  dust: {driver: pms5003, port: /dev/ttyUSB0}
  soil: {driver: mcp3008, bus: spi-0}
  tank: {driver: ds18b20}
  door: {driver: contact, pin: 17}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "edge.yaml").write_text(CONFIG)
    (tmp_path / "office.csv").write_text("t,T\n0,1\n60,2\n")
    return tmp_path


def said(folder: Path, scenario: str) -> list[str]:
    (folder / "storm.yaml").write_text(scenario)
    return [str(problem).removeprefix(f"{folder}/") for problem in check(folder / "edge.yaml")]


def test_a_good_scenario_is_no_problem_and_its_times_are_seconds(folder: Path) -> None:
    assert said(folder, GOOD) == []
    assert load(folder / "edge.yaml").edge.scenario == str(folder / "storm.yaml")
    scenario = read_scenario(str(folder / "storm.yaml"), Report("storm.yaml"))
    assert scenario is not None
    assert scenario.at[600.0]["door.open"].value is True
    assert scenario.faults[0].for_ == 30
    assert scenario.weather == {"room": {"nack": 6, "unplug": 0.5}}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("diurnal:", "diurnl:", "storm.yaml:4: signals.room.temperature.diurnl: there is no key 'diurnl' here"
                                " (did you mean 'diurnal'?)"),
        ("warmest", "hottest", "storm.yaml:4: signals.room.temperature.diurnal.hottest: there is no key 'hottest'"),
        ("weather", "wether", "storm.yaml:17: wether: there is no key 'wether' here (did you mean 'weather'?)"),
        ("low: 2, ", "", "storm.yaml:4: signals.room.temperature.diurnal.low: low is missing"),
        ("noise: 0.05", "noise: much", "storm.yaml:8: signals.room.temperature.noise: Input should be a valid number"),
        ("10m: {", "10: {", "storm.yaml:12: at.10: '10' is not a duration"),
        ("room.temperature:", "rom.temperature:", "storm.yaml:3: signals.rom.temperature: no device has the signal"
                                                  " 'rom.temperature' (did you mean 'room.temperature'?)"),
        ("to: heater.on", "to: fan.on", "storm.yaml:5: signals.room.temperature.response.to: no device has the signal"),
        ("device: door", "device: dor", "storm.yaml:15: faults.device: no device called 'dor' (did you mean 'door'?)"),
        ("kind: bounce", "kind: nack", "storm.yaml:15: faults.device: nack cannot happen to door (what can: bounce,"),
        ("role: b", "role: c", "storm.yaml:16: faults.role: knob has no pin 'c' (its pins: a, b)"),
        ("kind: bounce", "kind: bonce", "storm.yaml:15: faults.kind: 'bonce' is not one of nack, "),
        ("kind: unplug", "kind: unplg", "storm.yaml:14: faults.kind: 'unplg' is not one of nack, unplug, wrong_chip,"
         " reset, stretch, stuck, slow, flip, crc, freeze, spike, silence, bounce, glitch, floating (did you mean"
         " 'unplug'?)"),
        ("holes: silent", "holes: quiet", "storm.yaml:6: signals.room.temperature.replay.holes: 'quiet' is not one of"
         " keep, silent (write one of them)"),
        ("  room: {nack", "  roof: {nack", "storm.yaml:18: weather.roof: roof is not simulated"),
        ("nack: 6", "nack: 0", "storm.yaml:18: weather.room.nack: Input should be greater than 0"),
        ("office.csv", "ofice.csv", "storm.yaml:6: signals.room.temperature.replay: "),
        ('column: "T"', 'column: "U"', "storm.yaml:6: signals.room.temperature.replay: there is no column 'U'"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_scenario_is_said_with_its_line(folder: Path, old: str, new: str, expected: str) -> None:
    assert old in GOOD
    problems = said(folder, GOOD.replace(old, new, 1))

    assert problems
    assert all(line.startswith(expected) for line in problems if "roof" not in line or "roof" in expected), problems


def test_a_scenario_that_is_not_there_is_said(folder: Path) -> None:
    [problem] = check(folder / "edge.yaml")

    assert str(problem).startswith(f"{folder}/storm.yaml: there is no such file")


@pytest.mark.parametrize(
    ("edge", "expected"),
    [
        ("backend: replay", "edge.backend: room plays a recording back, and there is none (edge: {recording: FILE})"),
        ("backend: replay, recording: bug.rec", "edge.recording: there is no file "),
        ("backend: sim, recording: bug.rec", None),
    ],
)
def test_a_replay_needs_a_recording(folder: Path, edge: str, expected: str | None) -> None:
    (folder / "edge.yaml").write_text(CONFIG.replace("backend: sim, scenario: storm.yaml", edge))
    problems = [str(problem) for problem in check(folder / "edge.yaml")]

    assert len(problems) == (expected is not None)
    assert all(expected and expected in problem for problem in problems)


@pytest.mark.parametrize(
    ("scenario", "problem"),
    [
        ("weather: {dust: {silence: 6, flip: 1}, soil: {flip: 2}, tank: {nack: 1, freeze: 1}}", None),
        ("faults: [{at: 1m, device: soil, kind: silence}, {at: 1m, device: tank, kind: spike, by: 5}]", None),
        ("weather: {soil: {nack: 1}}", "nack cannot happen to soil"),
        ("weather: {tank: {flip: 1}}", "flip cannot happen to tank"),
        ("faults: [{at: 1m, device: dust, kind: stretch}]", "stretch cannot happen to dust"),
        ("weather: {door: {stuck: 1, glitch: 20}}", None),
        ("weather: {door: {nack: 1}}", "nack cannot happen to door"),
        ("weather: {tank: {bounce: 1}}", "bounce cannot happen to tank"),
    ],
)
def test_faults_of_lines_are_those_that_their_wire_has(folder: Path, scenario: str, problem: str | None) -> None:
    (folder / "edge.yaml").write_text(LINES)
    found = said(folder, scenario)

    assert len(found) == (0 if problem is None else 1), found
    if problem is not None:
        assert problem in found[0]
        assert "what can: " in found[0]


@pytest.mark.parametrize(
    ("scenario", "problem"),
    [
        ("weather: {room: {reset: 1.0e+15}}", "reset: Input should be less than or equal to 1000000"),
        (
            "signals: {room.temperature: {walk: {start: 1, stride: 1, every: 0.0001ms}}}",
            "every: Input should be greater",
        ),
        ("at: {-5s: {room.temperature: 1}}", "'-5s' is not a duration"),
        ("signals: {room.temperature: {replay: {file: huge.csv, column: T}}}", "replay: this is no CSV: field larger"),
    ],
)
def test_a_scenario_that_could_not_be_played_is_refused(folder: Path, scenario: str, problem: str) -> None:
    (folder / "huge.csv").write_text("t,T\n0," + "1" * 200_000 + "\n")

    [found] = said(folder, scenario)

    assert problem in found
