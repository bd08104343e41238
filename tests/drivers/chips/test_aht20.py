"""AHT20: busy, calibrated, and the checksum that a naive driver leaves out."""

import pytest

from drivers import BadData, BusTimeout, Nack, OutOfRange, SimBus, World
from drivers.aht20 import AHT20, SimAHT20
from tests.drivers.failing import Failing


class Says(SimAHT20):
    """Gives these bytes as its measurement."""

    def __init__(self, answer: str) -> None:
        super().__init__(World(), "it")
        self.answer = bytes.fromhex(answer)

    def read(self, count: int) -> bytes:
        return self.answer[:count]


@pytest.fixture
def chip(world: World, bus: SimBus) -> SimAHT20:
    chip = SimAHT20(world, "it")
    bus.attach(0x38, chip)
    return chip


@pytest.mark.parametrize(
    ("answer", "temperature", "humidity"),
    [
        ("1c3b5e8688b2d2", 31.674576, 23.191071),  # a real chip: README of the C program bilbobg/aht20
        ("18ffffeaccccd5", 84.999847, 99.999809),
        ("1c80000600004e", 25.000000, 50.000000),
    ],
)
def test_answers_as_other_implementations_decode_them(answer: str, temperature: float, humidity: float) -> None:
    """Decoded by adafruit-circuitpython-ahtx0 1.0.30."""
    with AHT20(SimBus({0x38: Says(answer)})) as sensor:
        values = sensor.read().values

    assert values == pytest.approx({"temperature": temperature, "humidity": humidity}, abs=1e-6)


def test_the_end_of_the_scale_is_no_measurement() -> None:
    with pytest.raises(OutOfRange, match="temperature 140 degC"):
        AHT20(SimBus({0x38: Says("1c00000f3333e0")})).read()


@pytest.mark.parametrize("bit", [0, 9, 27, 47, 55])
def test_a_flipped_bit_is_no_reading(bit: int) -> None:
    answer = bytearray.fromhex("1c3b5e8688b2d2")
    answer[bit // 8] ^= 1 << 7 - bit % 8

    with pytest.raises(BadData):
        AHT20(SimBus({0x38: Says(answer.hex())})).read()


def test_the_older_part_without_a_checksum_is_refused() -> None:
    with pytest.raises(BadData, match="checksum 0xff"):
        AHT20(SimBus({0x38: Says("1c3b5e8688b2ff")})).start()


def test_it_is_calibrated_only_where_it_says_that_it_is_not(world: World, bus: SimBus) -> None:
    class Modern(SimAHT20):
        def power_up(self) -> None:
            super().power_up()
            self.status |= 0x08

    for chip, commands in (
        (SimAHT20(world, "it"), ["ba", "be0800", "ac3300"]),
        (Modern(world, "it"), ["ba", "ac3300"]),
    ):
        bus.attach(0x38, chip)
        bus.log.clear()
        AHT20(bus).start()
        assert [t.write.hex() for t in bus.log if t.write] == commands


def test_a_chip_that_does_not_load_its_calibration_is_an_error(world: World, bus: SimBus) -> None:
    class Broken(SimAHT20):
        def write(self, data: bytes) -> None:
            super().write(data)
            self.status &= ~0x08

    bus.attach(0x38, Broken(world, "it"))

    with pytest.raises(BadData, match="does not load its calibration"):
        AHT20(bus).start()


def test_the_status_is_read_without_a_command_before_it(chip: SimAHT20, bus: SimBus) -> None:
    """0x71 in the datasheet is the address with its read bit; sent as a command it confuses real chips."""
    sensor = AHT20(bus)
    sensor.start()
    sensor.read()

    assert not [t for t in bus.log if t.write and t.answer]
    assert b"\x71" not in [t.write for t in bus.log]


def test_a_busy_chip_says_so_and_its_old_values_are_not_taken(chip: SimAHT20, world: World, bus: SimBus) -> None:
    sensor = AHT20(bus)
    world["it.temperature"] = 10.0
    sensor.start()
    world["it.temperature"] = 30.0
    bus.transfer(0x38, b"\xac\x33\x00")
    bus.wait(0.05)
    assert bus.transfer(0x38, b"", 1)[0] & 0x80

    assert sensor.read().values["temperature"] == pytest.approx(30.0, abs=0.0002)


def test_a_slow_chip_is_waited_for_and_one_that_hangs_is_not(chip: SimAHT20, world: World, bus: SimBus) -> None:
    class Slow(SimAHT20):
        pace = 1.4

        def elapse(self, seconds: float) -> None:
            super().elapse(seconds / self.pace)

    slow = Slow(world, "it")
    bus.attach(0x38, slow)
    sensor = AHT20(bus)
    sensor.start()
    assert sensor.read().values["humidity"] == pytest.approx(45.0, abs=0.0001)

    slow.pace = 1e9
    with pytest.raises(BadData, match="too long to measure"):
        sensor.read()


def test_a_chip_that_loses_power_is_not_believed_until_it_is_started_anew(chip: SimAHT20, bus: SimBus) -> None:
    sensor = AHT20(bus)
    sensor.start()
    chip.power_up()
    with pytest.raises(BadData, match="lost its calibration while it measured: check its power supply"):
        sensor.read()

    sensor.start()
    assert sensor.read().values["temperature"] == pytest.approx(21.0, abs=0.0002)


def test_both_channels_come_from_one_answer(chip: SimAHT20, bus: SimBus) -> None:
    sensor = AHT20(bus)
    sensor.start()
    bus.log.clear()

    sensor.read()

    assert [(t.write.hex(), len(t.answer)) for t in bus.log] == [("ac3300", 0), ("", 7)]


@pytest.mark.parametrize("position", [0, 1])
@pytest.mark.parametrize("error", [Nack, BusTimeout])
def test_a_fault_in_either_transfer_is_an_error_and_the_next_sample_is_good(
    chip: SimAHT20, bus: SimBus, position: int, error: type[Nack | BusTimeout]
) -> None:
    sensor = AHT20(bus)
    sensor.start()
    sensor.bus = Failing(bus, position, error)
    with pytest.raises(error):
        sensor.read()
    sensor.bus = bus

    assert sensor.read().values["temperature"] == pytest.approx(21.0, abs=0.0002)
