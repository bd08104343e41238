"""Stepper motors: where the shaft is after a move, how long a move takes, and what holds it back."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import BadData, BadPin, NotStarted, OutOfRange, PinInUse, World, find, options_of
from drivers.a4988 import A4988, SimA4988
from drivers.gpio import SimulatedPins, pin_factory
from drivers.kit.stepping import SimMotor, Stepper, ramp
from drivers.simulation.pin_faults import PinFaults
from drivers.suite import problems
from drivers.uln2003 import HALF, ULN2003, SimULN2003
from tests.drivers.conftest import Now

COILS = {"in1": 5, "in2": 6, "in3": 13, "in4": 19}
BOARD = {"step": 20, "dir": 21, "enable": 16}
KINDS: list[Any] = [
    (ULN2003, SimULN2003, COILS, {"steps": "half"}),
    (ULN2003, SimULN2003, COILS, {"steps": "full"}),
    (ULN2003, SimULN2003, COILS, {"steps": "wave"}),
    (A4988, SimA4988, BOARD, {}),
    (A4988, SimA4988, {"step": 20, "dir": 21}, {"inverted": True}),
]


class Bench:
    """A motor on its board, in a time of its own; it stands 100 places above the end stop."""

    def __init__(self, driver: Any, sim: Any, numbers: Any, **options: Any) -> None:
        self.now = Now()
        self.world = World(self.now)
        self.pins = pin_factory("sim", now=self.now, wait=self.now.wait)
        self.faults = PinFaults(self.world)
        self.motor: Stepper = driver(self.pins, numbers, **options)
        self.motor.start()
        self.part: SimMotor = sim(self.world, "it")
        self.part.wire(self.faults.between(self.pins), self.motor)

    @property
    def shaft(self) -> float:
        return float(self.world["it.position"])

    @property
    def counted(self) -> float:
        return float(self.motor.read().values["position"])


@pytest.mark.parametrize(("driver", "sim", "numbers", "options"), KINDS)
@given(goals=st.lists(st.integers(-60, 60), min_size=1, max_size=4))
def test_the_shaft_goes_where_it_is_told_and_the_count_agrees(
    driver: Any, sim: Any, numbers: Any, options: Any, goals: list[int]
) -> None:
    bench = Bench(driver, sim, numbers, **options)
    for goal in goals:
        bench.motor.set(goal)
        assert bench.shaft == bench.counted == goal
    bench.motor.close()


@pytest.mark.parametrize(("driver", "sim", "numbers", "options"), KINDS)
def test_positions_are_in_the_unit_that_is_asked_for(driver: Any, sim: Any, numbers: Any, options: Any) -> None:
    bench = Bench(driver, sim, numbers, unit="deg", per_unit=2048 / 360, lowest=0, highest=180, **options)
    assert driver.channels_of({"unit": "deg"}) == {"position": "deg"}
    bench.motor.set("45")
    assert bench.shaft == bench.counted == pytest.approx(45)
    bench.motor.set(10)
    assert bench.shaft == pytest.approx(10, abs=180 / 2048), "to the nearest step"
    for value in (-1, 181):
        with pytest.raises(OutOfRange, match=r"a stepper takes a position from 0 to 180 \(deg\)"):
            bench.motor.set(value)


@pytest.mark.parametrize(("driver", "sim", "numbers", "options"), KINDS)
@pytest.mark.parametrize("value", ["far", True, None, "", float("nan"), float("inf"), "on"])
def test_what_is_no_position_is_refused_and_moves_nothing(
    driver: Any, sim: Any, numbers: Any, options: Any, value: Any
) -> None:
    bench = Bench(driver, sim, numbers, **options)
    with pytest.raises(OutOfRange, match='"home", "zero" or "released"'):
        bench.motor.set(value)
    assert bench.shaft == bench.counted == 0


def test_a_move_that_would_take_too_long_is_refused_before_it_begins() -> None:
    bench = Bench(ULN2003, SimULN2003, COILS, speed=100, acceleration=0, longest=5)
    with pytest.raises(OutOfRange, match=r"501 steps and 5\.01 s away, more than longest: 5 s; go there in parts"):
        bench.motor.set(501)
    assert bench.shaft == 0
    bench.motor.set(500)
    assert bench.now.seconds == pytest.approx(5)


@given(steps=st.integers(0, 3000), speed=st.floats(1, 2000), acceleration=st.one_of(st.just(0.0), st.floats(1, 1e5)))
def test_a_ramp_has_one_pause_a_step_is_never_too_fast_and_ends_as_it_began(
    steps: int, speed: float, acceleration: float
) -> None:
    pauses = list(ramp(steps, speed, acceleration))
    assert len(pauses) == steps
    assert all(pause >= 1 / speed - 1e-12 for pause in pauses)
    assert pauses == pauses[::-1]
    assert all(a >= b for a, b in pairwise(pauses[: (steps + 1) // 2])), "faster and faster until half-way"
    if acceleration and steps > 1:
        speeds = [1 / pause for pause in pauses]
        assert all(b * b - a * a <= 2 * acceleration * 1.0001 for a, b in pairwise(speeds))


@pytest.mark.parametrize("steps", ["half", "full", "wave"])
def test_the_coils_go_through_the_usual_sequence_and_have_no_current_at_rest(steps: Any) -> None:
    bench = Bench(ULN2003, SimULN2003, COILS, steps=steps)
    states: list[str] = []
    wait = bench.motor.pins.wait

    def look(seconds: float) -> None:
        states.append("".join("01"[bench.pins.level(pin)] for pin in COILS.values()))
        wait(seconds)

    bench.motor.pins.wait = look  # type: ignore[method-assign]
    bench.motor.set(8)
    wanted = {"half": HALF, "full": ("1100", "0110", "0011", "1001"), "wave": ("1000", "0100", "0010", "0001")}[steps]
    assert states == [wanted[number % len(wanted)] for number in range(1, 9)]
    assert not any(bench.pins.level(pin) for pin in COILS.values())


def test_a_motor_that_holds_keeps_its_current_until_it_is_released_or_made_safe() -> None:
    bench = Bench(ULN2003, SimULN2003, COILS, hold=True)
    for end in (lambda: bench.motor.set("released"), bench.motor.make_safe):
        bench.motor.set(bench.counted + 1)
        assert any(bench.pins.level(pin) for pin in COILS.values())
        end()
        assert not any(bench.pins.level(pin) for pin in COILS.values())
        assert bench.shaft == bench.counted


def test_a_board_gets_current_for_a_move_and_each_rise_is_a_step() -> None:
    bench = Bench(A4988, SimA4988, BOARD)
    assert bench.pins.level(16), "no current"
    bench.motor.set(3)
    assert [level for _, level in bench.pins.history(20)] == [False, True, False, True, False, True, False]
    assert [level for _, level in bench.pins.history(16)] == [True, False, True]
    bench.motor.set(1)
    assert [level for _, level in bench.pins.history(21)] == [False, True, False]
    bench.motor.close()
    assert bench.pins.history(16)[-1][1] is True


@pytest.mark.parametrize(("driver", "sim", "numbers", "options"), KINDS)
def test_the_end_stop_makes_a_wrong_count_true(driver: Any, sim: Any, numbers: Any, options: Any) -> None:
    bench = Bench(driver, sim, {**numbers, "home": 26}, **options)
    bench.world["it.blocked"] = True
    bench.motor.set(50)
    assert (bench.shaft, bench.counted) == (0, 50), "it does not know that the motor missed its steps"
    bench.world["it.blocked"] = False
    bench.motor.set(100)
    bench.motor.set("home")
    assert bench.shaft == bench.counted == 0


def test_no_end_stop_within_the_longest_time_is_an_error_with_the_current_off() -> None:
    bench = Bench(ULN2003, SimULN2003, {**COILS, "home": 26}, longest=2)
    bench.motor.set(100)
    bench.faults.plan("stuck", 26, seconds=60)
    with pytest.raises(BadData, match="no end stop within 2 s: look whether the motor turns, which way"):
        bench.motor.set("home")
    assert bench.now.seconds < 4
    assert not any(bench.pins.level(pin) for pin in COILS.values())


@pytest.mark.parametrize(("driver", "sim", "numbers", "options"), KINDS)
def test_a_move_that_is_cut_short_leaves_no_current_and_counts_what_it_made(
    driver: Any, sim: Any, numbers: Any, options: Any
) -> None:
    bench = Bench(driver, sim, numbers, **options)
    wait, pauses = bench.pins.wait, 0

    def interrupted(seconds: float) -> None:
        nonlocal pauses
        wait(seconds)
        pauses += seconds > 1e-3
        if pauses == 10:
            raise KeyboardInterrupt

    bench.pins.wait = interrupted  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        bench.motor.set(50)
    assert bench.shaft == bench.counted == 10
    assert not any(bench.pins.level(numbers[role]) for role in driver.roles if role.startswith("in"))
    assert "enable" not in numbers or bench.pins.level(numbers["enable"])


def test_home_without_an_end_stop_is_refused_and_zero_is_here() -> None:
    bench = Bench(A4988, SimA4988, BOARD)
    with pytest.raises(BadPin, match="a switch between the pin `home` and ground"):
        bench.motor.set("home")
    bench.motor.set(40)
    bench.motor.set("zero")
    assert (bench.shaft, bench.counted) == (40, 0)


@pytest.mark.parametrize(
    "options",
    [
        {"speed": 0},
        {"speed": 5000},
        {"acceleration": -1},
        {"per_unit": 0},
        {"per_unit": 3},
        {"lowest": 10, "highest": 0},
    ],
)
def test_settings_that_make_no_motor_are_refused_at_once(pins: SimulatedPins, options: dict[str, Any]) -> None:
    for driver, numbers in ((ULN2003, COILS), (A4988, BOARD)):
        with pytest.raises(OutOfRange):
            driver(pins, numbers, **options)


@pytest.mark.parametrize(("driver", "own"), [(ULN2003, "steps"), (A4988, "inverted")])
def test_its_options_are_its_own_and_those_of_every_stepper(driver: Any, own: str) -> None:
    common = list(options_of(Stepper))
    assert list(options_of(driver)) == [own, *common]
    assert {"unit", "per_unit", "speed", "longest", "hold"} <= set(common)
    with pytest.raises(TypeError, match="fastness"):
        driver(None, COILS if driver is ULN2003 else BOARD, fastness=3)


@pytest.mark.parametrize(("driver", "numbers"), [(ULN2003, COILS), (A4988, BOARD)])
def test_one_that_lacks_a_pin_keeps_none_of_the_others(pins: SimulatedPins, driver: Any, numbers: Any) -> None:
    last = list(numbers.values())[-1] if driver is ULN2003 else numbers["dir"]
    other = pins.output(last, level=False)
    motor = driver(pins, numbers)
    with pytest.raises(PinInUse, match=f"GPIO{last}"):
        motor.start()
    for number in set(numbers.values()) - {last}:
        pins.output(number, level=False).close()
    other.close()
    motor.start()
    motor.set(2)
    motor.close()
    motor.close()
    with pytest.raises(NotStarted):
        motor.set(1)


@pytest.mark.parametrize("options", [{"steps": "half", "unit": "deg", "per_unit": 11.4}, {"hold": True}])
def test_it_conforms(options: dict[str, Any]) -> None:
    assert problems(find("uln2003"), options) == []
