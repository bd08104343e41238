"""SHT40/41/43/45: what its answers mean, and when it gives none."""

from typing import Any

import pytest

from drivers import BadData, BusTimeout, Nack, OutOfRange, SimBus, World, WrongChip
from drivers.sht4x import SHT4X, SimSHT4X
from drivers.sht31 import SimSHT31
from tests.drivers.chips.measuring import measuring
from tests.drivers.failing import Failing


@pytest.fixture
def chip(world: World, bus: SimBus) -> SimSHT4X:
    chip = SimSHT4X(world, "it")
    bus.attach(0x44, chip)
    return chip


@pytest.mark.parametrize(
    ("answer", "temperature", "humidity"),
    [
        ("0753020001b0", -39.993133, 0.000000),
        ("66669372b0dc", 25.000000, 50.000610),
        ("4c2d768f31cf", 7.074083, 63.918746),
        ("f8ae4dfffe9d", 124.998474, 100.000000),
    ],
)
def test_answers_as_another_implementation_decodes_them(answer: str, temperature: float, humidity: float) -> None:
    """Decoded by adafruit-circuitpython-sht4x 1.0.27; the first and last lie beyond dry and saturated air."""
    values = SHT4X(SimBus({0x44: measuring(SimSHT4X, answer)})).read().values

    assert values == pytest.approx({"temperature": temperature, "humidity": humidity}, abs=1e-6)


@pytest.mark.parametrize("answer", ["000081666693", "ffffac666693"])
def test_the_ends_of_the_scale_are_no_measurement(answer: str) -> None:
    with pytest.raises(OutOfRange, match="temperature"):
        SHT4X(SimBus({0x44: measuring(SimSHT4X, answer)})).read()


@pytest.mark.parametrize("bit", [0, 15, 17, 24, 40, 47])
def test_a_flipped_bit_is_no_reading(bit: int) -> None:
    answer = bytearray.fromhex("66669372b0dc")
    answer[bit // 8] ^= 1 << bit % 8

    with pytest.raises(BadData, match="the SHT4x at 0x44 sent"):
        SHT4X(SimBus({0x44: measuring(SimSHT4X, answer.hex())})).read()


@pytest.mark.parametrize(
    ("precision", "command", "wait"), [("high", "fd", 0.01), ("medium", "f6", 0.005), ("low", "e0", 0.002)]
)
def test_more_precision_takes_longer(precision: Any, command: str, wait: float, world: World) -> None:
    waits: list[float] = []
    bus = SimBus({0x46: SimSHT4X(world, "it")}, wait=waits.append)

    SHT4X(bus, 0x46, precision=precision).read()

    assert waits == [wait]
    assert [(t.write.hex(), len(t.answer)) for t in bus.log] == [(command, 0), ("", 6)]


def test_it_does_not_answer_before_it_has_measured(chip: SimSHT4X, bus: SimBus) -> None:
    bus.transfer(0x44, b"\xfd")
    bus.wait(0.007)
    with pytest.raises(Nack):
        bus.transfer(0x44, b"", 6)
    with pytest.raises(Nack, match="busy"):
        bus.transfer(0x44, b"\xfd")
    bus.wait(0.002)

    assert len(bus.transfer(0x44, b"", 6)) == 6


def test_a_heating_that_somebody_began_never_becomes_a_reading(chip: SimSHT4X, bus: SimBus) -> None:
    bus.transfer(0x44, b"\x39")
    assert chip.hot
    sensor = SHT4X(bus)
    for call in (sensor.start, sensor.read):
        with pytest.raises(Nack):
            call()
    bus.wait(1.0)

    sensor.start()

    assert sensor.read().values["temperature"] == pytest.approx(21.0, abs=0.0027)


def test_another_family_at_the_address_does_not_answer(world: World) -> None:
    with pytest.raises(Nack):
        SHT4X(SimBus({0x44: SimSHT31(world, "it")})).start()


def test_one_word_for_everything_is_no_serial_number(world: World, bus: SimBus) -> None:
    class Lookalike(SimSHT4X):
        serial = 0x2B2B2B2B

    bus.attach(0x44, Lookalike(world, "it"))

    with pytest.raises(WrongChip, match="no SHT4x"):
        SHT4X(bus).start()


@pytest.mark.parametrize("position", [0, 1])
@pytest.mark.parametrize("error", [Nack, BusTimeout])
def test_a_fault_in_either_transfer_is_an_error_and_a_later_sample_is_good(
    chip: SimSHT4X, bus: SimBus, position: int, error: type[Nack | BusTimeout]
) -> None:
    sensor = SHT4X(bus)
    sensor.start()
    sensor.bus = Failing(bus, position, error)
    with pytest.raises(error):
        sensor.read()
    sensor.bus = bus
    bus.wait(0.1)

    assert sensor.read().values["humidity"] == pytest.approx(45.0, abs=0.002)


def test_unplugged_and_another_one_plugged_in(chip: SimSHT4X, world: World, bus: SimBus) -> None:
    sensor = SHT4X(bus)
    sensor.start()
    bus.detach(0x44)
    with pytest.raises(Nack, match="sim 0x44"):
        sensor.read()
    bus.attach(0x44, SimSHT4X(world, "other"))
    world["other.temperature"] = -12.5

    sensor.start()

    assert sensor.read().values["temperature"] == pytest.approx(-12.5, abs=0.0027)
