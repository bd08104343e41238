"""Button, motion detector, encoder and counter on the simulated header: from the world to what they say."""

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers import BadPin, NotStarted, OutOfRange, PinInUse, World
from drivers.base import Decoder
from drivers.button import Button, SimButton
from drivers.counter import Counter, SimCounter
from drivers.gpio import SimulatedPins, pin_factory
from drivers.kit.inputs import Listening
from drivers.pir import PIR, SimPIR
from drivers.relay import Relay
from drivers.rotary import ORDER, STEPS, Rotary, SimRotary, Turns
from drivers.simulation.pin_faults import PinFaults
from tests.drivers.edges import Told, told


def watched(device: Listening, settle: float = 0.0) -> Decoder:
    """The decoder of a started device, fed by its edges."""
    decoder = device.decoder(settle)
    decoder.begin(device.levels(), 0.0)
    device.watch(decoder.edge)
    return decoder


def pass_until(world: World, now: Any, end: float) -> None:
    while world.deadline is not None and world.deadline <= end:
        now.seconds = max(now.seconds, world.deadline)
        world.refresh()
    now.seconds = end
    world.refresh()


def values(changes: Told, channel: str) -> list[float | bool]:
    return [shown[channel] for shown, _ in changes if channel in shown]


# -- button and motion detector ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pull", "active", "level"),
    [("up", None, False), ("down", None, True), ("up", "high", True), ("none", "high", True), ("none", "low", False)],
)
def test_pressed_is_the_level_the_pull_does_not_make_or_the_named_one(
    pins: SimulatedPins, pull: str, active: str | None, level: bool
) -> None:
    with Button(pins, 17, pull=pull, active=active) as bell:  # type: ignore[arg-type]
        for pressed in (True, False):
            pins.drive(17, level == pressed)
            assert bell.read().values == {"pressed": pressed, "click": False}


def test_a_button_without_a_pull_must_name_its_level(pins: SimulatedPins) -> None:
    with pytest.raises(BadPin, match="`active: low`: the level that means pressed"):
        Button(pins, 17, pull="none")


@pytest.mark.parametrize("option", ["double", "long"])
def test_a_time_of_nothing_is_refused(pins: SimulatedPins, option: str) -> None:
    with pytest.raises(OutOfRange, match=f"{option} must be longer than 0s"):
        Button(pins, 17, **{option: 0.0})  # type: ignore[arg-type]


def test_a_button_has_the_channels_that_its_options_ask_for() -> None:
    assert list(Button.channels_of({})) == ["pressed", "click"]
    assert list(Button.channels_of({"double": 0.4})) == ["pressed", "click", "double"]
    assert list(Button.channels_of({"double": 0.4, "long": 1.0})) == ["pressed", "click", "double", "long"]


@pytest.mark.parametrize("fault", ["bounce", "glitch"])
def test_a_press_on_a_bad_contact_is_one_click(world: World, pins: SimulatedPins, now, fault: str) -> None:  # type: ignore[no-untyped-def]
    faults = PinFaults(world, seed=1)
    bell = Button(pins, 17, double=0.4, long=1.0)  # type: ignore[arg-type]
    bell.start()
    SimButton(world, "bell").wire(faults.between(pins), bell)
    decoder = watched(bell, 0.03)
    faults.plan(fault, 17, seconds=60, after=0.9)  # type: ignore[arg-type]
    for at, pressed in [(1.0, True), (1.3, False)]:
        pass_until(world, now, at)
        world["bell.pressed"] = pressed
    pass_until(world, now, 5)

    changes = told(decoder, 5)
    assert values(changes, "click") == [True]
    assert values(changes, "pressed") == [True, False]


def test_a_stuck_button_is_long_and_a_floating_one_says_what_it_shows(world: World, pins: SimulatedPins, now) -> None:  # type: ignore[no-untyped-def]
    faults = PinFaults(world, seed=1)
    bell = Button(pins, 17, long=1.0)  # type: ignore[arg-type]
    bell.start()
    SimButton(world, "bell").wire(faults.between(pins), bell)
    decoder = watched(bell, 0.03)
    world["bell.pressed"] = True
    faults.plan("stuck", 17, seconds=60)
    now.seconds = 0.5
    world["bell.pressed"] = False
    pass_until(world, now, 100)
    assert values(told(decoder, 100), "long") == [True, False]
    faults.plan("floating", 17, seconds=60)
    pass_until(world, now, 300)
    assert told(decoder, 300)
    assert bell.read().values["pressed"] is False


def test_the_world_moves_a_motion_detector(world: World, pins: SimulatedPins, now) -> None:  # type: ignore[no-untyped-def]
    hall = PIR(pins, 17, warm_up=60.0, hold=5.0)  # type: ignore[arg-type]
    hall.start()
    SimPIR(world, "hall").wire(pins, hall)
    decoder = watched(hall)
    for at, motion in [(10, True), (20, False), (70, True), (72, False), (74, True), (80, False)]:
        now.seconds = at
        world["hall.motion"] = motion
        assert hall.read().values == {"motion": motion}

    assert told(decoder, 999) == [({"motion": True}, 70), ({"motion": False}, 85)]


def test_a_motion_detector_whose_wire_is_off_shows_motion_and_a_glitch_is_none(  # type: ignore[no-untyped-def]
    world: World, pins: SimulatedPins, now
) -> None:
    faults = PinFaults(world, seed=4)
    hall = PIR(pins, 17, warm_up=0.0, hold=5.0)  # type: ignore[arg-type]
    hall.start()
    SimPIR(world, "hall").wire(faults.between(pins), hall)
    decoder = watched(hall, 0.05)
    faults.plan("glitch", 17, after=1, by=0.02)
    pass_until(world, now, 50)
    assert told(decoder, 50) == []
    faults.plan("floating", 17, seconds=60, by=0.2)
    pass_until(world, now, 200)
    motions = told(decoder, 200)
    assert values(motions, "motion") == [True, False], "a hold makes one motion of the noise"
    assert motions[-1][1] <= 115


# -- encoder ----------------------------------------------------------------------------------------------------------


def knob(world: World, pins: SimulatedPins, options: dict[str, Any] | None = None, **numbers: int) -> Rotary:
    device = Rotary(pins, {"a": 17, "b": 27, **numbers}, **(options or {}))
    device.start()
    SimRotary(world, "knob").wire(pins, device)
    return device


@pytest.mark.parametrize("per_detent", [1, 2, 4])
@pytest.mark.parametrize("pull", ["up", "down", "none"])
def test_each_detent_is_told_with_its_direction(
    world: World,
    pins: SimulatedPins,
    now,
    per_detent: int,
    pull: str,  # type: ignore[no-untyped-def]
) -> None:
    device = knob(world, pins, {"steps_per_detent": per_detent, "pull": pull})
    decoder = watched(device)
    world["knob.position"] = 3
    pass_until(world, now, 1)
    world["knob.position"] = -1
    pass_until(world, now, 2)

    changes = told(decoder, 2)
    assert values(changes, "position") == [1, 2, 3, 2, 1, 0, -1]
    assert values(changes, "turned") == [1, 1, 1, -1, -1, -1, -1]
    assert device.read().values == {"position": -1, "turned": 0}
    assert decoder.missed == 0


def test_where_the_knob_stands_at_the_start_is_0_and_no_movement(world: World, pins: SimulatedPins, now) -> None:  # type: ignore[no-untyped-def]
    world["knob.position"] = 7
    decoder = watched(knob(world, pins))
    pass_until(world, now, 1)
    world["knob.position"] = 8
    pass_until(world, now, 2)

    assert values(told(decoder, 2), "position") == [1]


def test_a_chattering_encoder_counts_right_without_debouncing(world: World, pins: SimulatedPins, now) -> None:  # type: ignore[no-untyped-def]
    faults = PinFaults(world, seed=5)
    device = Rotary(pins, {"a": 17, "b": 27})
    device.start()
    SimRotary(world, "knob").wire(faults.between(pins), device)
    decoder = watched(device)
    for pin in (17, 27):
        faults.plan("bounce", pin, seconds=1e6, by=1)
    position = 0
    for number, turn in enumerate((3, -5, 1, 1, 6, -2)):
        position += turn
        world["knob.position"] = position
        pass_until(world, now, 10.0 * (number + 1))
        told(decoder, now())

        assert device.read().values["position"] == position


def test_position_stays_within_its_bounds_and_nothing_is_told_beyond(world: World, pins: SimulatedPins, now) -> None:  # type: ignore[no-untyped-def]
    decoder = watched(knob(world, pins, {"min_value": 0, "max_value": 2}))
    for at, position in enumerate((5, 4, -9, -8), 1):
        world["knob.position"] = position
        pass_until(world, now, at)

    assert values(told(decoder, 9), "position") == [1, 2, 1, 0, 1]


@pytest.mark.parametrize(("options", "begins"), [({"min_value": 3}, 3), ({"max_value": -2}, -2), ({}, 0)])
def test_the_position_begins_at_0_or_at_the_bound_next_to_it(
    world: World, pins: SimulatedPins, options: dict[str, int], begins: int
) -> None:
    device = knob(world, pins, dict(options))
    assert device.decoder(0).begin(device.levels(), 0).values == {"position": begins}
    assert device.read().values["position"] == begins


def test_bounds_the_wrong_way_round_are_refused(pins: SimulatedPins) -> None:
    with pytest.raises(OutOfRange, match="min_value 5 is above max_value 1"):
        Rotary(pins, {"a": 17, "b": 27}, min_value=5, max_value=1)


def test_a_knob_with_a_button_can_be_pressed(world: World, pins: SimulatedPins, now) -> None:  # type: ignore[no-untyped-def]
    device = knob(world, pins, {"long": 1.0}, button=22)
    decoder = watched(device, 0.05)
    world["knob.pressed"] = True
    world["knob.position"] = 1
    pass_until(world, now, 0.5)
    assert device.read().values == {"position": 1, "turned": 0, "pressed": True, "click": False, "long": False}
    world["knob.pressed"] = False
    pass_until(world, now, 2)

    changes = told(decoder, 2)
    assert ({"position": 1, "turned": 1}, pytest.approx(0.015)) in changes
    assert ({"pressed": False, "click": True}, 0.5) in changes


def test_a_knob_without_a_button_has_no_channels_of_one() -> None:
    pins = {"a": 17, "b": 27}
    assert list(Rotary.channels_of({"pins": pins, "long": 1.0})) == ["position", "turned"]
    with_button = Rotary.channels_of({"pins": {**pins, "button": 22}, "long": 1.0})
    assert list(with_button) == ["position", "turned", "pressed", "click", "long"]


def test_the_table_knows_every_pair_of_states() -> None:
    assert len(STEPS) == 16
    assert sum(step is None for step in STEPS.values()) == 4
    for at, state in enumerate(ORDER):
        assert STEPS[state, ORDER[(at + 1) % 4]] == 1
        assert STEPS[state, ORDER[(at - 1) % 4]] == -1
        assert STEPS[state, state] == 0
        assert STEPS[state, state ^ 0b11] is None


def test_a_lost_step_is_counted_and_the_next_detents_are_right() -> None:
    """A period of four steps of which one edge did not come: the detent counts, and the next one is a detent again."""
    turns = Turns(closed=True)
    turns.begin({"a": False, "b": False}, 0)
    for role, level in [("a", True), ("b", True), ("b", False)]:  # a's falling edge was lost
        turns.edge(role, level, 1)
    turns.edge("a", True, 2)  # which shows when a closes again
    assert turns.missed == 1
    for role, level in [("b", True), ("a", False), ("b", False)]:
        turns.edge(role, level, 3)

    assert turns.position == 1 + 0
    for role, level in [("a", True), ("b", True), ("a", False), ("b", False)]:
        turns.edge(role, level, 4)
    assert turns.position == 2


def test_half_a_detent_counts_where_the_other_half_was_lost() -> None:
    turns = Turns(closed=True)
    turns.begin({"a": False, "b": False}, 0)
    turns.edge("a", True, 1)
    turns.look({"a": False, "b": True}, 2)
    turns.edge("b", False, 3)

    assert (turns.missed, turns.position) == (1, 1)


def test_a_look_that_finds_both_contacts_changed_moves_nothing() -> None:
    turns = Turns(closed=True, per_detent=1)
    turns.begin({"a": False, "b": False}, 0)
    turns.look({"a": False, "b": False}, 1)
    assert turns.missed == 0
    turns.look({"a": True, "b": True}, 2)
    assert (turns.missed, turns.position) == (1, 0)
    turns.look({"a": False, "b": True}, 3)
    assert (turns.missed, turns.position) == (2, 1), "one contact alone has a direction"


@given(turns=st.lists(st.integers(-9, 9), max_size=20), per_detent=st.sampled_from([1, 2, 4]))
@settings(max_examples=100, deadline=None)
def test_however_a_knob_is_turned_the_position_is_its_angle(turns: list[int], per_detent: int) -> None:
    decoder = Turns(closed=True, per_detent=per_detent)
    decoder.begin({"a": False, "b": False}, 0)
    angle, time = 0.0, 0
    shown = {"a": False, "b": False}
    for turn in turns:
        goal = angle + turn * per_detent
        while angle != goal:
            # a wheel with a slot of half a period, and two contacts a quarter of a period apart
            angle = round(angle + math.copysign(0.1, goal - angle), 1)
            time += 1
            wheel = {"a": 0.5 < angle % 4 < 2.5, "b": 1.5 < angle % 4 < 3.5}
            for role in ("a", "b"):
                if wheel[role] != shown[role]:
                    shown[role] = wheel[role]
                    decoder.edge(role, shown[role], time)

    assert decoder.position == sum(turns)
    assert decoder.missed == 0
    assert sum(int(one["turned"]) for one, _ in told(decoder, time)) == sum(turns)


def test_one_pin_of_an_encoder_that_is_taken_leaves_the_others_free(pins: SimulatedPins) -> None:
    with Relay(pins, 27):
        with pytest.raises(PinInUse, match="GPIO27"):
            Rotary(pins, {"a": 17, "b": 27}).start()
        Button(pins, 17).start()


def test_what_is_not_started_names_its_pins(pins: SimulatedPins) -> None:
    with pytest.raises(NotStarted, match=r"the rotary on GPIO17\+27 is not started"):
        Rotary(pins, {"a": 17, "b": 27}).read()


# -- counter ----------------------------------------------------------------------------------------------------------


def pulses(pins: SimulatedPins, now: Any, *times: float, width: float = 0.01) -> None:
    """Pulses that begin at these times, of a contact against ground."""
    for at in times:
        now.seconds = at
        pins.drive(17, False)
        now.seconds = at + width
        pins.drive(17, True)


@pytest.mark.parametrize(("edge", "count"), [("falling", 3), ("rising", 3), ("both", 6)])
def test_pulses_are_counted_at_the_edges_that_were_chosen(pins: SimulatedPins, now, edge: str, count: int) -> None:  # type: ignore[no-untyped-def]
    with Counter(pins, 17, edge=edge) as meter:  # type: ignore[arg-type]
        pulses(pins, now, 1, 2, 3)
        assert meter.read().values["count"] == count


def test_total_and_rate_are_in_the_users_unit(pins: SimulatedPins, now) -> None:  # type: ignore[no-untyped-def]
    with Counter(pins, 17, per_pulse=0.5, unit="l", per="min", offset=100.0) as meter:
        pulses(pins, now, 10, 10.5, 11)
        assert meter.read().values == {"count": 3, "total": 101.5, "rate": 60.0}
    assert Counter.channels_of({"unit": "l", "per": "min"}) == {"count": "pulses", "total": "l", "rate": "l/min"}


def test_the_rate_is_between_the_last_pulses_of_two_readings_whenever_they_are_taken(pins: SimulatedPins, now) -> None:  # type: ignore[no-untyped-def]
    with Counter(pins, 17, per="s") as meter:
        pulses(pins, now, 1.0, 1.5, 2.0)
        now.seconds = 2.3
        assert meter.read().values["rate"] == pytest.approx(2.0)
        pulses(pins, now, 3.0, 4.0)
        assert meter.read().values["rate"] == pytest.approx(1.0)


def test_without_pulses_the_rate_falls_and_is_0_after_the_timeout(pins: SimulatedPins, now) -> None:  # type: ignore[no-untyped-def]
    with Counter(pins, 17, per="s", timeout=60.0) as meter:  # type: ignore[arg-type]
        assert meter.read().values["rate"] == 0
        pulses(pins, now, 1.0)
        assert meter.read().values["rate"] == 0, "one pulse has no rate"
        pulses(pins, now, 2.0)
        rates = []
        for at in (2.5, 3.0, 12.0, 62.0):
            now.seconds = at
            rates.append(meter.read().values["rate"])
        assert rates == [pytest.approx(1.0), pytest.approx(1.0), pytest.approx(0.1), 0]
        pulses(pins, now, 500.0)
        assert meter.read().values["rate"] == 0, "the silence is no period"
        pulses(pins, now, 504.0)
        assert meter.read().values["rate"] == pytest.approx(0.25)


def test_pulses_and_gaps_that_are_too_short_are_noise(pins: SimulatedPins, now) -> None:  # type: ignore[no-untyped-def]
    with Counter(pins, 17, min_width=0.005) as meter:  # type: ignore[arg-type]
        pulses(pins, now, 1.0, 2.0, width=0.02)
        pulses(pins, now, 3.0, 3.002, 4.0, width=0.001)
        now.seconds = 9
        assert meter.read().values["count"] == 2


@given(
    edges=st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=40),
    width=st.integers(0, 20),
    reads=st.sets(st.integers(0, 1000), max_size=20),
)
@settings(max_examples=100, deadline=None)
def test_reading_a_counter_changes_nothing_of_its_count(
    edges: list[tuple[int, bool]], width: int, reads: set[int]
) -> None:
    counts = []
    for asked in (set(), reads):
        time = [0]
        pins = pin_factory("sim", now=lambda time=time: float(time[0]))  # type: ignore[misc]
        meter = Counter(pins, 17, min_width=float(width))  # type: ignore[arg-type]
        meter.start()
        moments: list[tuple[int, int, bool]] = [(at, 1, False) for at in asked]
        at = 0
        for gap, level in edges:
            at += gap
            moments.append((at, 0, level))
        for at, kind, level in sorted(moments, key=lambda moment: moment[:2]):
            time[0] = at
            if kind:
                meter.read()
            else:
                pins.drive(17, level)
        time[0] = 5000
        counts.append(meter.read().values["count"])
        pins.close()

    assert counts[0] == counts[1]


def test_a_level_that_comes_twice_has_an_edge_between(pins: SimulatedPins) -> None:
    with Counter(pins, 17, edge="both") as meter:
        meter._edge(False, 1.0)
        meter._edge(False, 2.0)
        assert meter.read().values["count"] == 3


def test_starting_a_counter_again_keeps_its_count(pins: SimulatedPins, now) -> None:  # type: ignore[no-untyped-def]
    meter = Counter(pins, 17)
    meter.start()
    pulses(pins, now, 1)
    meter.start()
    assert meter.read().values["count"] == 1
    meter.close()
    with pytest.raises(NotStarted, match="the counter on GPIO17"):
        meter.read()


@pytest.mark.parametrize(
    "options", [{"per_pulse": 0.0}, {"per_pulse": math.nan}, {"offset": math.inf}, {"timeout": 0.0}]
)
def test_options_that_make_no_measurement_are_refused(pins: SimulatedPins, options: dict[str, float]) -> None:
    with pytest.raises(OutOfRange):
        Counter(pins, 17, **options)  # type: ignore[arg-type]


def test_a_bouncing_reed_counts_once_a_pulse_with_a_width_and_a_glitch_not_at_all(  # type: ignore[no-untyped-def]
    world: World, pins: SimulatedPins, now
) -> None:
    faults = PinFaults(world, seed=2)
    meter = Counter(pins, 17, per="min", min_width=0.005)  # type: ignore[arg-type]
    meter.start()
    SimCounter(world, "rain").wire(faults.between(pins), meter)
    faults.plan("bounce", 17, seconds=120, by=3)
    for second in range(5, 120, 10):
        faults.plan("glitch", 17, after=float(second), by=0.002)
    world["rain.rate"] = 30.0
    pass_until(world, now, 60)

    assert meter.read().values == {"count": 30, "total": 30.0, "rate": pytest.approx(30.0, rel=0.01)}


def test_a_meter_on_a_stuck_line_shows_nothing_and_goes_on_afterwards(world: World, pins: SimulatedPins, now) -> None:  # type: ignore[no-untyped-def]
    faults = PinFaults(world, seed=2)
    meter = Counter(pins, 17)
    meter.start()
    SimCounter(world, "rain").wire(faults.between(pins), meter)
    world["rain.rate"] = 60.0
    faults.plan("stuck", 17, seconds=100)
    pass_until(world, now, 99)
    assert meter.read().values == {"count": 0, "total": 0.0, "rate": 0.0}
    pass_until(world, now, 130)
    assert meter.read().values["count"] == pytest.approx(30, abs=1)


@pytest.mark.parametrize(("pull", "edge"), [("up", "falling"), ("down", "rising"), ("up", "both")])
def test_the_worlds_flow_turns_the_wheel(world: World, pins: SimulatedPins, now, pull: str, edge: str) -> None:  # type: ignore[no-untyped-def]
    meter = Counter(pins, 17, pull=pull, edge=edge, per_pulse=0.01, unit="l", per="min")  # type: ignore[arg-type]
    meter.start()
    SimCounter(world, "water").wire(pins, meter)
    world["water.rate"] = 6.0
    pass_until(world, now, 60)
    first = meter.read().values
    assert first["total"] == pytest.approx(6.0, abs=0.011)
    assert first["rate"] == pytest.approx(6.0)
    now.seconds = 60.31
    world.refresh()
    assert meter.read().values["count"] - first["count"] == pytest.approx(3, abs=1), "looked at late"
    world["water.rate"] = 12.0
    pass_until(world, now, 120)
    assert meter.read().values["total"] == pytest.approx(6 * 60.31 / 60 + 12 * 59.69 / 60, abs=0.03)
    world["water.rate"] = 0.0
    pass_until(world, now, 300)
    assert meter.read().values["rate"] == 0
