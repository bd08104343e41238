"""SHT30/31/35: what its answers mean, and when it gives none."""

from typing import Literal

import pytest

from drivers import BadData, BusTimeout, Nack, OutOfRange, SimBus, World, WrongChip
from drivers.sht31 import HEATER, SHT31, SimSHT31
from tests.drivers.chips.measuring import measuring


@pytest.fixture
def chip(world: World, bus: SimBus) -> SimSHT31:
    chip = SimSHT31(world, "it")
    bus.attach(0x44, chip)
    return chip


@pytest.mark.parametrize(
    ("answer", "temperature", "humidity"),
    [
        ("0752330001b0", -39.995804, 0.001526),
        ("6666938000a2", 25.000000, 50.000763),
        ("5e3a157b1281", 19.413672, 48.075074),
        ("f8ad1efffe9d", 124.995804, 99.998474),
    ],
)
def test_answers_as_another_implementation_decodes_them(answer: str, temperature: float, humidity: float) -> None:
    """Decoded by adafruit-circuitpython-sht31d 2.3.31."""
    values = SHT31(SimBus({0x44: measuring(SimSHT31, answer)})).read().values

    assert values["temperature"] == pytest.approx(temperature, abs=1e-6)
    assert values["humidity"] == pytest.approx(humidity, abs=1e-6)


@pytest.mark.parametrize("answer", ["000081000081", "ffffacffffac"])
def test_the_ends_of_the_scale_are_no_measurement(answer: str) -> None:
    """-45 and 130 degC: the checksum is right, the sensor is not."""
    with pytest.raises(OutOfRange, match="temperature"):
        SHT31(SimBus({0x44: measuring(SimSHT31, answer)})).read()


@pytest.mark.parametrize("bit", [0, 15, 17, 24, 40, 47])
def test_a_flipped_bit_is_no_reading(bit: int) -> None:
    answer = bytearray.fromhex("6666938000a2")
    answer[bit // 8] ^= 1 << bit % 8

    with pytest.raises(BadData, match="the SHT31 at 0x44 sent"):
        SHT31(SimBus({0x44: measuring(SimSHT31, answer.hex())})).read()


def test_it_does_not_answer_before_it_has_measured(chip: SimSHT31, bus: SimBus) -> None:
    bus.transfer(0x44, b"\x24\x00")
    for _ in range(2):
        with pytest.raises(Nack, match="nothing to tell"):
            bus.transfer(0x44, b"", 6)
        bus.wait(0.007)
    with pytest.raises(Nack, match="busy"):
        bus.transfer(0x44, b"\x24\x00")
    bus.wait(0.002)

    assert len(bus.transfer(0x44, b"", 6)) == 6
    with pytest.raises(Nack):
        bus.transfer(0x44, b"", 6)


@pytest.mark.parametrize(("repeatability", "wait"), [("high", 0.016), ("medium", 0.007), ("low", 0.005)])
def test_more_repeatability_takes_longer(
    repeatability: Literal["high", "medium", "low"], wait: float, world: World
) -> None:
    waits: list[float] = []
    sensor = SHT31(SimBus({0x45: SimSHT31(world, "it")}, wait=waits.append), 0x45, repeatability=repeatability)

    assert sensor.read().values["temperature"] == pytest.approx(21.0, abs=0.0027)
    assert waits == [wait]


def test_both_channels_come_from_one_answer(chip: SimSHT31, bus: SimBus) -> None:
    sensor = SHT31(bus)
    sensor.start()
    bus.log.clear()

    sensor.read()

    assert [(t.write.hex(), len(t.answer)) for t in bus.log] == [("2400", 0), ("", 6)]


def test_start_ends_a_periodic_measurement_and_a_heater_somebody_left_on(chip: SimSHT31, bus: SimBus) -> None:
    bus.transfer(0x44, b"\x30\x6d")
    bus.transfer(0x44, b"\x21\x30")
    assert chip.status & HEATER

    sensor = SHT31(bus)
    with pytest.raises(Nack):
        sensor.read()
    sensor.start()

    assert sensor.status() == 0
    assert sensor.read().values["humidity"] == pytest.approx(45.0, abs=0.0016)


def test_a_heater_that_stays_on_is_an_error(world: World, bus: SimBus) -> None:
    class Hot(SimSHT31):
        def command(self, data: bytes) -> None:
            super().command(data)
            self.status |= HEATER

    bus.attach(0x44, Hot(world, "it"))

    with pytest.raises(BadData, match="keeps its heater on"):
        SHT31(bus).start()


def test_a_chip_that_does_not_forget_its_reset_is_another_one(world: World, bus: SimBus) -> None:
    class Lookalike(SimSHT31):
        def command(self, data: bytes) -> None:
            super().command(data)
            self.status = 0x8010

    bus.attach(0x44, Lookalike(world, "it"))

    with pytest.raises(WrongChip, match="status 0x8010 after a reset and 0x8010 after that was cleared"):
        SHT31(bus).start()


def test_a_reset_in_mid_measurement_is_an_error_and_the_next_sample_is_good(chip: SimSHT31, bus: SimBus) -> None:
    class BrownOut(SimSHT31):
        failing = True

        def measured(self) -> bytes:
            return b"" if self.failing else super().measured()

    chip = BrownOut(chip.world, "it")
    bus.attach(0x44, chip)
    sensor = SHT31(bus)
    sensor.start()
    with pytest.raises(Nack):
        sensor.read()

    chip.failing = False
    assert sensor.read().values["temperature"] == pytest.approx(21.0, abs=0.0027)


@pytest.mark.parametrize("error", [Nack, BusTimeout])
def test_a_fault_on_the_bus_is_an_error_and_the_next_sample_is_good(
    error: type[Nack | BusTimeout], chip: SimSHT31, bus: SimBus
) -> None:
    sensor = SHT31(bus)
    sensor.start()
    bus.fail(0x44, error)
    with pytest.raises(error):
        sensor.read()

    assert sensor.read().values["temperature"] == pytest.approx(21.0, abs=0.0027)


def test_unplugged_and_another_one_plugged_in(chip: SimSHT31, world: World, bus: SimBus) -> None:
    sensor = SHT31(bus)
    sensor.start()
    bus.detach(0x44)
    with pytest.raises(Nack, match="sim 0x44"):
        sensor.read()
    bus.attach(0x44, SimSHT31(world, "other"))
    world["other.temperature"] = -12.5

    sensor.start()

    assert sensor.read().values["temperature"] == pytest.approx(-12.5, abs=0.0027)
