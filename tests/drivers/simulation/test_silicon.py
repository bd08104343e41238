"""The simulated chip of 16-bit registers: its pointer, its bytes, what can be written, and when it is ready."""

from collections.abc import Mapping
from typing import ClassVar

import pytest

from drivers import SimBus, World
from drivers.simulation.silicon import RegisterChip, WordChip, counts


class Chip(WordChip):
    words: ClassVar[Mapping[int, int]] = {0: 0x1234, 1: 0x00FF, 2: -2, 8: 0x07}
    writable: ClassVar[Mapping[int, int]] = {1: 0xFF00, 8: 0x03}
    sizes: ClassVar[Mapping[int, int]] = {8: 1}
    pointers = 0x0F


class Little(Chip):
    order = "little"


def test_the_pointer_stays_and_bytes_beyond_the_register_are_ones(world: World, bus: SimBus) -> None:
    bus.attach(0x40, Chip(world, "it"))
    assert bus.transfer(0x40, b"\x00", 2).hex() == "1234"
    assert bus.transfer(0x40, b"", 4).hex() == "1234ffff"
    assert bus.transfer(0x40, b"\xf8", 1).hex() == "07", "the pointer has four bits"
    assert bus.transfer(0x40, b"\x02", 2).hex() == "fffe"
    assert bus.transfer(0x40, b"\x05", 2).hex() == "ffff", "no such register"


def test_the_other_byte_order(world: World, bus: SimBus) -> None:
    bus.attach(0x40, Little(world, "it"))
    bus.transfer(0x40, b"\x01\x11\x22")
    assert bus.transfer(0x40, b"\x01", 2).hex() == "ff22"
    assert bus.transfer(0x40, b"\x00", 2).hex() == "3412"


def test_only_writable_bits_are_written_and_power_brings_the_old_ones_back(world: World, bus: SimBus) -> None:
    chip = Chip(world, "it")
    bus.attach(0x40, chip)
    for write in (b"\x00\xaa\xaa", b"\x01\xab\xcd", b"\x08\xfd", b"\x01\x77"):
        bus.transfer(0x40, write)
    assert chip.held == {0: 0x1234, 1: 0xABFF, 2: -2, 8: 0x05}

    chip.power_up()

    assert chip.held == chip.words


def test_eight_bit_registers_can_be_read_only_too(world: World) -> None:
    class Bytes(RegisterChip):
        writable: ClassVar[Mapping[int, int]] = {1: 0x0F}

    chip = Bytes(world, "it")
    chip.write(b"\x00\xff\xff\xff")
    assert chip.registers[:3].hex() == "000f00"


def test_a_conversion_is_over_when_the_bus_has_waited_long_enough(world: World) -> None:
    class Slow(Chip):
        done = 0

        def converted(self) -> None:
            self.done += 1

    chip = Slow(world, "it")
    bus = SimBus({0x40: chip})
    chip.convert(0.3)
    for _ in range(2):
        bus.wait(0.1)
    assert chip.done == 0
    bus.wait(0.1)
    assert chip.done == 1, "three tenths are three tenths, whatever floating point makes of them"
    bus.wait(10)
    assert chip.done == 1


@pytest.mark.parametrize(("value", "expected"), [(0.24, 0), (0.26, 1), (-0.26, -1), (99.0, 7), (-99.0, -8)])
def test_a_converter_has_steps_and_ends(value: float, expected: int) -> None:
    assert counts(value, 0.5, -8, 7) == expected
