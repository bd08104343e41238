"""Debounce: a level counts when it has held."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.kit.decoders import Change, Debounce


def settled(debounce: Debounce, now: float) -> list[Change]:
    changes = []
    while (change := debounce.due(now)) is not None:
        changes.append(change)
    return changes


def test_chatter_becomes_one_change_at_the_moment_the_level_began_to_hold() -> None:
    debounce = Debounce(0.05, level=False)
    for at, level in [(1.000, True), (1.004, False), (1.008, True), (1.012, False), (1.016, True)]:
        debounce.edge(level, at)

    assert settled(debounce, 1.05) == []
    assert debounce.deadline == pytest.approx(1.066)
    assert settled(debounce, 1.066) == [Change(True, 1.016)]
    assert debounce.deadline is None


def test_a_glitch_that_falls_back_is_no_change() -> None:
    debounce = Debounce(0.05, level=False)
    debounce.edge(True, 1.0)
    debounce.edge(False, 1.01)

    assert debounce.deadline is None
    assert settled(debounce, 99.0) == []


def test_a_short_press_seen_late_is_not_lost() -> None:
    """The press held long enough; that nobody asked in between changes nothing."""
    debounce = Debounce(0.05, level=False)
    debounce.edge(True, 1.0)
    debounce.edge(False, 2.0)

    assert settled(debounce, 3.0) == [Change(True, 1.0), Change(False, 2.0)]


def test_without_a_settling_time_every_edge_counts() -> None:
    debounce = Debounce(0.0, level=False)
    for level in (True, False, True):
        debounce.edge(level, 1.0)

    assert [c.level for c in settled(debounce, 1.0)] == [True, False, True]


def test_an_unknown_start_lets_the_first_level_be_a_change() -> None:
    debounce = Debounce(0.05)
    debounce.edge(False, 1.0)

    assert settled(debounce, 1.05) == [Change(False, 1.0)]


gaps = st.lists(st.tuples(st.integers(0, 120), st.booleans()), max_size=40)


def edges_of(steps: list[tuple[int, bool]]) -> list[tuple[int, bool]]:
    at, edges = 0, []
    for gap, level in steps:
        at += gap
        edges.append((at, level))
    return edges


def reference(edges: list[tuple[int, bool]], settle: int, end: int, level: bool) -> list[tuple[int, bool]]:
    """The rule itself, offline: runs of one level that lasted at least `settle` and differ from what counted last."""
    runs: list[tuple[int, bool]] = []
    for at, value in edges:
        if not runs or runs[-1][1] != value:
            runs.append((at, value))
    changes = []
    for (at, value), stop in zip(runs, [at for at, _ in runs[1:]] + [end], strict=False):
        if value != level and stop >= at + settle:
            changes.append((at, value))
            level = value
    return changes


@given(steps=gaps, settle=st.integers(0, 100), polls=st.sets(st.integers(0, 6000), max_size=30))
@settings(max_examples=300, deadline=None)
def test_the_changes_are_the_rule_however_often_anybody_asks(
    steps: list[tuple[int, bool]], settle: int, polls: set[int]
) -> None:
    edges = edges_of(steps)
    end = 6000
    debounce = Debounce(settle, level=False)
    got: list[Change] = []
    # edges of one moment keep their order, and come before a question of that moment
    moments = sorted([(at, 0, level) for at, level in edges] + [(at, 1, False) for at in polls], key=lambda m: m[:2])
    for at, kind, level in moments:
        if kind == 0:
            debounce.edge(level, at)
        else:
            got += settled(debounce, at)
    got += settled(debounce, end)

    assert [(c.at, c.level) for c in got] == reference(edges, settle, end, False)


@given(steps=gaps, settle=st.integers(1, 100))
@settings(max_examples=200, deadline=None)
def test_asking_at_the_deadline_always_gives_something(steps: list[tuple[int, bool]], settle: int) -> None:
    """Else a runtime that sleeps until the deadline would wake for ever, or never."""
    debounce = Debounce(settle / 1000, level=False)
    for at, level in edges_of(steps):
        debounce.edge(level, at / 1000)
        settled(debounce, at / 1000)
    if debounce.deadline is not None:
        assert debounce.due(debounce.deadline) is not None
