"""When a condition starts a task, seen from edge.yaml."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from edge.model import EventKind

Bench = Callable[..., Any]


def when(**keys: Any) -> dict[str, Any]:
    return {"when": {"source": "s", **keys}}


def started(bench: Any, *values: Any) -> list[bool]:
    return [bool(bench.see(value)) for value in values]


def test_a_source_without_a_condition_starts_on_every_event_of_it(bench: Bench) -> None:
    b = bench(t=when())
    assert started(b, 1, 1, "text") == [True, True, True]
    assert b.see(1, source="other") == []


def test_it_starts_when_the_condition_becomes_true_and_not_again_until_it_was_false(bench: Bench) -> None:
    b = bench(t=when(above=30))
    assert started(b, 29, 31, 32, 30, 31) == [False, True, False, False, True]


def test_a_first_value_that_is_already_true_starts(bench: Bench) -> None:
    assert started(bench(t=when(above=30)), 31) == [True]
    assert started(bench(t=when(below=0)), -1) == [True]
    assert started(bench(t=when(equals=True)), True) == [True]


def test_with_clear_it_re_arms_only_there(bench: Bench) -> None:
    assert started(bench(t=when(above=30, clear=28)), 31, 29, 31, 28, 31) == [True, False, False, False, True]
    assert started(bench(t=when(below=2, clear=4)), 1, 3, 1, 4, 1) == [True, False, False, False, True]


def test_the_threshold_itself_is_neither_above_nor_below(bench: Bench) -> None:
    assert started(bench(t=when(above=30)), 30) == [False]
    assert started(bench(t=when(below=30)), 30) == [False]


def test_with_each_it_starts_on_every_event_for_which_it_holds(bench: Bench) -> None:
    assert started(bench(t=when(above=30, each=True)), 31, 32, 29, 33) == [True, True, False, True]


@pytest.mark.parametrize(
    ("wanted", "equal", "different"),
    [
        (True, [True, 1, 1.0], [False, 0, "true", None]),
        (False, [False, 0], [True, 1, "", None]),
        (5, [5, 5.0], [6, "5", [5]]),
        ("open", ["open"], ["Open", 1, True]),
    ],
)
def test_equals_compares_values_and_takes_pin_levels_for_booleans(
    bench: Bench, wanted: Any, equal: list[Any], different: list[Any]
) -> None:
    b = bench(t=when(equals=wanted, each=True))
    assert started(b, *equal) == [True] * len(equal)
    assert started(b, *different) == [False] * len(different)
    assert b.reason is None


def test_for_a_threshold_booleans_are_0_and_1(bench: Bench) -> None:
    assert started(bench(t=when(above=0.5)), False, True) == [False, True]


@pytest.mark.parametrize("bad", [math.nan, "31", None, [31], {"a": 31}])
@pytest.mark.parametrize("keys", [{"above": 30, "clear": 28}, {"below": 40, "clear": 45}])
def test_what_is_no_number_never_starts_and_changes_nothing(bench: Bench, keys: dict[str, float], bad: Any) -> None:
    b = bench(t=when(field="x", **keys))
    assert b.see({"x": bad}) == []
    assert b.reason == "not_a_number"
    assert b.see({"x": 31}) == ["t"]
    assert b.see({"x": bad}) == []
    assert b.see({"x": 31}) == [], "it has been true all the time"
    assert b.suppressed("t", "not_a_number") == 2


def test_nan_equals_nothing_and_changes_nothing(bench: Bench) -> None:
    b = bench(t=when(equals=5))
    assert started(b, 5, math.nan, 5) == [True, False, False]
    assert b.suppressed("t", "not_a_number") == 1


def test_a_field_is_a_path_into_the_message(bench: Bench) -> None:
    b = bench(t=when(field="motor.samples.1.rms", above=4.5, each=True))
    assert b.see({"motor": {"samples": [{"rms": 0}, {"rms": 5}]}}) == ["t"]
    for values in ({}, {"motor": 5}, {"motor": {"samples": [{"rms": 9}]}}, {"motor": {"samples": {"1": 5}}}):
        assert b.see(values) == []
        assert b.reason == "missing_field"


def test_a_number_in_a_path_is_a_key_where_the_message_has_an_object(bench: Bench) -> None:
    assert bench(t=when(field="a.1", above=0)).see({"a": {"1": 5}}) == ["t"]


def test_the_channel_may_be_omitted_where_there_is_only_one_value(bench: Bench) -> None:
    b = bench(t=when(above=30, each=True))
    assert b.see({"temperature": 31}) == ["t"]
    assert b.see({"value": 31, "unit": "degC"}) == ["t"]
    assert b.see({"temperature": 31, "humidity": 31}) == []
    assert b.reason == "missing_field"


def test_a_channel_is_one_of_several(bench: Bench) -> None:
    b = bench(t=when(channel="temperature", above=30, each=True))
    assert b.see({"temperature": 31, "humidity": 5}) == ["t"]
    assert b.see({"temperature": 5, "humidity": 31}) == []


@pytest.mark.parametrize("condition", [{"above": 30}, {"below": 0}, {"equals": 5}, {"edge": "rising"}, {}])
def test_an_edge_of_other_channels_says_nothing_and_changes_nothing(bench: Bench, condition: dict[str, Any]) -> None:
    b = bench(t=when(channel="temperature", **condition))
    assert b.see({"humidity": 31}) == []
    assert b.reason is None


def test_a_condition_holds_on_while_other_channels_are_told(bench: Bench) -> None:
    b = bench(t=when(channel="pressed", equals=True))
    assert [b.see(values) for values in ({"pressed": True}, {"long": True}, {"pressed": True})] == [["t"], [], []]


def test_a_named_field_must_be_there_even_without_a_condition(bench: Bench) -> None:
    b = bench(t=when(field="rms"))
    assert b.see({"rms": None}) == ["t"]
    assert b.see({"mean": 1}) == []
    assert b.reason == "missing_field"


@pytest.mark.parametrize(
    ("edge", "starts"),
    [("rising", [True, False, True]), ("falling", [False, True, False]), ("both", [True, True, True])],
)
def test_an_edge_starts_at_each_change_of_that_direction(bench: Bench, edge: str, starts: list[bool]) -> None:
    b = bench(t=when(edge=edge))
    assert [bool(b.see({"open": level}, kind=EventKind.EDGE)) for level in (True, False, True)] == starts


def test_the_state_of_a_pin_at_start_is_no_edge_but_arms_conditions(bench: Bench) -> None:
    b = bench(edge=when(edge="rising"), state=when(equals=True))
    assert b.see({"open": True}) == ["state"]


def test_starts_come_in_the_order_of_the_configuration(bench: Bench) -> None:
    b = bench(z=when(above=1), a=when(above=0), m=when())
    assert b.see(5) == ["z", "a", "m"]
