"""I2C_RDWR on /dev/i2c-N, as on a board: every chip that we simulate answers behind a real adapter of the kernel."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import Any

import pytest

from drivers import ArbitrationLost, BusTimeout, BusUnavailable, Nack, SimBus, World, find
from drivers.bus import ATTEMPTS, SMBusBus
from drivers.errors import BusError
from drivers.sim import SimChip
from drivers.tmp102 import TMP102, SimTMP102
from tests.drivers.needed import CHIPS
from tests.hardware.interfaces import Adapter
from tests.hardware.user_bus import Message, UserBus
from tests.racing import race

pytestmark = pytest.mark.hardware


def plug(kind: str, sim: SimBus, world: World) -> tuple[int, SimChip]:
    """The chip behind the kernel's adapter, at its usual address."""
    entry: Any = find(kind)
    address = entry.driver.address if entry.driver.address is not None else entry.driver.addresses[0]
    chip = entry.sim(world, "it")
    sim.attach(address, chip)
    return address, chip


@pytest.mark.parametrize("kind", CHIPS)
def test_every_chip_is_read_through_the_kernel_as_the_world_is(
    plain_bus: SMBusBus, sim: SimBus, world: World, kind: str
) -> None:
    entry = find(kind)
    address, chip = plug(kind, sim, world)
    wanted = {
        channel: low + (high - low) / 3
        for channel, (low, high) in entry.driver.ranges.items()
        if channel in chip.defaults
    }
    for channel, value in wanted.items():
        world[f"it.{channel}"] = value

    with entry.build(plain_bus, address) as device:
        got = device.read().values

    assert set(got) == set(entry.driver.channels_of({}))
    for channel in wanted.keys() & got.keys():
        assert got[channel] == pytest.approx(wanted[channel], abs=entry.driver.resolution[channel])


@pytest.mark.parametrize("kind", CHIPS)
def test_every_chip_that_is_pulled_and_plugged_in_again_is_taken_up_anew(
    plain_bus: SMBusBus, sim: SimBus, world: World, kind: str
) -> None:
    address, chip = plug(kind, sim, world)
    with find(kind).build(plain_bus, address) as device:
        sim.detach(address)
        with pytest.raises(Nack, match=rf"{address:#04x}: no answer: check wiring.*\(EREMOTEIO\)"):
            device.read()
        sim.attach(address, chip)
        device.start()
        device.read()


def test_a_write_and_its_read_are_one_transfer_of_two_messages(
    plain_bus: SMBusBus, answering: UserBus, world: World
) -> None:
    answering.sim.attach(0x48, SimTMP102(world, "it"))
    plain_bus.transfer(0x48, b"\x01", 2)
    plain_bus.transfer(0x48, b"\x01\x60\xa0")
    plain_bus.transfer(0x48, b"", 2)

    assert answering.questions == [
        [Message(0x48, False, 1, b"\x01"), Message(0x48, True, 2)],
        [Message(0x48, False, 3, b"\x01\x60\xa0")],
        [Message(0x48, True, 2)],
    ]


@pytest.mark.parametrize("error", [Nack, BusTimeout, ArbitrationLost])
def test_each_errno_of_an_adapter_is_one_of_our_errors(
    plain_bus: SMBusBus, sim: SimBus, world: World, error: type[BusError]
) -> None:
    sim.attach(0x48, SimTMP102(world, "it"))
    # a lost arbitration is repeated at once
    sim.fail(0x48, error, times=ATTEMPTS if error is ArbitrationLost else 1)

    with pytest.raises(error) as raised:
        plain_bus.transfer(0x48, b"\x01", 2)

    assert type(raised.value) is error
    assert plain_bus.transfer(0x48, b"\x01", 2) == b"\x60\xa0", "one failed transfer does not spoil the next"


def test_a_bus_that_hangs_is_given_up_after_the_kernels_second(
    plain_bus: SMBusBus, answering: UserBus, world: World
) -> None:
    answering.sim.attach(0x48, SimTMP102(world, "it"))
    answering.mute = True
    began = time.monotonic()
    with pytest.raises(BusTimeout, match="a chip holds SCL or SDA low"):
        plain_bus.transfer(0x48, b"\x01", 2)
    took = time.monotonic() - began
    answering.mute = False

    assert 0.9 < took < 5.0
    assert plain_bus.transfer(0x48, b"\x01", 2) == b"\x60\xa0"


def test_the_combined_transfer_would_reach_a_chip_that_a_kernel_driver_holds_so_we_refuse_it(
    user: Adapter, plain_bus: SMBusBus, answering: UserBus, world: World
) -> None:
    answering.sim.attach(0x48, SimTMP102(world, "it"))
    user.bind("tmp102", 0x48)
    try:
        answering.questions.clear()
        with pytest.raises(BusUnavailable, match="0x48: kernel driver 'tmp102' owns this address"):
            plain_bus.transfer(0x48, b"\x00", 2)
        assert answering.questions == []
    finally:
        user.release(0x48)
    TMP102(plain_bus).start()


@pytest.mark.timeout(600)  # one emulated core, and three threads that interrupt each other as often as they can
def test_two_threads_on_one_bus_each_reach_the_chip_they_meant_in_ten_thousand_transfers(
    plain_bus: SMBusBus, sim: SimBus, world: World
) -> None:
    world["a.temperature"], world["b.temperature"] = 10.0, 20.0
    sim.attach(0x48, SimTMP102(world, "a"))
    sim.attach(0x49, SimTMP102(world, "b"))
    wrong: list[float] = []

    def read_many(address: int, expected: float) -> None:
        sensor = TMP102(plain_bus, address)
        for _ in range(5000):
            if (got := sensor.read().values["temperature"]) != expected:
                wrong.append(got)

    race(*(partial(read_many, *pair) for pair in ((0x48, 10.0), (0x49, 20.0))))

    assert wrong == []


def test_a_bus_that_is_closed_under_a_reading_thread_says_so(user: Adapter, sim: SimBus, world: World) -> None:
    sim.attach(0x48, SimTMP102(world, "it"))
    for _ in range(20):
        bus = SMBusBus(user.name, wait=time.sleep)
        said: list[str] = []
        thread = threading.Thread(target=read_until_refused, args=(bus, said))
        thread.start()
        time.sleep(0.005)
        bus.close()
        thread.join()

        assert said == [f"{bus.path} is closed"]


def read_until_refused(bus: SMBusBus, said: list[str]) -> None:
    try:
        while True:
            bus.transfer(0x48, b"\x00", 2)
    except BusError as error:
        said.append(str(error))
