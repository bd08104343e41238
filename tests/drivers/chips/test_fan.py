"""A fan: what its pin is given, what its tachometer says, and what it does to the room."""

import math
from typing import Any

import pytest

from drivers import BadPin, NotStarted, OutOfRange, PinInUse, World
from drivers.fan import Fan, SimFan
from drivers.gpio import SimulatedPins, pin_factory
from drivers.simulation.pin_faults import PinFaults
from drivers.simulation.signals import constant, total
from tests.drivers.conftest import Now


def fan(pins: SimulatedPins, **options: Any) -> Fan:
    """On GPIO18, with a tachometer on GPIO24 where `pulses` are given."""
    return Fan(pins, {"pwm": 18, "tach": 24} if "pulses" in options else {"pwm": 18}, **options)


def shares(pins: SimulatedPins) -> list[float]:
    return [share for _, share in pins.history(18)]


@pytest.mark.parametrize(
    ("value", "duty"), [(0, 0), (60, 60), ("60", 60), (37.5, 37.5), ("on", 100), (True, 100), ("off", 0), (False, 0)]
)
def test_it_is_given_per_cent_of_each_period(pins: SimulatedPins, value: Any, duty: float) -> None:
    with fan(pins) as device:
        device.set(value)
        assert pins.duty(18) == pytest.approx(duty / 100)
        assert pins.frequency(18) == 100
        assert device.read().values == {"duty": duty}


@pytest.mark.parametrize("value", [-1, 100.5, "fast", "", None, float("nan"), "pwm=3"])
def test_what_is_no_share_is_refused_and_changes_nothing(pins: SimulatedPins, value: Any) -> None:
    with fan(pins) as device:
        device.set(40)
        with pytest.raises(OutOfRange, match="a fan takes 0 to 100"):
            device.set(value)
        assert pins.duty(18) == pytest.approx(0.4)


def test_below_its_minimum_it_gets_the_minimum_and_nothing_is_nothing(pins: SimulatedPins) -> None:
    with fan(pins, minimum=25) as device:
        device.set(5)
        assert device.read().values["duty"] == 25
        device.set(0)
        assert device.read().values["duty"] == 0


def test_it_is_kicked_when_it_starts_and_only_then(pins: SimulatedPins, now: Now) -> None:
    with fan(pins, kick_start=0.5) as device:
        device.set(30)
        device.set(50)
        device.set(0)
        device.set(30)
    assert pins.history(18)[1:3] == [(0.0, 1.0), (0.5, pytest.approx(0.3))]
    assert shares(pins) == pytest.approx([0, 1, 0.3, 0.5, 0, 1, 0.3, 0])


@pytest.mark.parametrize("active_high", [True, False])
@pytest.mark.parametrize(("safe", "rest"), [("off", 0.0), ("on", 1.0), (40, 0.4), (False, 0.0)])
def test_it_is_safe_from_its_first_moment_to_its_last(
    pins: SimulatedPins, active_high: bool, safe: Any, rest: float
) -> None:
    device = fan(pins, safe=safe, active_high=active_high)
    device.start()
    device.set(70)
    device.make_safe()
    device.set(70)
    device.close()
    device.close()

    level = [rest, 0.7, rest, 0.7, rest]
    assert shares(pins) == pytest.approx([one if active_high else 1 - one for one in level])
    with pytest.raises(NotStarted):
        device.set(1)


def test_what_software_cannot_pulse_is_said_with_what_can(pins: SimulatedPins) -> None:
    with pytest.raises(BadPin, match=r"cannot pulse at 25000 Hz: .* 0.1 to 10000 Hz, and a PCA9685 24 to 1526 Hz"):
        fan(pins, frequency=25_000)


@pytest.mark.parametrize(("numbers", "channels"), [({"pwm": 18}, {"duty"}), ({"pwm": 18, "tach": 24}, {"duty", "rpm"})])
def test_it_tells_revolutions_where_it_has_a_wire_for_them(
    pins: SimulatedPins, numbers: dict[str, int], channels: set[str]
) -> None:
    assert set(Fan.channels_of({"pins": numbers})) == channels
    with Fan(pins, numbers) as device:
        assert set(device.read().values) == channels


@pytest.mark.parametrize("pulses", [0, 13])
def test_pulses_of_a_revolution_are_few(pins: SimulatedPins, pulses: int) -> None:
    with pytest.raises(OutOfRange, match="1 to 12 pulses"):
        fan(pins, pulses=pulses)


@pytest.mark.parametrize("pulses", [1, 2, 4])
@pytest.mark.parametrize("duty", [20, 60, 100])
def test_the_tachometer_says_how_fast_it_turns(world: World, pins: SimulatedPins, pulses: int, duty: int) -> None:
    with fan(pins, pulses=pulses) as device:
        SimFan(world, "fan").wire(pins, device)
        assert device.read().values == {"duty": 0, "rpm": 0}
        device.set(duty)
        assert device.read().values["rpm"] == pytest.approx(world["fan.rpm"], rel=1e-6)
        assert device.read().values["rpm"] == pytest.approx(30.0 * duty), "the next half second as well"


def test_a_fan_that_is_blocked_or_has_too_little_stands_still(world: World, pins: SimulatedPins) -> None:
    with fan(pins, pulses=2) as device:
        SimFan(world, "fan").wire(pins, device)
        device.set(10)
        assert device.read().values == {"duty": 10, "rpm": 0}
        device.set(80)
        world["fan.blocked"] = True
        assert device.read().values == {"duty": 80, "rpm": 0}


def test_a_tachometer_whose_wire_is_stuck_reads_as_standing_still(world: World, pins: SimulatedPins, now: Now) -> None:
    faults = PinFaults(world)
    with fan(pins, pulses=2) as device:
        SimFan(world, "fan").wire(faults.between(pins), device)
        device.set(100)
        faults.plan("stuck", 24, seconds=60)
        assert device.read().values == {"duty": 100, "rpm": 0}
        now.seconds = 61
        assert device.read().values["rpm"] > 2900


def test_a_fan_cools_the_room_from_the_moment_it_is_set(world: World, pins: SimulatedPins, now: Now) -> None:
    with fan(pins, active_high=False) as device:
        SimFan(world, "fan").wire(pins, device)
        world["room.temperature"] = total(constant(30), world.response("fan.duty", gain=-0.1, seconds=600))
        now.seconds = 1000
        device.set(60)
        now.seconds = 1600
        device.set("off")
        cooled = 6 * (1 - math.exp(-1))
        assert world["room.temperature"] == pytest.approx(30 - cooled)
        now.seconds = 2200
        assert world["room.temperature"] == pytest.approx(30 - cooled * math.exp(-1))
    assert world["fan.duty"] == 0


def test_both_its_pins_belong_to_it_alone_and_are_given_back(pins: SimulatedPins) -> None:
    with fan(pins, pulses=2), pytest.raises(PinInUse, match="GPIO24"):
        pins.input(24, pull="up")
    pins.input(24, pull="up").close()
    pins.output(18, level=False).close()


def test_who_else_waits_meanwhile_does_not_make_it_turn_faster(world: World, now: Now) -> None:
    """Each slow device waits in a thread of its own: here another one waits in the middle of the fan's half second."""
    others = [0.03]

    def wait(seconds: float) -> None:
        now.wait(0.2 if others else seconds)
        while others:
            pins.wait(others.pop())
            now.wait(seconds - 0.23)

    pins = pin_factory("sim", now=now, wait=wait)
    with fan(pins, pulses=2) as device:
        SimFan(world, "fan").wire(pins, device)
        device.set(100)
        assert device.read().values["rpm"] == pytest.approx(3000, rel=0.02)
    pins.close()
