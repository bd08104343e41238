"""Chips on buses in a whole runtime: the example of hardware.md runs, and outputs are safe at the end."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

HARDWARE = Path(__file__).parents[2] / "hardware.md"
EXPANDERS = """
edge: {id: pi, backend: sim}
devices:
  valves: {driver: pcf8574, bus: i2c-1, address: 0x20, every: 10s, safe: 0xF0}
  servos: {driver: pca9685, bus: i2c-2, address: 0x40, every: 10s, safe: 25}
"""


def running(edge_factory, folder: Path, text: str):
    config = folder / "edge.yaml"
    config.write_text(text)
    return edge_factory(config)


@pytest.mark.parametrize("example", re.findall(r"```yaml\n(.*?)```", HARDWARE.read_text(), re.DOTALL))
def test_the_examples_of_hardware_md_run(edge_factory, tmp_path, example):
    edge = running(edge_factory, tmp_path, "edge: {id: pi, backend: sim}\n" + example)

    edge.advance("70s")

    states = dict(edge.runtime.instruments.states())
    assert {name: state.last_error for name, state in states.items() if state.state != "ok"} == {}


def test_an_output_that_nobody_samples_shows_what_it_was_told_last(edge_factory, tmp_path):
    edge = running(edge_factory, tmp_path, "edge: {id: pi, backend: sim}\ndevices: {fan: {driver: relay, pin: 27}}")

    def told() -> object:
        [fan] = edge.runtime.desk.devices()
        return fan["told"]

    assert told() == "off"  # its safe state
    edge.runtime.desk.set("fan", "on")
    assert told() == "on"
    with pytest.raises(ValueError, match="a relay takes"):
        edge.runtime.desk.set("fan", "sideways")
    assert told() == "on"
    edge.runtime.desk.outputs_safe()
    assert told() == "off"


def test_outputs_on_a_bus_are_set_and_safe_at_the_end(edge_factory, tmp_path):
    edge = running(edge_factory, tmp_path, EXPANDERS)
    edge.advance("1s")
    edge.runtime.desk.set("valves", "p0=on p7=off")
    edge.runtime.desk.set("servos", "duty_3=80")
    assert (edge.world["valves.p0"], edge.world["valves.p7"]) == (True, False)
    assert round(edge.world["servos.duty_3"]) == 80

    edge.close()

    assert (edge.world["valves.p0"], edge.world["valves.p7"]) == (False, True)
    assert edge.world["servos.duty_3"] == 25.0


def test_an_output_that_is_unplugged_at_the_end_is_told_and_keeps_nobody_else_from_safety(
    edge_factory, tmp_path, caplog
):
    edge = running(edge_factory, tmp_path, EXPANDERS)
    edge.advance("1s")
    edge.runtime.desk.set("servos", 80)
    edge.bus("i2c-1").detach(0x20)

    edge.close()

    assert edge.world["servos.duty_3"] == 25.0
    assert "an output may not be in its safe state: i2c-1 0x20: no answer" in caplog.text
