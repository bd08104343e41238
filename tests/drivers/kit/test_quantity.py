"""What a class body says about a channel, and how short a simple chip is."""

from pathlib import Path

import pytest

import drivers
from drivers import Driver, Reading, SimBus, World, WrongChip, find
from drivers.kit.quantity import Quantity, Scaled
from drivers.registers import Bits, Register
from drivers.simulation.silicon import RegisterChip
from drivers.suite import problems

SHORT = 60


class Thermometer(Driver):
    """Has one register."""

    counts = Register(0x10, size=2, writable=False)
    temperature = Scaled(Bits(counts, low=4, width=12, signed=True), "degC", step=0.0625, low=-55, high=128)
    setting = Register(0x20)

    def read(self) -> Reading:
        return self.reading(temperature=self.temperature)


class Hygrometer(Thermometer):
    """Has one more."""

    humidity = Quantity("%", step=0.5, low=0, high=100, slew=50.0)
    power = Quantity("W")


def test_one_line_is_a_channel_with_its_unit_range_and_step() -> None:
    assert Hygrometer.channels == {"temperature": "degC", "humidity": "%", "power": "W"}
    assert Hygrometer.ranges == {"temperature": (-55.0, 128.0), "humidity": (0.0, 100.0)}
    assert Hygrometer.resolution == {"temperature": 0.0625, "humidity": 0.5}
    assert Hygrometer.slew == {"humidity": 50.0}
    assert Thermometer.channels == {"temperature": "degC"}, "what a subclass adds is its own"
    assert Driver.ranges == {}


def test_a_range_has_two_ends() -> None:
    with pytest.raises(ValueError, match="give low and high, or neither"):
        Quantity("lx", low=0)


def test_a_scaled_register_is_read_in_one_transaction(world: World) -> None:
    chip = RegisterChip(world, "it")
    chip.registers[0x10:0x12] = b"\xff\xc7"
    bus = SimBus({0x40: chip})

    assert Thermometer(bus, 0x40).read().values == {"temperature": -0.25}
    assert [(t.write, len(t.answer)) for t in bus.log] == [(b"\x10", 2)]


class Stubborn(RegisterChip):
    """Keeps all but the lowest bit."""

    def store(self, register: int, value: int) -> None:
        super().store(register, value & ~1)


def test_what_a_chip_does_not_keep_is_another_chip_unless_that_bit_is_its_own(world: World) -> None:
    chip = Thermometer(SimBus({0x40: Stubborn(world, "it")}), 0x40)
    chip.keep(Thermometer.setting, 0x34)
    chip.keep(Thermometer.setting, 0x35, becomes=0x34)
    chip.keep(Thermometer.setting, 0x35, bits=0xF0)

    with pytest.raises(WrongChip, match=r"0x40 keeps 0x34 where a Thermometer keeps 0x35 \(register 0x20\)"):
        chip.keep(Thermometer.setting, 0x35)


@pytest.mark.parametrize("kind", ["tmp102", "mcp9808"])
def test_a_simple_chip_with_its_simulator_is_short(kind: str) -> None:
    """Nothing is left out for it: each keeps every rule of the suite."""
    text = (Path(drivers.__file__).parent / f"{kind}.py").read_text()

    assert len(text.splitlines()) < SHORT
    assert problems(find(kind)) == []
