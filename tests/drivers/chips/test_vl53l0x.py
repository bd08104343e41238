"""VL53L0X: a distance, or the reason why there is none - never 8190 mm."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import BadData, BusTimeout, Nack, NotStarted, OutOfRange, SimBus, World
from drivers.vl53l0x import VL53L0X, SimVL53L0X
from tests.drivers.failing import Failing


@pytest.fixture
def chip(world: World, bus: SimBus) -> SimVL53L0X:
    chip = SimVL53L0X(world, "it")
    bus.attach(0x29, chip)
    return chip


@given(st.integers(0, 2000))
def test_a_distance_is_the_last_two_bytes_of_the_block(distance: int) -> None:
    """As Linux vl53l0x-i2c.c reads them; adafruit_vl53l0x 3.6.19, unmodified, starts and reads this chip alike."""
    world = World()
    world["it.distance"] = distance
    bus = SimBus({0x29: SimVL53L0X(world, "it")})

    with VL53L0X(bus) as sensor:
        assert sensor.read().values == {"distance": float(distance)}
    [block] = [t.answer for t in bus.log if t.write == b"\x14"]
    assert len(block) == 12
    assert block[10:] == distance.to_bytes(2, "big")


@pytest.mark.parametrize("code", [4, 6, 9])
def test_nothing_within_reach_is_no_distance(code: int, chip: SimVL53L0X, bus: SimBus) -> None:
    chip.code = code
    with VL53L0X(bus) as sensor, pytest.raises(OutOfRange, match=r"nothing is within the reach .* or it is too dark"):
        sensor.read()


def test_the_number_that_means_infinity_is_no_distance(chip: SimVL53L0X, bus: SimBus) -> None:
    """Without a limit check the chip calls it valid."""
    chip.world["it.distance"] = 5000.0
    with VL53L0X(bus) as sensor:
        for code in (None, 11):
            chip.code = code
            with pytest.raises(OutOfRange, match="nothing is within the reach"):
                sensor.read()


@pytest.mark.parametrize("code", [8, 10])
def test_too_near_is_no_distance(code: int, chip: SimVL53L0X, bus: SimBus) -> None:
    chip.code = code
    with VL53L0X(bus) as sensor, pytest.raises(OutOfRange, match=r"too near .* or its cover glass reflects"):
        sensor.read()


@pytest.mark.parametrize(("code", "why"), [(1, "laser or its supply fails"), (3, "fails"), (0, "has no measurement")])
def test_what_is_broken_says_so(code: int, why: str, chip: SimVL53L0X, bus: SimBus) -> None:
    chip.code = code
    with VL53L0X(bus) as sensor, pytest.raises(BadData, match=rf"{why} \(code {code}\)"):
        sensor.read()


def test_each_reading_is_a_measurement_of_its_own(chip: SimVL53L0X, bus: SimBus) -> None:
    with VL53L0X(bus) as sensor:
        for distance in (100.0, 900.0):
            chip.world["it.distance"] = distance
            assert sensor.read().values["distance"] == distance


def test_the_stop_variable_goes_before_every_start(chip: SimVL53L0X, bus: SimBus) -> None:
    with VL53L0X(bus) as sensor:
        bus.log.clear()
        sensor.read()
    writes = [t.write.hex() for t in bus.log if not t.answer]

    assert writes[:8] == ["8001", "ff01", "0000", "913c", "0001", "ff00", "8000", "0001"]


def test_a_chip_that_forgot_its_settings_is_not_believed(chip: SimVL53L0X, bus: SimBus) -> None:
    with VL53L0X(bus) as sensor:
        bus.attach(0x29, SimVL53L0X(chip.world, "it"))
        with pytest.raises(BadData):
            sensor.read()
        sensor.start()
        assert sensor.read().values == {"distance": 500.0}


def test_a_chip_that_never_finishes_is_given_up_after_a_quarter_of_a_second(world: World) -> None:
    class Hangs(SimVL53L0X):
        def converted(self) -> None:
            if not self._ranging:
                super().converted()

    waits: list[float] = []
    sensor = VL53L0X(SimBus({0x29: Hangs(world, "it")}, wait=waits.append))
    sensor.start()
    waits.clear()

    with pytest.raises(BadData, match="takes too long to measure"):
        sensor.read()
    assert sum(waits) < 0.25


def test_an_error_behind_the_lock_does_not_leave_the_chip_there(chip: SimVL53L0X, bus: SimBus) -> None:
    """The chip then answers from another page, where its id is not."""
    failing = Failing(bus, error=BusTimeout)
    sensor = VL53L0X(failing)
    sensor.start()
    failing.left = 3
    with pytest.raises(BusTimeout):
        sensor.read()
    assert chip.page == 1

    sensor.start()

    assert chip.page == 0
    assert sensor.read().values == {"distance": 500.0}


def test_reading_needs_a_start(chip: SimVL53L0X, bus: SimBus) -> None:
    with pytest.raises(NotStarted):
        VL53L0X(bus).read()
    bus.detach(0x29)
    with pytest.raises(Nack):
        VL53L0X(bus).start()
