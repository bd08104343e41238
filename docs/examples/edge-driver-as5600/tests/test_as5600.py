"""What the package promises: the contract of every driver, known bytes, and what its own faults are."""

import pytest
from edge_driver_as5600 import AS5600, SimAS5600

from drivers import BadData, SimBus, World
from edge.testing import driver_suite


def test_it_keeps_the_contract():
    assert driver_suite.problems("as5600") == []


@pytest.mark.parametrize(("counts", "degrees"), [(0, 0.0), (1024, 90.0), (4095, 359.912)])
def test_known_bytes_are_known_angles(counts, degrees):
    chip = SimAS5600(World(), "it")
    chip.load = lambda register: {0x0B: 0x20, 0x0C: counts >> 8, 0x0D: counts & 0xFF}[register]

    assert AS5600(SimBus({0x36: chip})).read().values["angle"] == pytest.approx(degrees, abs=0.001)


def test_without_a_magnet_there_is_no_angle():
    chip = SimAS5600(World(), "it")
    sensor = AS5600(SimBus({0x36: chip}))
    chip.there = False

    with pytest.raises(BadData, match="no magnet"):
        sensor.read()


def test_a_valve_that_moved_starts_a_task(edge_factory, tmp_path):
    (tmp_path / "tasks.py").write_text(
        "from edge import Context, Event, task\n\n@task\ndef moved(event: Event, ctx: Context) -> dict:\n"
        "    return dict(event.values)\n"
    )
    (tmp_path / "edge.yaml").write_text(
        "edge: {id: plant, backend: sim}\n"
        "devices:\n  valve: {driver: as5600, bus: i2c-1}\n"
        "tasks:\n  moved: {run: ./tasks.py:moved, when: {source: valve, above: 180}}\n"
        "journal: {path: ./journal}\n"
    )
    edge = edge_factory(tmp_path / "edge.yaml")
    edge.world["valve.angle"] = 270.0
    edge.advance("5s")

    [outcome] = edge.outcomes
    assert outcome.result == {"angle": 270.0}
