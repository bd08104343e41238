"""SMBus calls on /dev/i2c-N: the kernel's own i2c-stub, which has no plain I2C, holds the registers of our chips."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from drivers import BusUnavailable, Nack, SimBus, SimChip, World, WrongChip, find
from drivers.bus import SMBusBus
from drivers.tmp102 import TMP102, SimTMP102
from tests.hardware.interfaces import Adapter
from tests.racing import race

pytestmark = pytest.mark.hardware

PASSIVE = [
    # what a chip shows that only remembers: no conversion begins, no bit clears itself
    ("lm75", 0x48, {"temperature": -12.5}),
    ("ads1115", 0x49, {"a0": 0.0}),
    ("mcp9808", 0x18, {"temperature": 23.4375}),
    ("mpu6050", 0x68, {"acceleration_z": 0.98, "temperature": 31.0}),
    ("ds3231", 0x68, {"temperature": 25.25}),
    ("adxl345", 0x53, {"acceleration_z": -0.5}),
]


def copy(chip: SimChip, address: int, bus: SMBusBus) -> None:
    """Load the stub with what a simulated chip answers: in each register a word, as the stub keeps them."""
    source = SimBus({address: chip})
    for register in range(256):
        bus.transfer(address, bytes([register]) + source.transfer(address, bytes([register]), 2))


@pytest.mark.parametrize(("kind", "address", "shown"), PASSIVE, ids=[kind for kind, _, _ in PASSIVE])
def test_a_driver_reads_registers_through_the_kernels_smbus_calls(
    stub_bus: SMBusBus, world: World, kind: str, address: int, shown: dict[str, float]
) -> None:
    entry = find(kind)
    for channel, value in shown.items():
        world[f"it.{channel}"] = value
    chip: Any = entry.sim(world, "it")
    with entry.build(SimBus({address: chip}), address) as measuring:
        measuring.read()
        copy(chip, address, stub_bus)

    with entry.build(stub_bus, address) as device:
        got = device.read().values

    for channel, value in shown.items():
        assert got[channel] == pytest.approx(value, abs=entry.driver.resolution.get(channel, 0.0))


def test_memory_that_keeps_whatever_is_written_is_no_tmp102(stub_bus: SMBusBus, world: World) -> None:
    copy(SimTMP102(world, "it"), 0x48, stub_bus)

    with pytest.raises(WrongChip, match="another chip answers"):
        TMP102(stub_bus).start()


def test_bytes_words_and_blocks_come_back_in_the_order_of_the_wire(stub_bus: SMBusBus) -> None:
    stub_bus.transfer(0x4A, b"\x10\x01")
    stub_bus.transfer(0x4A, b"\x20\x12\x34")
    stub_bus.transfer(0x4A, b"\x30" + bytes(range(32)))

    assert stub_bus.transfer(0x4A, b"\x10", 1) == b"\x01"
    assert stub_bus.transfer(0x4A, b"\x20", 2) == b"\x12\x34"
    assert stub_bus.transfer(0x4A, b"\x30", 32) == bytes(range(32))
    stub_bus.transfer(0x4A, b"\x31")
    assert [stub_bus.transfer(0x4A, b"", 1) for _ in range(3)] == [b"\x01", b"\x02", b"\x03"]


@pytest.mark.parametrize(("write", "read"), [(b"\x01\x02", 3), (b"", 2), (b"\x01", 33), (bytes(34), 0)])
def test_what_smbus_cannot_say_is_named(stub_bus: SMBusBus, write: bytes, read: int) -> None:
    with pytest.raises(BusUnavailable, match="no plain I2C"):
        stub_bus.transfer(0x4A, write, read)


def test_an_address_that_nobody_has_is_a_nack(stub_bus: SMBusBus) -> None:
    for write, read in ((b"\x00", 1), (b"\x00", 2), (b"\x00\x01", 0), (b"", 1), (b"\x00", 8)):
        with pytest.raises(Nack, match=r"0x2f: no answer.*\(ENODEV\)"):
            stub_bus.transfer(0x2F, write, read)


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_a_closed_bus_gives_its_file_back(stub: Adapter) -> None:
    before = open_files()
    bus = SMBusBus(stub.number, wait=lambda seconds: None)
    assert open_files() == before + 1
    bus.close()
    bus.close()

    assert open_files() == before
    with pytest.raises(BusUnavailable, match="is closed"):
        bus.transfer(0x48, b"\x00", 1)


def test_an_adapter_that_does_not_exist_says_how_to_switch_it_on(stub: Adapter) -> None:
    with pytest.raises(BusUnavailable, match=r"/dev/i2c-99: no such bus"):
        SMBusBus(99, wait=lambda seconds: None)


def test_a_chip_that_a_kernel_driver_holds_is_left_alone_by_name(stub: Adapter, stub_bus: SMBusBus) -> None:
    stub_bus.transfer(0x48, b"\x00\x19\x00")
    stub.bind("lm75", 0x4F)
    try:
        with pytest.raises(BusUnavailable, match="0x4f: kernel driver 'lm75' owns this address"):
            stub_bus.transfer(0x4F, b"\x00", 2)
        assert stub_bus.transfer(0x48, b"\x00", 2) == b"\x19\x00", "its neighbours are free"
    finally:
        stub.release(0x4F)
    assert len(stub_bus.transfer(0x4F, b"\x00", 2)) == 2


def test_two_threads_on_one_bus_each_reach_the_chip_they_meant_in_ten_thousand_transfers(stub_bus: SMBusBus) -> None:
    """SMBus calls choose the chip by a call of its own: without a lock one thread's choice is the other's."""
    marks = {0x48: b"\x48\x11", 0x49: b"\x49\x22"}
    for address, mark in marks.items():
        stub_bus.transfer(address, b"\x00" + mark)
    wrong: list[bytes] = []

    def read_many(address: int) -> None:
        for _ in range(5000):
            if (got := stub_bus.transfer(address, b"\x00", 2)) != marks[address]:
                wrong.append(got)

    race(*(partial(read_many, address) for address in marks))

    assert wrong == []
