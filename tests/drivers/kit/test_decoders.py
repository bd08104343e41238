"""What edges mean depends on the edges alone: asking early, late, often or never changes nothing."""

from collections.abc import Callable, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.base import Decoder
from drivers.kit.decoders import Clicks, Levels
from drivers.pir import Motion
from drivers.rotary import Knob, Turns
from tests.drivers.edges import Told, told

END = 20_000

DECODERS: dict[str, Callable[[int], Decoder]] = {
    "contact": lambda settle: Levels("open", settle, on=True),
    "button": lambda settle: Clicks(settle, on=False),
    "button with double": lambda settle: Clicks(settle, on=False, double=150),
    "button with long": lambda settle: Clicks(settle, on=False, long=200),
    "button with both": lambda settle: Clicks(settle, on=False, double=150, long=200),
    "motion": lambda settle: Motion(settle, on=True, warm_up=0, hold=0),
    "motion with a hold": lambda settle: Motion(settle, on=True, warm_up=0, hold=180),
    "cold motion": lambda settle: Motion(settle, on=True, warm_up=700, hold=180),
    "encoder": lambda settle: Turns(closed=False, low=-2, high=2),
    "encoder of two steps": lambda settle: Turns(closed=False, per_detent=2),
    "knob": lambda settle: Knob(Turns(closed=False), Clicks(settle, role="button", on=False, double=150, long=200)),
}
ROLES = {"encoder": ("a", "b"), "encoder of two steps": ("a", "b"), "knob": ("a", "b", "button")}

Edge = tuple[int, int, bool]

steps = st.lists(st.tuples(st.integers(0, 130), st.integers(0, 2), st.booleans()), max_size=50)


def edges_of(moves: list[Edge]) -> list[Edge]:
    at, edges = 0, []
    for gap, pin, level in moves:
        at += gap
        edges.append((at, pin, level))
    return edges


def started(name: str, settle: int, levels: tuple[bool, ...]) -> tuple[Decoder, tuple[str, ...]]:
    roles = ROLES.get(name, ("pin",))
    decoder = DECODERS[name](settle)
    decoder.begin(dict(zip(roles, levels, strict=False)), 0)
    return decoder, roles


@pytest.mark.parametrize("name", DECODERS)
@given(
    moves=steps,
    settle=st.integers(0, 100),
    levels=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    polls=st.sets(st.integers(0, 7000), max_size=40),
)
@settings(max_examples=150, deadline=None)
def test_the_result_does_not_depend_on_when_or_how_often_it_is_asked(
    name: str, moves: list[Edge], settle: int, levels: tuple[bool, bool, bool], polls: set[int]
) -> None:
    edges = edges_of(moves)
    results: list[tuple[Told, int]] = []
    for asked in (set(), polls):
        decoder, roles = started(name, settle, levels)
        got: Told = []
        # an edge comes before a question of the same moment
        moments: list[tuple[int, int, Edge | None]] = [(edge[0], 0, edge) for edge in edges]
        moments += [(at, 1, None) for at in asked]
        for at, _, edge in sorted(moments, key=lambda moment: moment[:2]):
            if edge is None:
                got += told(decoder, at)
            else:
                decoder.edge(roles[edge[1] % len(roles)], edge[2], at)
        got += told(decoder, END)
        # a knob's turns and clicks are two series; whoever watches it puts them into the order of their times
        results.append((sorted(got, key=lambda one: (one[1], "turned" in one[0])), decoder.missed))

    assert results[0] == results[1]


@pytest.mark.parametrize("name", DECODERS)
@given(moves=steps, settle=st.integers(0, 100), levels=st.tuples(st.booleans(), st.booleans(), st.booleans()))
@settings(max_examples=100, deadline=None)
def test_asking_at_every_deadline_is_enough_and_ends(
    name: str, moves: list[Edge], settle: int, levels: tuple[bool, bool, bool]
) -> None:
    """Else a runtime that sleeps until the deadline would wake for ever, or be late."""
    late, roles = started(name, settle / 1000, levels)  # type: ignore[arg-type]
    prompt, _ = started(name, settle / 1000, levels)  # type: ignore[arg-type]
    got: Told = []
    for at, pin, level in edges_of(moves):
        got += at_deadlines(prompt, at / 1000)
        for decoder in (late, prompt):
            decoder.edge(roles[pin % len(roles)], level, at / 1000)
    got += at_deadlines(prompt, END)

    assert prompt.deadline is None
    assert sorted(map(repr, got)) == sorted(map(repr, told(late, END)))


def at_deadlines(decoder: Decoder, end: float) -> Told:
    got: Told = []
    for _ in range(1000):
        if decoder.deadline is None or decoder.deadline >= end:
            return got
        got += told(decoder, decoder.deadline)
    raise AssertionError("it asks to be asked for ever")


# -- clicks -----------------------------------------------------------------------------------------------------------


def clicks_by_the_rule(
    presses: list[tuple[int, int]], double: int | None, long: int | None
) -> list[tuple[str, int, bool]]:
    """The rule, offline: for each press (from, to) whether it was long, the second of a double click, or a click."""
    found: list[tuple[str, int, bool]] = []
    last_click: int | None = None  # the release of a click that may become a double one
    for begin, end in presses:
        second = double is not None and last_click is not None and begin <= last_click + double
        is_long = long is not None and end > begin + long
        if last_click is not None and not second:
            found.append(("click", last_click, True))
        last_click = None
        if second:
            found.append(("double", begin, True))
        if is_long:
            assert long is not None
            found += [("long", begin + long, True), ("long", end, False)]
        elif not second:
            last_click = end
            if double is None:
                found.append(("click", end, True))
                last_click = None
    if last_click is not None:
        found.append(("click", last_click, True))
    return found


@given(
    gaps=st.lists(st.tuples(st.integers(21, 400), st.integers(21, 400)), max_size=15),
    double=st.none() | st.integers(1, 300),
    long=st.none() | st.integers(1, 300),
)
@settings(max_examples=300, deadline=None)
def test_clicks_are_what_the_rule_says(gaps: list[tuple[int, int]], double: int | None, long: int | None) -> None:
    button = Clicks(20, on=False, double=double, long=long)
    button.begin({"pin": True}, 0)
    at, presses = 0, []
    for pause, held in gaps:
        presses.append((at + pause, at + pause + held))
        at += pause + held
        button.edge("pin", False, presses[-1][0])
        button.edge("pin", True, presses[-1][1])

    changes = told(button, END)

    momentary = [
        (channel, at, value)
        for values, at in changes
        for channel, value in values.items()
        if channel == "long" or (channel != "pressed" and value)
    ]
    assert momentary == clicks_by_the_rule(presses, double, long)
    pressed = [(at, values["pressed"]) for values, at in changes if "pressed" in values]
    assert pressed == [moment for begin, end in presses for moment in ((begin, True), (end, False))]
    assert_alternating(changes)


def assert_alternating(changes: Told) -> None:
    """A channel is told when it changes, and only then: `equals: true` starts at each."""
    shown: dict[str, float | bool] = {}
    for values, _ in changes:
        for channel, value in values.items():
            assert shown.get(channel, False) != value, (channel, changes)
            shown[channel] = value


def press(button: Decoder, begin: float, end: float) -> None:
    button.edge("pin", False, begin)
    button.edge("pin", True, end)


def begun(decoder: Decoder, levels: Mapping[str, bool]) -> Decoder:
    decoder.begin(levels, 0.0)
    return decoder


def test_a_click_is_told_at_its_release_where_nothing_can_become_of_it() -> None:
    button = begun(Clicks(0.05, on=False), {"pin": True})
    press(button, 1.0, 1.2)

    assert told(button, 1.25) == [({"pressed": True}, 1.0), ({"pressed": False, "click": True}, 1.2)]
    press(button, 2.0, 2.2)
    assert told(button, 2.1)[0] == ({"pressed": True, "click": False}, 2.0), "the next press takes it back"


def test_a_click_that_may_become_a_double_one_waits_and_carries_the_time_of_its_release() -> None:
    button = begun(Clicks(0.05, on=False, double=0.4), {"pin": True})
    press(button, 1.0, 1.2)
    told(button, 1.25)

    assert button.deadline == pytest.approx(1.65)
    assert told(button, 1.6) == []
    assert told(button, 1.651) == [({"click": True}, 1.2)]


def test_a_double_click_is_told_at_the_second_press_and_is_no_click() -> None:
    button = begun(Clicks(0.05, on=False, double=0.4), {"pin": True})
    press(button, 1.0, 1.2)
    press(button, 1.5, 1.6)

    assert told(button, 9)[2:] == [({"pressed": True, "double": True}, 1.5), ({"pressed": False}, 1.6)]


def test_a_long_press_is_told_while_it_is_held_and_its_end_is_an_edge() -> None:
    button = begun(Clicks(0.05, on=False, long=1.0), {"pin": True})
    button.edge("pin", False, 1.0)
    assert told(button, 2.05) == [({"pressed": True}, 1.0), ({"long": True}, 2.0)]
    button.edge("pin", True, 5.0)

    assert told(button, 9) == [({"pressed": False, "long": False}, 5.0)], "and it was no click"


def test_a_bouncing_press_is_one_click() -> None:
    button = begun(Clicks(0.05, on=False, double=0.4), {"pin": True})
    for first in (1.0, 1.3):
        for number in range(5):
            button.edge("pin", number % 2 == (first == 1.0), first + number / 500)

    assert [values for values, _ in told(button, 9) if values.get("click")] == [{"click": True}]


def test_a_button_that_is_held_at_the_start_is_pressed_and_its_release_no_click() -> None:
    button = Clicks(0.05, on=False, double=0.4, long=1.0)
    shown = button.begin({"pin": False}, 0.0).values
    button.edge("pin", True, 3.0)

    assert shown == {"pressed": True, "click": False, "double": False, "long": False}
    assert told(button, 9) == [({"pressed": False}, 3.0)]


def test_an_edge_that_was_lost_is_made_good_by_a_look() -> None:
    button = begun(Clicks(0.05, on=False), {"pin": True})
    button.edge("pin", False, 1.0)
    button.look({"pin": False}, 1.1)
    assert button.missed == 0
    button.look({"pin": True}, 1.2)

    assert button.missed == 1
    assert told(button, 9)[-1] == ({"pressed": False, "click": True}, 1.2)


# -- motion -----------------------------------------------------------------------------------------------------------


def test_nothing_is_told_of_a_detector_that_warms_up() -> None:
    pir = Motion(0.05, on=True, warm_up=60, hold=0)
    assert pir.begin({"pin": True}, 100.0).values == {"motion": False}
    for number in range(20):
        pir.edge("pin", number % 2 == 1, 101.0 + 2 * number)

    assert told(pir, 160.0) == []
    assert told(pir, 999.0) == [({"motion": True}, 160.0)], "it is high when the time is over"


def test_a_warm_detector_that_is_quiet_says_nothing_until_it_sees_something() -> None:
    pir = begun(Motion(0.05, on=True, warm_up=60, hold=0), {"pin": False})
    pir.edge("pin", True, 30.0)
    pir.edge("pin", False, 33.0)
    pir.edge("pin", True, 90.0)

    assert told(pir, 999.0) == [({"motion": True}, 90.0)]


def test_hold_makes_one_motion_of_several_and_ends_when_nothing_was_seen_for_so_long() -> None:
    pir = begun(Motion(0.05, on=True, warm_up=0, hold=10), {"pin": False})
    for begin in (5.0, 10.0, 18.0):
        pir.edge("pin", True, begin)
        pir.edge("pin", False, begin + 2)

    assert told(pir, 999.0) == [({"motion": True}, 5.0), ({"motion": False}, 30.0)]


def test_without_a_warm_up_motion_at_the_start_is_state() -> None:
    assert Motion(0.05, on=True, warm_up=0, hold=0).begin({"pin": True}, 0.0).values == {"motion": True}
