"""What the simulated world can show: days, drift, steps of a converter, rooms with heaters, and recorded files."""

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import Nack, SimBus, World
from drivers.bme280 import BME280, SimBME280
from drivers.contact import Contact, SimContact
from drivers.gpio import SimulatedPins
from drivers.relay import Relay, SimRelay
from drivers.simulation.series import read_series, replay
from drivers.simulation.signals import Hole, constant, diurnal, drift, quantised, total
from drivers.tmp102 import TMP102, SimTMP102

HOUR = 3600.0


def test_a_day_is_warmest_when_it_is_said_to_be_and_coldest_half_a_day_away() -> None:
    day = diurnal(10, 20, warmest=15 * HOUR)

    assert day(15 * HOUR) == pytest.approx(20)
    assert day(3 * HOUR) == pytest.approx(10)
    assert day(9 * HOUR) == pytest.approx(15)
    assert day(39 * HOUR) == pytest.approx(20)


def test_drift_is_per_hour_and_adds_to_what_is_measured() -> None:
    aged = total(constant(20), drift(0.5, begin=HOUR))

    assert [aged(at * HOUR) for at in (0, 1, 3)] == [20, 20, 21]


@given(value=st.floats(-100, 100), quantum=st.sampled_from([0.0625, 0.5, 3.0]))
def test_a_quantised_signal_is_a_whole_number_of_steps_and_the_nearest(value: float, quantum: float) -> None:
    shown = quantised(constant(value), quantum)(0.0)

    assert shown / quantum == round(shown / quantum)
    assert abs(shown - value) <= quantum / 2 + 1e-9


def test_a_room_is_63_per_cent_warmer_after_the_time_constant_and_cools_the_same_way(world, now) -> None:  # type: ignore[no-untyped-def]
    world["room.temperature"] = total(constant(5), world.response("heater.on", gain=10, seconds=600))
    assert world["room.temperature"] == 5

    world["heater.on"] = True
    now.seconds = 600
    assert world["room.temperature"] == pytest.approx(5 + 10 * (1 - math.exp(-1)))
    now.seconds = 60_000
    assert world["room.temperature"] == pytest.approx(15)
    world["heater.on"] = False
    now.seconds = 60_600
    assert world["room.temperature"] == pytest.approx(5 + 10 * math.exp(-1))


@given(looks=st.lists(st.floats(0, 2000), max_size=20))
def test_a_response_does_not_depend_on_how_often_it_is_asked(looks: list[float]) -> None:
    clock = [0.0]
    world = World(lambda: clock[0])
    often, once = (world.response("heater.on", gain=10, seconds=600) for _ in range(2))
    for at in sorted([*looks, 500.0, 1200.0]):
        clock[0] = at
        often(at)
        if at in (500.0, 1200.0):
            world["heater.on"] = at == 500.0
    clock[0] = 2000.0

    assert often(2000.0) == pytest.approx(once(2000.0))
    assert once(2000.0) == pytest.approx(10 * (1 - math.exp(-700 / 600)) * math.exp(-800 / 600))


def test_a_relay_warms_the_room_from_the_moment_it_switches(world, now, pins: SimulatedPins) -> None:  # type: ignore[no-untyped-def]
    heater = Relay(pins, 27)
    heater.start()
    SimRelay(world, "heater").wire(pins, heater)
    world["room.temperature"] = world.response("heater.on", gain=10, seconds=100)
    now.seconds = 1000
    heater.set(True)
    now.seconds = 1100

    assert world["room.temperature"] == pytest.approx(10 * (1 - math.exp(-1)))


def test_what_is_planned_happens_in_the_order_of_its_times_when_time_has_come(world, now) -> None:  # type: ignore[no-untyped-def]
    done: list[str] = []
    world.later(20, lambda: done.append("second"))
    world.later(10, lambda: done.append("first"))
    assert world.deadline == 10
    now.seconds = 15
    world.refresh()
    assert done == ["first"]
    now.seconds = 30
    world.refresh()
    assert done == ["first", "second"]
    assert world.deadline is None


# -- recorded files ---------------------------------------------------------------------------------------------------

OFFICE = """\
"date","Temperature","Occupied"
"1","2015-02-04 17:51:00",23.18,1
"2",2015-02-04 17:51:59,23.15,1
"3","2015-02-04 17:53:00",,1
"4","2015-02-04 17:54:00",23.1,0
"5","2015-02-04 17:53:30",99,0
"6","2015-02-04 18:54:00",22,0
"""
"""Row numbers without a header, dates with and without quotes, a missing value, a clock put back, an hour's hole."""


def test_files_are_read_as_they_are_found() -> None:
    series = read_series(OFFICE.splitlines(), "Temperature", time="date")

    assert series.times == (0, 59, 180, 3780)
    assert series.values == (23.18, 23.15, 23.1, 22)
    assert series.left_out == 2


def test_seconds_are_a_time_too_and_units_are_mapped() -> None:
    series = read_series(["at,f", "0,32", "300,212"], "f", scale=5 / 9, offset=-160 / 9)

    assert series.times == (0, 300)
    assert series.values == pytest.approx((0, 100))


@pytest.mark.parametrize(
    ("column", "lines", "text"),
    [
        ("Temperatur", OFFICE.splitlines(), "no column 'Temperatur'; did you mean 'Temperature'"),
        ("x", [], "no column 'x'; there are none"),
        ("a", ["t,a", "1,", ",2", "now,3", "1"], "no row has a time and a number in the column 'a'"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(column: str, lines: list[str], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        read_series(lines, column)


def test_a_value_holds_until_the_next_row_at_the_speed_that_was_asked_for() -> None:
    series = read_series(["t,v", "0,1", "60,2", "120,3"], "v")
    slow, fast = replay(series, begin=1000), replay(series, begin=1000, speed=60)

    assert [slow(at) for at in (0, 1000, 1059, 1060, 1121, 9999)] == [1, 1, 1, 2, 3, 3]
    assert [fast(at) for at in (1000, 1000.5, 1001, 1002)] == [1, 1, 2, 3]


def test_a_hole_keeps_the_last_value_or_has_none_by_choice() -> None:
    series = read_series(OFFICE.splitlines(), "Temperature", time="date")
    kept, silent = replay(series, hole=300), replay(series, hole=300, holes="silent")

    assert kept(2000) == 23.1
    assert silent(480) == 23.1
    with pytest.raises(Hole):
        silent(481)
    assert silent(3780) == 22


@pytest.mark.parametrize("build", [
    lambda bus: TMP102(bus, 0x48), lambda bus: BME280(bus, 0x76)
])  # fmt: skip
def test_a_chip_in_a_silent_hole_does_not_answer_and_its_neighbour_does(
    world: World, now: Callable[[], float], build: Callable[[SimBus], TMP102]
) -> None:
    bus = SimBus({0x48: SimTMP102(world, "a"), 0x76: SimBME280(world, "a"), 0x77: SimBME280(world, "b")})
    world["a.temperature"] = 21.0
    sensor, other = build(bus), BME280(bus, 0x77)
    sensor.start()
    other.start()
    world["a.temperature"] = replay(read_series(["t,v", "0,20", "60,21"], "v"), hole=60, holes="silent")
    assert sensor.read().values["temperature"] == pytest.approx(20, abs=0.01)

    now.seconds = 200  # type: ignore[attr-defined]
    for _ in range(2):
        with pytest.raises(Nack, match="nothing was recorded"):
            sensor.read()
        assert other.read().values["temperature"] == pytest.approx(21, abs=0.01)


def test_a_measurement_that_cannot_be_does_not_fail_whoever_waits_meanwhile(world: World, now) -> None:  # type: ignore[no-untyped-def]
    bus = SimBus({0x76: SimBME280(world, "a"), 0x77: SimBME280(world, "b")})
    other = BME280(bus, 0x77)
    other.start()
    world["a.temperature"] = replay(read_series(["t,v", "0,20"], "v"), hole=60, holes="silent")
    now.seconds = 200
    bus.transfer(0x76, b"\xf2\x01\xf4\x25")

    assert other.read().values["temperature"] == pytest.approx(21, abs=0.01)
    with pytest.raises(Nack, match="nothing was recorded"):
        bus.transfer(0x76, b"\xf3", 1)


def test_a_contact_keeps_its_level_in_a_silent_hole(world, now, pins: SimulatedPins) -> None:  # type: ignore[no-untyped-def]
    door = Contact(pins, 17)
    door.start()
    world["door.open"] = replay(read_series(["t,v", "0,0", "60,1"], "v"), hole=60, holes="silent")
    SimContact(world, "door").wire(pins, door)
    now.seconds = 60
    world.refresh()
    now.seconds = 500
    world.refresh()

    assert door.read().values == {"open": True}


def test_what_is_planned_within_a_wait_happens_at_its_own_time() -> None:
    clock = [0.0]
    world = World(lambda: clock[0])
    seen: list[float] = []
    for at in (0.2, 0.22):
        world.later(at, lambda: seen.append(world.now()))

    def advance(seconds: float) -> None:
        clock[0] += seconds

    world.elapse(1.0, advance)

    assert seen == pytest.approx([0.2, 0.22])
    assert clock[0] == pytest.approx(1.0)
