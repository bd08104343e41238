"""Outputs on header pins through the whole runtime: a task sets them, the world answers, and they end in their safe
state however the gateway ends."""

import json
import math

import pytest

from drivers import BusTimeout
from drivers.simulation.signals import constant, total
from edge.cli import main
from edge.errors import ConfigError

# what the pins show in the safe states of plant/outputs.yaml
SAFE = {18: 0.3, 17: pytest.approx((0x20 / 0xFF) ** 2.2), 27: 0, 22: 0, 16: 0, 5: 0, 6: 0, 13: 0, 19: 0}


@pytest.fixture
def edge(edge_factory):
    edge = edge_factory("plant/outputs.yaml")
    edge.world["workshop.temperature"] = 21.0
    edge.world["tank.distance"] = 1500.0
    return edge


def last(edge) -> dict[int, float]:
    """What each output was set to last; what the pins show once they are given back is the wiring's business."""
    return {pin: edge.pins.history(pin)[-1][1] for pin in SAFE}


def test_a_task_sets_every_output_and_the_world_sees_it(edge):
    edge.advance("30s")
    edge.world["workshop.temperature"] = 31.0
    edge.advance("30s")

    assert [(o.task, o.result) for o in edge.outcomes] == [("overheat", 31.0)]
    assert edge.world["fan.duty"] == pytest.approx(60)
    assert edge.world["fan.rpm"] == pytest.approx(1800)
    assert edge.world["flap.angle"] == pytest.approx(45)
    assert [round(float(edge.world[f"lamp.{colour}"]), 1) for colour in ("red", "green", "blue")] == [100, 25.1, 0]
    assert edge.world["siren.tone"] == 440
    assert edge.world["blind.position"] == 25


def test_a_fan_that_a_task_switches_on_cools_the_room(edge):
    edge.world["workshop.temperature"] = total(constant(30.0), edge.world.response("fan.duty", gain=-0.1, seconds=300))
    edge.advance("40m")

    assert [outcome.task for outcome in edge.outcomes] == ["overheat"]
    assert edge.world["workshop.temperature"] == pytest.approx(24.0, abs=0.01)


def test_outputs_begin_safe_are_safe_after_a_stop_and_after_a_crash(edge):
    assert last(edge) == SAFE
    edge.world["workshop.temperature"] = 31.0
    edge.advance("30s")
    assert last(edge) != SAFE
    edge.crash()
    edge.world["workshop.temperature"] = 21.0
    edge.restart()
    assert last(edge) == SAFE, "a boot begins in the safe state"

    edge.advance("30s")
    edge.world["workshop.temperature"] = 31.0
    edge.advance("30s")
    assert last(edge) != SAFE
    pins = edge.pins
    edge.close()
    assert {pin: pins.history(pin)[-1][1] for pin in SAFE} == SAFE
    assert edge.world["flap.angle"] == pytest.approx(-90), "the servo was given the time to get there"


def test_every_output_is_made_safe_without_a_runtime(tmp_path, capsys):
    """What systemd calls when the watchdog ended the gateway."""
    (tmp_path / "edge.yaml").write_text(
        "edge: {id: pi, backend: sim}\n"
        "devices:\n"
        "  fan:   {driver: fan, pins: {pwm: 18}, safe: 100}\n"
        '  lamp:  {driver: rgb_led, pins: {red: 17, green: 27, blue: 22}, safe: "#200000"}\n'
        "  siren: {driver: buzzer, pin: 16}\n"
        "  blind: {driver: a4988, pins: {step: 5, dir: 6}}\n"
    )
    assert main(["outputs", "safe", "-c", str(tmp_path / "edge.yaml"), "--json"]) == 0
    done = json.loads(capsys.readouterr().out)
    assert done == [{"device": name, "safe": True, "error": None} for name in ("fan", "lamp", "siren", "blind")]


def test_a_value_that_is_no_setting_fails_the_run_and_leaves_the_output(edge):
    edge.advance("5s")
    edge.world["tank.distance"] = 80.0
    edge.advance("5s")

    [outcome] = edge.outcomes
    assert (outcome.task, outcome.status) == ("broken", "failure")
    assert "a fan takes 0 to 100 (per cent)" in str(outcome.error)
    assert edge.world["fan.duty"] == pytest.approx(30)


def test_a_fan_that_is_blocked_is_noticed_by_its_tachometer(edge):
    edge.advance("60s")
    assert edge.outcomes == []
    edge.world["fan.blocked"] = True
    edge.advance("60s")
    assert [(outcome.task, outcome.result) for outcome in edge.outcomes] == [("stalled", 0.0)]


def test_what_takes_long_has_a_wire_of_its_own_and_delays_no_door(edge):
    wires = {
        name: wire
        for wire, group in edge.runtime.instruments.wiring.wires().items()
        for name in (h.name for h in group)
    }
    slow = [wires[name] for name in ("tank", "fan", "flap", "blind")]
    assert slow == ["GPIO23+24", "GPIO18+25", "GPIO12", "GPIO5+6+13+19+26"]
    assert wires["door"] == wires["lamp"] == wires["siren"] == "pins"


def test_a_task_beeps_by_the_clock(edge_factory, tmp_path):
    """What hardware.md says of patterns: the driver knows on and off, the task makes the pattern."""
    (tmp_path / "beep.py").write_text(
        "from edge import Context, Event, task\n\n\n@task\ndef beep(event: Event, ctx: Context) -> None:\n"
        '    ctx.device("siren").set(0 if ctx.device("siren").read()["on"] else 880)\n'
    )
    (tmp_path / "edge.yaml").write_text(
        "edge: {id: pi, backend: sim}\n"
        "devices: {siren: {driver: buzzer, pin: 25, kind: passive}}\n"
        'tasks: {beep: {run: "./beep.py:beep", when: {every: 1s}, grant: {devices: [siren]}}}\n'
    )
    edge = edge_factory(tmp_path / "edge.yaml")
    edge.advance("4.5s")

    assert [(at, share) for at, share in edge.pins.history(25) if at] == [
        (1, 0), (1, 0.5), (2, 0), (3, 0), (3, 0.5), (4, 0)
    ]  # fmt: skip


def test_an_echo_that_fails_is_degraded_and_recovers(edge):
    edge.advance("10s")
    edge.world["tank.distance"] = math.inf
    edge.advance("30s")
    state = {device["name"]: device["state"] for device in edge.runtime.desk.devices()}["tank"]
    assert state != "ok"
    edge.world["tank.distance"] = 1500.0
    edge.advance("120s")
    state = {device["name"]: device["state"] for device in edge.runtime.desk.devices()}["tank"]
    assert state == "ok"
    assert edge.outcomes == []


def test_a_scenario_may_block_a_fan_and_not_what_cannot_be_blocked(edge_factory, tmp_path):
    (tmp_path / "edge.yaml").write_text(
        "edge: {id: pi, backend: sim, scenario: day.yaml}\n"
        "devices: {fan: {driver: fan, pins: {pwm: 18, tach: 25}, safe: 50, every: 5s}}\n"
    )
    (tmp_path / "day.yaml").write_text("at: {20s: {fan.blocked: true}}\n")
    edge = edge_factory(tmp_path / "edge.yaml")
    edge.advance("15s")
    assert edge.runtime.desk.read("fan")["values"]["rpm"] == pytest.approx(1500)
    edge.advance("10s")
    assert edge.runtime.desk.read("fan")["values"]["rpm"] == 0

    (tmp_path / "day.yaml").write_text("at: {20s: {fan.jammed: true}}\n")
    with pytest.raises(ConfigError, match=r"no device has the signal 'fan.jammed'"):
        edge_factory(tmp_path / "edge.yaml")


def test_a_command_from_outside_that_takes_long_makes_no_event_wait(edge_factory, tmp_path, caplog):
    (tmp_path / "edge.yaml").write_text(
        "edge: {id: pi, backend: sim}\n"
        "mqtt: {broker: mqtt://localhost}\n"
        "devices:\n"
        "  blind: {driver: a4988, pins: {step: 5, dir: 6}, lowest: 0, highest: 500, remote_set: true}\n"
    )
    edge = edge_factory(tmp_path / "edge.yaml")
    edge.advance("1s")
    edge.message("edge/pi/blind/position/set", "40")
    assert edge.world["blind.position"] == 40

    blind = edge.runtime.instruments.remote["blind"]
    for position in range(10):
        blind.set(position)
    assert edge.world["blind.position"] == 40, "it is for the thread of the motor"
    with pytest.raises(BusTimeout, match="blind is busy: 10 commands wait for it already"):
        blind.set(77)
    edge.advance("10s")
    assert edge.world["blind.position"] == 9

    edge.message("edge/pi/blind/position/set", "900")
    edge.advance("1s")
    assert edge.world["blind.position"] == 9
    assert "blind: 900 refused: a stepper takes a position from 0 to 500" in caplog.text
