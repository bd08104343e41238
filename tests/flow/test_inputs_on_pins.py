"""Buttons, knobs, motion detectors and meters in a whole gateway: what a task is started by, and with what."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from drivers.recording import Recorder, read_recording
from drivers.rotary import Rotary
from edge.cli.record import watch
from edge.config import load
from edge.testing.harness import Harness

CONFIG = """\
edge: {id: hall, backend: sim}
devices:
  bell: {driver: button, pin: 5, double: 400ms, long: 1s}
  knob: {driver: rotary, pins: {a: 13, b: 19, button: 26}, min_value: 0, max_value: 30}
  hall: {driver: pir, pin: 6, warm_up: 60s, hold: 10s}
  water: {driver: counter, pin: 12, per_pulse: 0.1, unit: l, every: 10s}
tasks:
  pressed: {run: "./tasks.py:note", when: {source: bell, channel: pressed, edge: rising}}
  click: {run: "./tasks.py:note", when: {source: bell, channel: click, edge: rising}}
  double: {run: "./tasks.py:note", when: {source: bell, channel: double, edge: rising}}
  doubled: {run: "./tasks.py:note", when: {source: bell, channel: double, equals: true}}
  long: {run: "./tasks.py:note", when: {source: bell, channel: long, edge: rising}}
  let_go: {run: "./tasks.py:note", when: {source: bell, channel: long, edge: falling}}
  turned: {run: "./tasks.py:note", when: {source: knob, channel: turned}}
  loud: {run: "./tasks.py:note", when: {source: knob, channel: position, above: 2}}
  mute: {run: "./tasks.py:note", when: {source: knob, channel: click, edge: rising}}
  somebody: {run: "./tasks.py:note", when: {source: hall, edge: rising}}
  nobody: {run: "./tasks.py:note", when: {source: hall, equals: false, for: 1m}}
  leak: {run: "./tasks.py:note", when: {source: water, channel: rate, above: 5}}
journal: {path: ./journal}
"""
TASKS = """\
from edge import Context, Event, task

@task
def note(event: Event, ctx: Context) -> dict:
    return dict(event.values)
"""


@pytest.fixture
def edge(tmp_path: Path, edge_factory: Callable[..., Harness]) -> Harness:
    (tmp_path / "edge.yaml").write_text(CONFIG)
    (tmp_path / "tasks.py").write_text(TASKS)
    return edge_factory(tmp_path / "edge.yaml")


def press(edge: Harness, held: str, device: str = "bell") -> None:
    edge.world[f"{device}.pressed"] = True
    edge.advance(held)
    edge.world[f"{device}.pressed"] = False
    edge.advance("100ms")


def ran(edge: Harness, *tasks: str) -> list[str]:
    return [outcome.task for outcome in edge.outcomes if not tasks or outcome.task in tasks]


def states(edge: Harness, name: str) -> dict[str, float | bool]:
    return dict(edge.runtime.instruments.values(name))


def test_a_click_a_double_click_and_a_long_press_each_start_their_task(edge: Harness) -> None:
    press(edge, "200ms")
    edge.advance("1s")
    assert ran(edge) == ["pressed", "click"]
    press(edge, "200ms")
    press(edge, "200ms")
    edge.advance("1s")
    assert ran(edge)[2:] == ["pressed", "pressed", "double", "doubled"]
    press(edge, "3s")
    assert ran(edge)[6:] == ["pressed", "long", "let_go"]


def test_each_of_two_double_clicks_starts_the_task_whatever_its_condition(edge: Harness) -> None:
    for _ in range(2):
        press(edge, "150ms")
        press(edge, "150ms")
        edge.advance("1s")

    assert ran(edge, "double", "doubled", "click") == ["double", "doubled"] * 2


def test_a_bouncing_button_clicks_once_and_a_glitch_not_at_all(edge: Harness) -> None:
    edge.pin_faults.plan("bounce", 5, seconds=600, by=6)
    press(edge, "200ms")
    edge.advance("2s")
    assert ran(edge) == ["pressed", "click"]
    edge.pin_faults.plan("glitch", 5, after=1, by=0.02)
    edge.advance("10s")
    assert ran(edge) == ["pressed", "click"]


def test_what_a_button_shows_is_complete_although_an_edge_names_one_channel(edge: Harness) -> None:
    assert states(edge, "bell") == {"pressed": False, "click": False, "double": False, "long": False}
    press(edge, "200ms")
    edge.advance("1s")
    assert states(edge, "bell") == {"pressed": False, "click": True, "double": False, "long": False}
    assert edge.outcomes[-1].result == {"click": True}


def test_a_button_held_while_the_gateway_starts_is_no_edge(edge: Harness) -> None:
    edge.world["bell.pressed"] = True
    edge.advance("2s")
    before = len(edge.outcomes)
    edge.restart()
    edge.advance("5s")
    edge.world["bell.pressed"] = False
    edge.advance("2s")

    assert len(edge.outcomes) == before
    assert states(edge, "bell")["pressed"] is False


def test_every_detent_of_a_knob_is_an_event_and_its_position_a_threshold(edge: Harness) -> None:
    edge.world["knob.position"] = 4
    edge.advance("1s")
    edge.world["knob.position"] = 2
    edge.advance("1s")

    turned = [outcome.result for outcome in edge.outcomes if outcome.task == "turned"]
    assert turned == [{"position": at, "turned": by} for at, by in [(1, 1), (2, 1), (3, 1), (4, 1), (3, -1), (2, -1)]]
    assert [outcome.result["position"] for outcome in edge.outcomes if outcome.task == "loud"] == [3]
    press(edge, "100ms", "knob")
    assert ran(edge, "mute", "click") == ["mute"]
    assert edge.runtime.desk.read("knob")["values"]["position"] == 2


def test_a_knob_starts_at_0_again_and_where_it_stands_is_no_movement(edge: Harness) -> None:
    edge.world["knob.position"] = 4
    edge.advance("1s")
    edge.restart()
    edge.advance("5s")
    assert states(edge, "knob")["position"] == 0
    assert len(ran(edge, "turned")) == 4


def test_lost_steps_of_a_knob_are_counted_as_missed_edges(edge: Harness) -> None:
    edge.pin_faults.plan("stuck", 19, seconds=0.5)
    edge.world["knob.position"] = 3
    edge.advance("1s")

    counts = edge.runtime.telemetry.counts("edge_driver_read_errors_total")
    missed = {dict(labels)["device"]: n for labels, n in counts.items() if dict(labels)["kind"] == "missed_edge"}
    assert "bell" not in missed
    assert states(edge, "knob")["position"] == 0, "one contact alone goes there and back"


def test_a_cold_motion_detector_tells_nothing_and_a_warm_one_does(edge: Harness) -> None:
    for motion in (True, False, True, False):
        edge.world["hall.motion"] = motion
        edge.advance("5s")
    edge.advance("60s")
    assert ran(edge, "somebody") == []
    edge.world["hall.motion"] = True
    edge.advance("1s")
    edge.world["hall.motion"] = False
    edge.advance("5s")
    edge.world["hall.motion"] = True
    edge.advance("5s")
    assert ran(edge, "somebody") == ["somebody"]
    edge.world["hall.motion"] = False
    edge.advance("2m")
    assert ran(edge, "nobody") == ["nobody", "nobody"], "since the start, and since the last motion"


def test_a_meter_is_sampled_and_its_pulses_are_no_events(edge: Harness) -> None:
    edge.world["water.rate"] = 3.0
    edge.advance("5m")
    assert ran(edge) == ["nobody"]
    assert states(edge, "water")["total"] == pytest.approx(15, abs=0.2)
    assert edge.runtime.telemetry.total("edge_pin_edges_dropped_total") == 0
    edge.world["water.rate"] = 8.0
    edge.advance("1m")
    assert ran(edge, "leak") == ["leak"]


def test_a_part_on_several_pins_is_listed_with_all_of_them(edge: Harness) -> None:
    [knob] = [one for one in edge.runtime.desk.devices() if one["name"] == "knob"]
    assert (knob["pin"], knob["pins"], knob["place"]) == (None, {"a": 13, "b": 19, "button": 26}, "GPIO13+19+26")
    assert list(knob["channels"]) == ["position", "turned", "pressed", "click"]


def test_a_part_whose_calls_take_long_has_a_thread_of_its_own(
    tmp_path: Path, edge_factory: Callable[..., Harness], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Rotary, "own_wire", True)
    (tmp_path / "edge.yaml").write_text(CONFIG)
    (tmp_path / "tasks.py").write_text(TASKS)
    handles = edge_factory(tmp_path / "edge.yaml").runtime.instruments.handles

    assert {name: handle.wire for name, handle in handles.items()} == {
        "bell": "pins",
        "knob": "GPIO13+19+26",
        "hall": "pins",
        "water": "pins",
    }
    assert handles["bell"].lock is handles["water"].lock
    assert handles["knob"].lock is not handles["bell"].lock


def test_what_was_done_with_knob_and_button_is_played_back(
    edge: Harness, tmp_path: Path, edge_factory: Callable[..., Harness]
) -> None:
    config = load(tmp_path / "edge.yaml", simulated=True)
    edge.close()

    def passes(seconds: float) -> None:
        edge.clock.advance(seconds)
        now = edge.clock.monotonic() - recorder.began
        edge.world["knob.position"] = 2 if now > 1 else 0
        edge.world["bell.pressed"] = 3 < now < 3.2
        edge.world.refresh()

    with (tmp_path / "hall.rec").open("wb") as file:
        recorder = Recorder(file.write, now=edge.clock.monotonic)
        watch(config, edge._outside(), recorder, 10.0, lambda pause: passes(min(pause, 0.004)))
        recorder.close()
    assert set(read_recording(tmp_path / "hall.rec").inputs) == {5, 6, 12, 13, 19, 26}

    replayed = edge_factory(tmp_path / "edge.yaml", recording="hall.rec")
    replayed.advance("10s")

    results = [(outcome.task, outcome.result) for outcome in replayed.outcomes]
    assert results == [
        ("turned", {"position": 1, "turned": 1}),
        ("turned", {"position": 2, "turned": 1}),
        ("pressed", {"pressed": True}),
        ("click", {"click": True}),
    ]


def test_a_scenario_turns_the_knob_and_breaks_one_of_its_contacts(
    tmp_path: Path, edge_factory: Callable[..., Harness]
) -> None:
    (tmp_path / "edge.yaml").write_text(CONFIG.replace("backend: sim}", "backend: sim, scenario: knob.yaml}", 1))
    (tmp_path / "tasks.py").write_text(TASKS)
    (tmp_path / "knob.yaml").write_text(
        "at: {1s: {knob.position: 1}, 5s: {knob.position: 9}}\n"
        "faults: [{at: 4s, for: 10s, device: knob, role: b, kind: stuck}]\n"
    )
    edge = edge_factory(tmp_path / "edge.yaml")
    edge.advance("10s")

    assert ran(edge, "turned") == ["turned"], "a knob with one contact goes nowhere"
    assert [fault.pin for fault in edge.pin_faults.history] == [19]
