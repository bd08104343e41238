"""A servo: pulses for angles, where its shaft is, and when it is let go."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import NotStarted, OutOfRange, World
from drivers.gpio import SimulatedPins, pin_factory
from drivers.servo import Servo, SimServo
from tests.drivers.conftest import Now


def pulse(pins: SimulatedPins) -> float:
    """Milliseconds of the pulse on GPIO12."""
    frequency = pins.frequency(12)
    assert frequency == 50
    return pins.duty(12) / frequency * 1000


@pytest.mark.parametrize(("angle", "wanted"), [(-90, 1.0), (0, 1.5), (90, 2.0), ("45", 1.75), (-9, 1.45)])
def test_an_angle_is_the_length_of_a_pulse(pins: SimulatedPins, angle: Any, wanted: float) -> None:
    with Servo(pins, 12) as servo:
        servo.set(angle)
        assert pulse(pins) == pytest.approx(wanted)
        assert servo.read().values == {"angle": float(angle), "driven": True}


def test_a_servo_with_other_pulses_and_angles(pins: SimulatedPins) -> None:
    with Servo(pins, 12, min_angle=0, max_angle=180, min_pulse=0.0005, max_pulse=0.0025) as servo:
        servo.set(45)
        assert pulse(pins) == pytest.approx(1.0)


@given(angle=st.floats(-90, 90))
def test_every_angle_is_reached(angle: float) -> None:
    now = Now()
    world, pins = World(now), pin_factory("sim", now=now, wait=now.wait)
    with Servo(pins, 12) as servo:
        SimServo(world, "flap").wire(pins, servo)
        servo.set(angle)
        now.seconds += 1
        assert world["flap.angle"] == pytest.approx(angle, abs=1e-6)


@pytest.mark.parametrize("value", [-91, 90.5, "left", True, "", None, float("nan"), "on"])
def test_what_it_cannot_reach_is_refused_and_moves_nothing(pins: SimulatedPins, value: Any) -> None:
    with Servo(pins, 12) as servo:
        servo.set(10)
        before = pulse(pins)
        with pytest.raises(OutOfRange, match=r'a servo takes -90 to 90 \(degrees\) or "released"'):
            servo.set(value)
        assert pulse(pins) == before


@pytest.mark.parametrize(
    "options",
    [
        {"min_pulse": 0.002, "max_pulse": 0.001},
        {"min_pulse": 0.0001},
        {"max_pulse": 0.01},
        {"min_angle": 90.0, "max_angle": -90.0},
        {"safe": 120},
    ],
)
def test_settings_that_make_no_servo_are_refused_at_once(pins: SimulatedPins, options: dict[str, Any]) -> None:
    with pytest.raises(OutOfRange):
        Servo(pins, 12, **options)


def test_it_is_free_until_it_is_told_and_when_it_is_let_go(pins: SimulatedPins) -> None:
    with Servo(pins, 12) as servo:
        assert (pins.duty(12), servo.read().values["driven"]) == (0, False)
        servo.set(30)
        servo.set("released")
        assert pins.duty(12) == 0
        assert servo.read().values == {"angle": 30, "driven": False}, "nothing turned it meanwhile"
    with pytest.raises(NotStarted):
        servo.set(0)


def test_it_turns_in_its_own_time_and_stays_where_the_pulses_end(world: World, pins: SimulatedPins, now: Now) -> None:
    with Servo(pins, 12) as servo:
        SimServo(world, "flap").wire(pins, servo)
        servo.set(90)
        now.seconds = 0.1
        assert world["flap.angle"] == pytest.approx(50)
        servo.set("released")
        now.seconds = 10
        assert world["flap.angle"] == pytest.approx(50)


@pytest.mark.parametrize(("detach", "reached"), [(0.5, 90), (0.05, 25)])
def test_pulses_end_after_a_move_where_that_is_wished(
    world: World, pins: SimulatedPins, now: Now, detach: float, reached: float
) -> None:
    with Servo(pins, 12, detach=detach) as servo:  # type: ignore[arg-type]
        SimServo(world, "flap").wire(pins, servo)
        servo.set(90)
        assert now.seconds == detach, "it waits for that long"
        assert pins.duty(12) == 0
        assert servo.read().values["driven"] is False
        now.seconds = 10
        assert world["flap.angle"] == pytest.approx(reached), "one that is let go too early does not arrive"


def test_a_safe_angle_is_held_from_the_start_and_reached_before_the_pin_is_given_back(
    world: World, pins: SimulatedPins, now: Now
) -> None:
    servo = Servo(pins, 12, safe=-90)
    servo.start()
    SimServo(world, "flap").wire(pins, servo)
    assert servo.read().values == {"angle": -90, "driven": True}
    servo.set(90)
    now.seconds = 5
    servo.make_safe()
    assert pulse(pins) == pytest.approx(1)
    servo.set(90)
    now.seconds = 10
    servo.close()
    servo.close()

    assert pins.duty(12) == 0
    assert world["flap.angle"] == pytest.approx(-90)
