"""SCD40/41/43: a chip that measures by itself and will not be disturbed meanwhile."""

from typing import Any

import pytest

from drivers import BadData, BusTimeout, Nack, NotStarted, OutOfRange, SimBus, World, WrongChip
from drivers.scd4x import SCD4X, SimSCD4X
from tests.drivers.chips.measuring import measuring


@pytest.fixture
def chip(world: World, bus: SimBus) -> SimSCD4X:
    chip = SimSCD4X(world, "it")
    bus.attach(0x62, chip)
    return chip


def started(bus: SimBus, **options: Any) -> SCD4X:
    sensor = SCD4X(bus, **options)
    sensor.start()
    return sensor


@pytest.mark.parametrize(
    ("answer", "co2", "temperature", "humidity"),
    [
        ("0001b0333388000081", 1, -10.000000, 0.000000),
        ("01f4336667a25eb93c", 500, 25.002670, 37.001602),
        ("0841ba5a1cb68f5c38", 2113, 16.599145, 56.000610),
        ("9c3f939999beffffac", 39999, 60.000000, 100.000000),
    ],
)
def test_answers_as_another_implementation_decodes_them(
    answer: str, co2: int, temperature: float, humidity: float
) -> None:
    """Decoded by adafruit-circuitpython-scd4x 1.4.13."""
    values = started(SimBus({0x62: measuring(SimSCD4X, answer)})).read().values

    assert values == pytest.approx({"co2": co2, "temperature": temperature, "humidity": humidity}, abs=1e-6)


def test_settings_as_other_implementations_write_them(chip: SimSCD4X, bus: SimBus) -> None:
    """adafruit-circuitpython-scd4x 1.4.13, but for the offset: 4 degC are 1498 in Sensirion's header."""
    started(bus, altitude=1234, temperature_offset=4, self_calibration=False)
    assert [t.write.hex() for t in bus.log if len(t.write) == 5] == ["2416000081", "241d05da29", "242704d264"]

    bus.log.clear()
    started(bus, pressure=987)
    assert [t.write.hex() for t in bus.log if len(t.write) == 5] == ["e00003db42"]
    assert chip.settings == {0x2416: 0, 0x241D: 1498, 0x2427: 1234, 0xE000: 987}


def test_what_is_not_given_stays_as_the_chip_has_it(chip: SimSCD4X, bus: SimBus) -> None:
    started(bus)

    assert not [t for t in bus.log if len(t.write) == 5]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"altitude": 3001}, "altitude must be 0 to 3000 m, not 3001"),
        ({"altitude": -5}, "altitude must be 0 to 3000 m"),
        ({"pressure": 101325}, "pressure must be 700 to 1200 hPa, not 101325"),
        ({"temperature_offset": 20.5}, "temperature_offset must be 0 to 20 degC, not 20.5"),
        ({"altitude": 500, "pressure": 950}, "give one of them"),
    ],
)
def test_settings_the_chip_cannot_have_are_refused(options: dict[str, float], message: str, bus: SimBus) -> None:
    with pytest.raises(OutOfRange, match=message):
        SCD4X(bus, **options)


def test_the_first_sample_takes_five_seconds_and_a_steady_rhythm_none(world: World, now: Any) -> None:
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        now.seconds += seconds

    bus = SimBus({0x62: SimSCD4X(world, "it")}, wait=wait)
    sensor = started(bus)
    waits.clear()
    sensor.read()
    assert sum(waits) == pytest.approx(5.0, abs=0.15)

    for _ in range(5):
        now.seconds += 10.0 - sum(waits[-2:])
        waits.clear()
        sensor.read()
        assert sum(waits) < 0.2


def test_a_measurement_is_read_once_and_every_sample_is_a_new_one(chip: SimSCD4X, world: World, bus: SimBus) -> None:
    sensor = started(bus)
    for co2 in (450.0, 800.0, 1999.0):
        world["it.co2"] = co2
        assert sensor.read().values["co2"] == co2

    bus.transfer(0x62, b"\xec\x05")
    bus.wait(0.001)
    with pytest.raises(Nack):
        bus.transfer(0x62, b"", 9)


def test_all_channels_come_from_one_answer(chip: SimSCD4X, bus: SimBus) -> None:
    sensor = started(bus)
    bus.log.clear()

    sensor.read()

    assert [t.write for t in bus.log if t.write not in (b"", b"\xe4\xb8")] == [b"\xec\x05"]
    assert len(bus.log[-1].answer) == 9


def test_nothing_new_is_the_word_that_real_ones_send(chip: SimSCD4X, bus: SimBus) -> None:
    """0x8000 and the checksum 0xa2, told by a Sensirion engineer (raspberry-pi-i2c-scd4x, issue 6)."""
    started(bus)
    bus.transfer(0x62, b"\xe4\xb8")
    bus.wait(0.001)

    assert bus.transfer(0x62, b"", 3).hex() == "8000a2"


def test_while_it_measures_it_takes_only_what_may_be_asked_then(chip: SimSCD4X, bus: SimBus) -> None:
    started(bus)
    for command in ("3682", "21b1", "2322", "242704d264", "3646"):
        with pytest.raises(Nack, match="measures and takes no other command"):
            bus.transfer(0x62, bytes.fromhex(command))
    bus.transfer(0x62, bytes.fromhex("e00003db42"))

    assert chip.settings[0xE000] == 987


def test_start_stops_what_a_program_before_us_left_measuring(chip: SimSCD4X, bus: SimBus) -> None:
    started(bus)

    assert started(bus, altitude=250).read().values["co2"] == 600.0
    assert chip.settings[0x2427] == 250


def test_a_setting_with_a_wrong_checksum_is_not_taken(chip: SimSCD4X, bus: SimBus) -> None:
    with pytest.raises(Nack, match="does not take this setting"):
        bus.transfer(0x62, bytes.fromhex("242704d265"))

    assert chip.settings[0x2427] == 0


@pytest.mark.parametrize("bit", [0, 17, 30, 71])
def test_a_flipped_bit_is_no_reading(bit: int) -> None:
    answer = bytearray.fromhex("01f4336667a25eb93c")
    answer[bit // 8] ^= 1 << bit % 8

    with pytest.raises(BadData, match="the SCD4x at 0x62 sent"):
        started(SimBus({0x62: measuring(SimSCD4X, answer.hex())})).read()


def test_a_measurement_without_co2_is_no_reading() -> None:
    with pytest.raises(BadData, match="no CO2 value"):
        started(SimBus({0x62: measuring(SimSCD4X, "0000816667a25eb93c")})).read()


def test_a_chip_that_lost_power_is_found_out_once_and_started_anew(chip: SimSCD4X, world: World) -> None:
    waited: list[float] = []
    bus = SimBus({0x62: chip}, wait=waited.append)
    sensor = started(bus, altitude=900)
    sensor.read()
    chip.power_up()
    bus.wait(1.5)
    waited.clear()
    with pytest.raises(BadData, match="does not measure any more: it lost its power"):
        sensor.read()
    assert sum(waited) < 6.5
    waited.clear()
    with pytest.raises(NotStarted):
        sensor.read()
    assert not waited, "a chip that is known to be idle holds nobody up"

    sensor.start()
    assert sensor.read().values["co2"] == 600.0
    assert chip.settings[0x2427] == 900


def test_a_chip_that_comes_up_answers_nobody_for_a_second(chip: SimSCD4X, bus: SimBus) -> None:
    chip.power_up()
    with pytest.raises(Nack):
        started(bus)
    bus.wait(1)

    assert started(bus).read()


def test_one_word_for_everything_is_no_serial_number(world: World, bus: SimBus) -> None:
    class Lookalike(SimSCD4X):
        serial = (0x2B2B, 0x2B2B, 0x2B2B)

    bus.attach(0x62, Lookalike(world, "it"))

    with pytest.raises(WrongChip, match="no SCD4x"):
        started(bus)


@pytest.mark.parametrize("error", [Nack, BusTimeout])
def test_a_fault_on_the_bus_is_an_error_and_the_next_sample_is_good(
    error: type[Nack | BusTimeout], chip: SimSCD4X, bus: SimBus
) -> None:
    sensor = started(bus)
    bus.fail(0x62, error)
    with pytest.raises(error):
        sensor.read()

    assert sensor.read().values["temperature"] == pytest.approx(21.0, abs=0.0027)


def test_reading_before_start_says_so(chip: SimSCD4X, bus: SimBus) -> None:
    with pytest.raises(NotStarted, match="the SCD4x at 0x62 is not started"):
        SCD4X(bus).read()


def test_a_failed_new_start_does_not_go_on_as_if_it_measured(chip: SimSCD4X, bus: SimBus) -> None:
    sensor = started(bus)
    bus.fail(0x62, Nack)
    with pytest.raises(Nack):
        sensor.start()

    with pytest.raises(NotStarted, match="the SCD4x at 0x62 is not started"):
        sensor.read()


def test_a_single_shot_is_taken_when_it_is_asked_for(chip: SimSCD4X, world: World) -> None:
    """The commands are those of adafruit-circuitpython-scd4x 1.4.13."""
    waits: list[float] = []
    bus = SimBus({0x62: chip}, wait=waits.append)
    sensor = started(bus, single_shot=True, altitude=250)
    assert not chip.measuring
    for co2 in (450.0, 1999.0):
        world["it.co2"] = co2
        waits.clear()
        bus.log.clear()
        assert sensor.read().values["co2"] == co2
        assert sum(waits) == pytest.approx(5.0, abs=0.15)
        assert [t.write.hex() for t in bus.log if t.write] == ["242700fad8", "219d", "e4b8", "ec05"]


def test_a_single_shot_after_a_power_loss_has_its_settings(chip: SimSCD4X, bus: SimBus) -> None:
    sensor = started(bus, single_shot=True, pressure=950)
    chip.power_up()
    bus.wait(1.0)

    assert sensor.read().values["co2"] == 600.0
    assert chip.settings[0xE000] == 950


@pytest.mark.parametrize(("variant", "fits"), [(0x0000, False), (0x1000, True), (0x2000, False), (0x5000, True)])
def test_only_two_variants_have_single_shots(variant: int, fits: bool, world: World, bus: SimBus) -> None:
    chip = SimSCD4X(world, "it")
    chip.variant = variant
    bus.attach(0x62, chip)
    if fits:
        assert started(bus, single_shot=True).read()
    else:
        with pytest.raises(WrongChip, match="no single_shot: only SCD41 and SCD43 have it"):
            started(bus, single_shot=True)
        assert started(bus).read(), "all of them measure by themselves"
