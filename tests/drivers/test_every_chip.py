"""What every chip on a bus survives: faults in each transfer, a lost supply, another chip in its place."""

from __future__ import annotations

from typing import Any

import pytest

from drivers import BusTimeout, Driver, DriverError, Nack, SimBus, World, find
from drivers.errors import ArbitrationLost, BadData, BusError, WrongChip
from drivers.sim import SimChip
from drivers.simulation.signals import sine
from tests.drivers.conftest import Now
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


APART = {"ads1115": "one converter for all inputs, one after the other", "htu21d": "a command for each quantity"}
"""Chips that cannot measure all their channels at once, and why."""


@pytest.mark.parametrize("kind", [kind for kind in CHIPS if len(find(kind).driver.ranges) > 1])
def test_all_channels_of_a_sample_are_of_one_measurement(kind: str) -> None:
    """The world moves between two transfers, every channel by the same share of its range: in one sample the shares
    are the same."""
    driver, clock = find(kind).driver, Now()
    world = World(clock)
    ranges = {channel: span for channel, span in driver.ranges.items() if channel in driver.channels_of({})}
    for channel, (low, high) in ranges.items():
        world[f"it.{channel}"] = sine((low + high) / 2, 0.2 * (high - low), 0.007)
    bus = Ticking({address_of(kind): chip(kind, world)}, clock)
    device = build(kind, bus)
    device.start()

    apart = 0.0
    for _ in range(20):
        bus.wait(1.0)
        values = device.read().values
        shares = [(values[channel] - low) / (high - low) for channel, (low, high) in ranges.items()]
        apart = max(apart, max(shares) - min(shares))
    assert (apart > 0.05) is (kind in APART), apart


class Ticking(SimBus):
    """Each transfer takes a millisecond, and waiting takes its time."""

    def __init__(self, chips: dict[int, SimChip], clock: Now) -> None:
        super().__init__(chips, wait=clock.wait)
        self._clock = clock

    def transfer(self, address: int, write: bytes, read: int = 0) -> bytes:
        try:
            return super().transfer(address, write, read)
        finally:
            self._clock.wait(0.001)
