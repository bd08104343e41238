"""What every chip on a bus survives: faults in each transfer, a lost supply, another chip in its place."""

from __future__ import annotations

from typing import Any

import pytest

from drivers import BusTimeout, Driver, DriverError, Nack, SimBus, World, find
from drivers.errors import ArbitrationLost, BadData, BusError, WrongChip
from drivers.sim import SimChip
from tests.drivers.failing import Failing
from tests.drivers.needed import BUS_KINDS, CHIPS, address_of, build, chip


def plugged(kind: str) -> tuple[Driver, Failing, SimChip, SimBus]:
    part = chip(kind)
    sim = SimBus({address_of(kind): part})
    bus = Failing(sim)
    device = build(kind, bus)
    assert isinstance(device, Driver)
    return device, bus, part, sim


@pytest.mark.parametrize("kind", BUS_KINDS)
@pytest.mark.parametrize("error", [Nack, BusTimeout, ArbitrationLost])
def test_an_error_in_any_transfer_passes_through_and_a_new_start_mends_it(kind: str, error: type[BusError]) -> None:
    device, bus, _, sim = plugged(kind)
    device.start()
    wanted = device.read().values
    sim.log.clear()
    device.start()
    device.read()
    bus.error = error
    for transfer in range(len(sim.log)):
        bus.left = transfer
        with pytest.raises(error, match="scripted"):
            _start_and_read(device)
        device.bus.wait(10.0)

        device.start()
        assert device.read().values == wanted


def _start_and_read(device: Driver) -> None:
    device.start()
    device.read()


@pytest.mark.parametrize("kind", CHIPS)
def test_a_chip_that_lost_its_supply_says_so_or_goes_on_rightly(kind: str) -> None:
    """What it forgot must never become a reading; a new start mends it."""
    device, _, part, _ = plugged(kind)
    device.start()
    wanted = dict(device.read().values)
    type(part).__init__(part, part.world, part.name)

    try:
        got = dict(device.read().values)
    except (BadData, WrongChip, Nack):
        pass
    else:
        if kind == "ds3231":  # it may tell a wrong time, if it marks it
            assert got.pop("stopped")
            got.pop("time"), wanted.pop("time"), wanted.pop("stopped")
        assert got == wanted

    device.bus.wait(10.0)
    device.start()
    device.read()


@pytest.mark.parametrize("kind", CHIPS)
def test_no_driver_of_another_chip_takes_it_for_its_own(kind: str) -> None:
    """Every pair that can share an address: the one that is configured refuses the one that is there."""
    # whoever answers zeros is a BH1750 in the dark, or a multiplexer until something behind it is asked for
    known = {("bh1750", "pca9685"), ("bh1750", "mcp23017"), ("tca9548a", "bme280"), ("tca9548a", "bmp280")}
    entry = find(kind)
    assert issubclass(entry.driver, Driver)
    for other in CHIPS:
        there: Any = find(other)
        shared = set(entry.driver.addresses) & set(there.driver.addresses)
        if other == kind or not shared or (kind, other) in known or kind == "pcf8574":
            continue
        driver: Any = entry.driver
        device = driver(SimBus({min(shared): there.sim(World(), "it")}), min(shared))
        with pytest.raises(DriverError):
            _start_and_read(device)
