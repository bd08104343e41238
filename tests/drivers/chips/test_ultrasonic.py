"""Distance by ultrasound: the echo's edges by their own times, and everything that can be wrong with them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import BadData, NotStarted, OutOfRange, World
from drivers.gpio import SimulatedPins, pin_factory
from drivers.simulation.pin_faults import PinFaults
from drivers.ultrasonic import EchoStuck, SimUltrasonic, Ultrasonic, speed_of_sound
from tests.drivers.conftest import Now

PINS = {"trigger": 23, "echo": 24}


class Tank:
    """A sensor over a tank, in a time of its own."""

    def __init__(self, temperature: float = 20.0) -> None:
        self.now = Now()
        self.world = World(self.now)
        self.pins = pin_factory("sim", now=self.now, wait=self.now.wait)
        self.faults = PinFaults(self.world)
        self.sensor = Ultrasonic(self.pins, PINS, temperature=temperature)
        self.sensor.start()
        self.part = SimUltrasonic(self.world, "tank")
        self.part.wire(self.faults.between(self.pins), self.sensor)

    def distance(self) -> float:
        return float(self.sensor.read().values["distance"])


@pytest.fixture
def tank() -> Tank:
    return Tank()


@given(distance=st.floats(21, 3999))
def test_the_distance_is_what_the_world_has(distance: float) -> None:
    tank = Tank()
    tank.world["tank.distance"] = distance
    assert tank.distance() == pytest.approx(distance, abs=Ultrasonic.resolution["distance"])


@pytest.mark.parametrize(("celsius", "speed"), [(0, 331.3), (20, 343.2), (40, 354.7), (-20, 318.9)])
def test_the_speed_of_sound(celsius: float, speed: float) -> None:
    """Values of any table of physics, to a tenth."""
    assert speed_of_sound(celsius) == pytest.approx(speed, abs=0.1)


def test_in_the_cold_everything_seems_farther_away_unless_it_is_told() -> None:
    plain, told = Tank(), Tank(temperature=-20)
    for tank in (plain, told):
        tank.world["tank.air"] = -20
        tank.world["tank.distance"] = 2000
    assert told.distance() == pytest.approx(2000, abs=0.01)
    assert plain.distance() == pytest.approx(2000 * 343.2 / 318.9, abs=2)


def test_the_module_is_triggered_by_ten_microseconds_and_a_reading_takes_thirty_milliseconds(tank: Tank) -> None:
    tank.distance()
    assert [level for _, level in tank.pins.history(23)] == [False, True, False]
    (_, up), (_, down) = [(level, at) for at, level in tank.pins.history(23)][1:]
    assert down - up == pytest.approx(10e-6)
    assert tank.now.seconds == pytest.approx(0.03, abs=1e-4)


@pytest.mark.parametrize("distance", [4600, math.inf])
def test_no_echo_is_no_reading_and_the_next_one_is_right(tank: Tank, distance: float) -> None:
    tank.world["tank.distance"] = distance
    with pytest.raises(BadData, match="no echo: nothing within 4 m") as raised:
        tank.distance()
    assert raised.value.retry
    tank.world["tank.distance"] = 500
    assert tank.distance() == pytest.approx(500, abs=1)


@pytest.mark.parametrize("distance", [5, 4100])
def test_what_is_too_near_or_too_far_to_be_true_is_no_reading(tank: Tank, distance: float) -> None:
    tank.world["tank.distance"] = distance
    with pytest.raises(OutOfRange, match=r"outside 20 \.\. 4000 mm"):
        tank.distance()


def test_a_module_that_says_nothing_is_told_apart_from_one_that_hears_nothing(tank: Tank) -> None:
    tank.part.dead = True
    with pytest.raises(BadData, match=r"no answer on GPIO24: check the module's 5 V, the divider and both wires"):
        tank.distance()
    tank.part.dead = False
    assert tank.distance() == pytest.approx(1000, abs=1)


def test_an_echo_that_stays_high_is_an_error_of_its_own_until_it_falls(tank: Tank) -> None:
    tank.part.hung = True
    for _ in range(3):
        began = tank.now.seconds
        with pytest.raises(EchoStuck, match="the echo wire on GPIO24 stays high") as raised:
            tank.distance()
        assert tank.now.seconds - began < 0.5, "and it delays nobody for long"
    assert (raised.value.kind, raised.value.retry) == ("stuck", True)
    tank.part.hung = False
    assert tank.distance() == pytest.approx(1000, abs=1)


def test_a_wire_that_is_stuck_low_is_no_answer(tank: Tank) -> None:
    tank.faults.plan("stuck", 24, seconds=10)
    with pytest.raises(BadData, match="no answer"):
        tank.distance()
    tank.now.seconds = 11
    assert tank.distance() == pytest.approx(1000, abs=1)


def test_a_pulse_that_nobody_made_is_noise_and_no_distance(tank: Tank) -> None:
    tank.pins.passing(
        lambda begin, end: [tank.pins.drive(24, level, begin + 0.001) for level in (True, False)] and None
    )
    with pytest.raises(BadData, match="edges on GPIO24, an echo has two"):
        tank.distance()


def test_the_times_of_the_edges_count_and_not_when_somebody_looked(tank: Tank, now: Now) -> None:
    """A busy machine looks late: here each wait takes twenty milliseconds more than it should."""
    pins = pin_factory("sim", now=now, wait=lambda seconds: now.wait(seconds + 0.02))
    with Ultrasonic(pins, PINS) as sensor:
        SimUltrasonic(World(now), "tank").wire(pins, sensor)
        assert sensor.read().values["distance"] == pytest.approx(1000, abs=1)


def test_air_that_cannot_be_is_refused(pins: SimulatedPins) -> None:
    with pytest.raises(OutOfRange, match="-40 to 85 degC"):
        Ultrasonic(pins, PINS, temperature=293)


def test_it_is_started_before_it_reads_and_gives_both_pins_back(pins: SimulatedPins) -> None:
    sensor = Ultrasonic(pins, PINS)
    with pytest.raises(NotStarted):
        sensor.read()
    sensor.start()
    sensor.close()
    sensor.close()
    with pytest.raises(NotStarted):
        sensor.read()
    pins.output(24, level=False).close()
    pins.input(23, pull="up").close()
