"""ADS1115: the right input, the right scale, and never the value of the input before."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers import BadData, BusTimeout, Nack, OutOfRange, SimBus, World, WrongChip, find
from drivers.ads1115 import ADS1115, FULL_SCALE, MUX, RATES, SimADS1115
from drivers.suite import problems
from tests.drivers.failing import Failing


class Says(SimADS1115):
    """Converts whatever it is given to these counts."""

    def __init__(self, counts: int) -> None:
        super().__init__(World(), "it")
        self.counts = counts

    def converted(self) -> None:
        self.held[0] = self.counts


@pytest.fixture
def chip(world: World, bus: SimBus) -> SimADS1115:
    chip = SimADS1115(world, "it")
    bus.attach(0x48, chip)
    return chip


@pytest.mark.parametrize(
    ("gain", "counts", "volts"),
    [
        ("2/3", 0x7FFE, 6.143625000),
        ("2/3", 0x2710, 1.875000000),
        (1, 0x7FFE, 4.095750000),
        (1, 0x0001, 0.000125000),
        (1, 0xFFFF, -0.000125000),
        (2, 0x8001, -2.047937500),
        (4, 0x2710, 0.312500000),
        (8, 0x7FFE, 0.511968750),
        (16, 0xFFFF, -0.0000078125),
    ],
)
def test_counts_as_another_implementation_decodes_them(gain: Any, counts: int, volts: float) -> None:
    """Decoded by adafruit-circuitpython-ads1x15 3.0.5."""
    sensor = ADS1115(SimBus({0x48: Says(counts)}), inputs="a0_a1", gain=gain)
    if abs(volts) > 6.1:
        with pytest.raises(OutOfRange):
            sensor.read()
        return

    assert sensor.read().values["a0_a1"] == pytest.approx(volts, abs=1e-9)


@pytest.mark.parametrize(
    ("channel", "config"), [("a0", "c383"), ("a1", "d383"), ("a3", "f383"), ("a0_a1", "8383"), ("a2_a3", "b383")]
)
def test_it_asks_as_another_implementation_asks(channel: str, config: str, chip: SimADS1115, bus: SimBus) -> None:
    """What adafruit-circuitpython-ads1x15 3.0.5 writes at gain 1 and 128 conversions a second."""
    ADS1115(bus, inputs=channel, gain=1, rate=128).read()

    assert [t.write.hex() for t in bus.log if len(t.write) == 3] == [f"01{config}"]


def test_every_input_is_its_own(chip: SimADS1115, world: World, bus: SimBus) -> None:
    for number in range(4):
        world[f"it.a{number}"] = 1.0 + number * 0.5

    with ADS1115(bus, inputs="a3, a0, a0_a1 a2_a3, a1_a3 a0_a3", gain=1) as sensor:
        values = sensor.read().values

    assert values == {"a3": 2.5, "a0": 1.0, "a0_a1": -0.5, "a2_a3": -0.5, "a1_a3": -1.0, "a0_a3": -1.5}


@given(data=st.data(), gain=st.sampled_from(list(FULL_SCALE)), rate=st.sampled_from(RATES))
@settings(max_examples=60, deadline=None)
def test_every_scale_gives_what_the_pins_have_within_half_a_count(data: st.DataObject, gain: Any, rate: Any) -> None:
    top = min(FULL_SCALE[gain], 5.5) * 0.999
    pins = [data.draw(st.floats(0, top)) for _ in range(4)]
    world = World()
    for number, volts in enumerate(pins):
        world[f"it.a{number}"] = volts

    with ADS1115(SimBus({0x48: SimADS1115(world, "it")}), inputs=" ".join(MUX), gain=gain, rate=rate) as sensor:
        values = sensor.read().values

    step = FULL_SCALE[gain] / 32768
    for name, value in values.items():
        plus, _, minus = name.partition("_")
        wanted = pins[int(plus[1])] - (pins[int(minus[1])] if minus else 0.0)
        assert value == pytest.approx(wanted, abs=step * 0.5001)


@pytest.mark.parametrize("inputs", ["a0", "a1 a2_a3", "a0_a1 a0_a3 a1_a3 a2_a3"])
def test_it_conforms_whatever_it_measures(inputs: str) -> None:
    assert problems(find("ads1115"), {"inputs": inputs}) == []
    assert list(ADS1115.channels_of({"inputs": inputs})) == inputs.split()


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ("a0 a4", "inputs: there is no 'a4', only a0, a1, a2, a3, a0_a1"),
        ("a1_a0", "there is no 'a1_a0'.*did you mean"),
        ("a0, a0", "a0 stands there twice"),
        ("", "inputs names no channel"),
    ],
)
def test_inputs_that_do_not_exist_are_refused_with_those_that_do(inputs: str, message: str, bus: SimBus) -> None:
    with pytest.raises(OutOfRange, match=message):
        ADS1115(bus, inputs=inputs)


def test_an_input_above_the_scale_is_no_reading(chip: SimADS1115, world: World, bus: SimBus) -> None:
    world["it.a2"] = 3.3
    sensor = ADS1115(bus, inputs="a2", gain=2)
    sensor.start()
    with pytest.raises(OutOfRange, match=r"a2 is at the end of the scale of 2\.048 V: choose a smaller gain"):
        sensor.read()

    world["it.a2"] = 2.0
    assert sensor.read().values["a2"] == pytest.approx(2.0, abs=0.0001)


@pytest.mark.parametrize("counts", [0x7FFF, 0x8000])
def test_both_ends_of_the_scale_mean_at_least(counts: int) -> None:
    with pytest.raises(OutOfRange, match=r"end of the scale of 0\.256 V"):
        ADS1115(SimBus({0x48: Says(counts)}), inputs="a0_a1", gain=16).read()


def test_a_slow_clock_never_gives_the_value_of_the_input_before(world: World, bus: SimBus) -> None:
    class Slow(SimADS1115):
        def elapse(self, seconds: float) -> None:
            super().elapse(seconds / 1.6)

    bus.attach(0x48, Slow(world, "it"))
    world["it.a0"], world["it.a1"] = 0.5, 2.5

    with ADS1115(bus, inputs="a0 a1") as sensor:
        for _ in range(3):
            assert sensor.read().values == pytest.approx({"a0": 0.5, "a1": 2.5}, abs=0.0002)


def test_a_conversion_under_way_shows_and_is_not_started_anew(chip: SimADS1115, world: World, bus: SimBus) -> None:
    world["it.a0"], world["it.a1"] = 1.0, 2.0
    bus.transfer(0x48, bytes.fromhex("01c383"))
    assert bus.transfer(0x48, b"\x01", 2).hex() == "4383"
    bus.wait(0.007)
    bus.transfer(0x48, bytes.fromhex("01c383"))
    bus.wait(0.002)

    assert bus.transfer(0x48, b"\x01", 2).hex() == "c383"
    assert bus.transfer(0x48, b"\x00", 2).hex() == "1f40"


@pytest.mark.parametrize(("rate", "wait"), [(8, 0.1376), (128, 0.0087), (860, 0.0014)])
def test_a_slower_rate_waits_longer(rate: Any, wait: float, world: World) -> None:
    waits: list[float] = []
    ADS1115(SimBus({0x4B: SimADS1115(world, "it")}, wait=waits.append), 0x4B, inputs="a0", rate=rate).read()

    assert sum(waits) == pytest.approx(wait, abs=0.0001)


def test_a_chip_that_loses_power_while_it_measures_is_not_believed(world: World, bus: SimBus) -> None:
    class BrownOut(SimADS1115):
        failing = False

        def elapse(self, seconds: float) -> None:
            super().elapse(seconds)
            if self.failing:
                self.power_up()

    chip = BrownOut(world, "it")
    bus.attach(0x48, chip)
    sensor = ADS1115(bus)
    sensor.start()
    chip.failing = True
    with pytest.raises(BadData, match="lost its settings while it measured a0: check its power supply"):
        sensor.read()

    chip.failing = False
    assert sensor.read().values["a0"] == 0.0


def test_a_chip_that_never_finishes_is_an_error_and_not_an_endless_loop(world: World, bus: SimBus) -> None:
    class Hangs(SimADS1115):
        def elapse(self, seconds: float) -> None:
            return

    bus.attach(0x48, Hangs(world, "it"))
    sensor = ADS1115(bus)
    sensor.start()

    with pytest.raises(BadData, match="too long to measure a0"):
        sensor.read()


def test_a_chip_that_does_not_keep_what_is_written_is_another_one(world: World, bus: SimBus) -> None:
    class Lookalike(SimADS1115):
        def write(self, data: bytes) -> None:
            super().write(data)
            self.held[2] = 0x8000

    bus.attach(0x48, Lookalike(world, "it"))

    with pytest.raises(WrongChip, match="and 8000 where an ADS1115 keeps 0x8183 and 5a3c"):
        ADS1115(bus).start()


@pytest.mark.parametrize("position", range(6))
@pytest.mark.parametrize("error", [Nack, BusTimeout])
def test_a_fault_in_any_transfer_of_a_sample_is_an_error_and_never_half_a_reading(
    chip: SimADS1115, bus: SimBus, position: int, error: type[Nack | BusTimeout]
) -> None:
    sensor = ADS1115(bus, inputs="a0 a1")
    sensor.start()
    sensor.bus = Failing(bus, position, error)
    with pytest.raises(error):
        sensor.read()

    assert set(sensor.read().values) == {"a0", "a1"}
