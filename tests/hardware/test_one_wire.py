"""DS18B20 through the kernel's 1-Wire: its search, its transfers and w1_therm are real, the bus behind them is not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers import BadData, BusUnavailable, Nack, SimBus, World
from drivers.ds18b20 import DS18B20
from drivers.wires.sysfs import SysfsTree
from tests.hardware.interfaces import Adapter
from tests.hardware.one_wire import Bridge, Thermometer
from tests.hardware.waiting import until

pytestmark = pytest.mark.hardware


@pytest.fixture
def tank(world: World) -> Thermometer:
    return Thermometer(world, "tank", 0x00000A1B2C3D)


@pytest.fixture
def roof(world: World) -> Thermometer:
    return Thermometer(world, "roof", 0x0000075B2A3C)


@pytest.fixture
def line(user: Adapter, sim: SimBus, world: World, tank: Thermometer, roof: Thermometer) -> Iterator[Bridge]:
    """Both thermometers on one wire, found by the kernel."""
    bridge = Bridge(world, [tank, roof])
    sim.attach(0x18, bridge)
    user.bind("ds2482", 0x18)
    for part in (tank, roof):
        until(Path(f"/sys/bus/w1/devices/{part.folder}/w1_slave").exists)
    yield bridge
    user.release(0x18)


@pytest.fixture
def tree() -> SysfsTree:
    return SysfsTree(wait=time.sleep)


def test_two_thermometers_on_one_wire_are_found_and_read(
    line: Bridge, tree: SysfsTree, world: World, tank: Thermometer, roof: Thermometer
) -> None:
    warm, cold = DS18B20(tree, tank.folder), DS18B20(tree, roof.folder)
    for one, two in ((21.0, -0.5), (85.0, -55.0), (125.0, 3.9375)):
        world["tank.temperature"], world["roof.temperature"] = one, two
        assert warm.read().values == {"temperature": pytest.approx(one, abs=0.001)}
        assert cold.read().values == {"temperature": pytest.approx(two, abs=0.001)}
    with pytest.raises(BusUnavailable, match="write one of them as `id:`"):
        DS18B20(tree).start()


def test_what_the_kernel_passes_on_as_a_temperature_is_told_from_a_measurement(
    line: Bridge, tree: SysfsTree, world: World, tank: Thermometer
) -> None:
    world["tank.temperature"] = 21.0
    sensor = DS18B20(tree, tank.folder)
    tank.unpowered = True
    with pytest.raises(BadData, match="value after power-on"):
        sensor.read()
    tank.unpowered, tank.noisy = False, True
    with pytest.raises(Nack, match="only with wrong checksums"):
        sensor.read()
    tank.noisy = False
    assert sensor.read().values == {"temperature": 21.0}


def test_a_thermometer_that_is_pulled_does_not_answer_and_comes_back(
    line: Bridge, tree: SysfsTree, world: World, tank: Thermometer, roof: Thermometer
) -> None:
    world["tank.temperature"] = 21.0
    sensor = DS18B20(tree, tank.folder)
    sensor.start()
    line.parts.clear()
    with pytest.raises(Nack, match="did not answer"):
        sensor.read()
    line.parts += [tank, roof]
    sensor.start()
    assert sensor.read().values == {"temperature": 21.0}
