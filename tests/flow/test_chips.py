"""Chips that take their time, choose their channels, and measure and act at once - on one bus, through the runtime."""

import pytest

from drivers import Nack


@pytest.fixture
def edge(edge_factory):
    return edge_factory("plant/chips.yaml")


def results(edge) -> list:
    return [(outcome.task, outcome.result) for outcome in edge.outcomes]


def test_a_sensor_a_converter_and_an_expander_share_a_bus(edge):
    edge.advance("30s")
    assert results(edge) == []

    edge.world["office.co2"] = 1500
    edge.advance("20s")
    assert results(edge) == [("air", 1500.0)]
    assert edge.world["panel.b0"] is False, "on is low"
    assert edge.world["panel.b1"] is True

    edge.world["levels.a2_a3"] = 1.75
    edge.world["panel.a0"] = False
    edge.advance("5s")
    assert sorted(results(edge)[1:]) == [("door", False), ("tank", 1.75)]


def test_a_chip_that_lost_power_is_failed_until_it_is_started_anew_and_its_outputs_are_safe_then(edge):
    edge.advance("10s")
    edge.runtime.desk.set("panel", "b0=on")
    assert edge.world["panel.b0"] is False
    bus = edge.bus("i2c-1")
    chip = bus.detach(0x20)
    chip.power_up()
    bus.attach(0x20, chip)
    edge.advance("60s")

    states = {device["name"]: device["state"] for device in edge.runtime.desk.devices()}
    assert states == {"office": "ok", "levels": "ok", "panel": "ok"}
    assert edge.world["panel.b0"] is True


def test_a_dead_chip_does_not_keep_the_others_from_being_read(edge):
    edge.advance("10s")
    edge.bus("i2c-1").fail(0x62, Nack, times=1000)
    edge.world["levels.a2_a3"] = 1.75
    edge.advance("20s")

    assert results(edge) == [("tank", 1.75)]
    states = {device["name"]: device["state"] for device in edge.runtime.desk.devices()}
    assert states["office"] == "failed"
    assert states["levels"] == states["panel"] == "ok"
