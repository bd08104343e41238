"""`for`, `every`, cron ticks and cooldown: what time does to a start."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edge.model import EventKind

Bench = Callable[..., Any]
DOOR = {"source": "door", "equals": True, "for": "30s"}


def test_for_starts_at_that_moment_without_waiting_for_another_reading(bench: Bench) -> None:
    b = bench(t={"when": DOOR})
    assert b.see({"open": True}, source="door") == []
    assert b.triggers.deadline == 30.0
    [start] = b.wait(60)
    assert (start.task, start.event.values) == ("t", {"open": True})
    assert b.triggers.deadline is None


def test_for_hands_over_the_latest_event_that_held(bench: Bench) -> None:
    b = bench(t={"when": {"source": "s", "above": 30, "for": "10s"}})
    for value in (31, 32, 33):
        b.see(value)
        b.wait(3)
    [start] = b.wait(1)
    assert start.event.values == {"value": 33}


def test_for_starts_over_when_the_condition_was_false_in_between(bench: Bench) -> None:
    b = bench(t={"when": {"source": "s", "above": 30, "for": "10s"}})
    b.see(31)
    b.wait(9)
    b.see(29)
    assert b.wait(0.5) == []
    b.see(31)
    assert b.wait(9.9) == []
    assert len(b.wait(0.2)) == 1


def test_within_the_band_of_clear_a_for_goes_on(bench: Bench) -> None:
    b = bench(t={"when": {"source": "s", "above": 30, "clear": 28, "for": "10s"}})
    b.see(31)
    b.wait(5)
    b.see(29)
    [start] = b.wait(5)
    assert start.event.values == {"value": 29}


def test_after_for_has_started_it_waits_to_be_false_again(bench: Bench) -> None:
    b = bench(t={"when": {"source": "s", "above": 30, "for": "10s"}})
    b.see(31)
    assert len(b.wait(10)) == 1
    b.see(31)
    assert b.wait(100) == []


def test_a_for_that_had_held_before_it_became_false_starts_even_if_asked_late(bench: Bench) -> None:
    b = bench(t={"when": {"source": "s", "above": 30, "for": "10s"}})
    b.see(31)
    b.clock.advance(11)
    assert b.see(29) == []
    assert b.triggers.deadline == 10.0
    [start] = b.triggers.due()
    assert start.event.values == {"value": 31}
    assert b.triggers.due() == ()


def test_with_each_and_for_every_event_counts_once_it_has_held(bench: Bench) -> None:
    b = bench(t={"when": {"source": "s", "above": 30, "for": "10s", "each": True}})
    assert b.see(31) == []
    assert len(b.wait(12)) == 1
    assert b.see(32) == ["t"]
    assert b.see(29) == []


def test_an_edge_with_for_must_not_be_followed_by_another(bench: Bench) -> None:
    b = bench(t={"when": {"source": "s", "edge": "rising", "for": "5s"}})
    b.see(True, kind=EventKind.EDGE)
    b.wait(4)
    b.see(False, kind=EventKind.EDGE)
    b.wait(4)
    b.see(True, kind=EventKind.EDGE)
    assert len(b.wait(5)) == 1


def test_a_condition_that_flips_all_the_time_under_a_long_for_needs_no_memory(bench: Bench) -> None:
    b = bench(t={"when": {"source": "s", "above": 30, "for": "1h"}})
    for _ in range(1000):
        b.see(31)
        b.see(29)
        b.clock.advance(0.001)
    assert len(b.triggers._timers._heap) == 1
    assert b.triggers.deadline is None
    assert b.triggers._timers._heap == []


def test_within_the_cooldown_further_starts_are_suppressed_and_counted(bench: Bench) -> None:
    b = bench(t={"when": {"source": "s", "above": 30}, "cooldown": "5m"})
    assert b.see(31) == ["t"]
    b.see(29)
    b.wait(299)
    assert b.see(31) == []
    assert b.reason == "cooldown"
    assert b.suppressed("t", "cooldown") == 1
    b.see(29)
    b.wait(1)
    assert b.see(31) == ["t"]


def test_a_suppressed_start_does_not_prolong_the_cooldown(bench: Bench) -> None:
    b = bench(t={"when": {"source": "s"}, "cooldown": "10s"})
    seen = []
    for _ in range(21):
        seen.append(bool(b.see(1)))
        b.wait(1)
    assert [second for second, start in enumerate(seen) if start] == [0, 10, 20]


def test_one_task_in_cooldown_does_not_hide_the_start_of_another(bench: Bench) -> None:
    b = bench(a={"when": {"source": "s"}, "cooldown": "10s"}, b={"when": {"source": "s"}})
    b.see(1)
    assert b.see(1) == ["b"]


def test_every_ticks_first_after_one_period_and_does_not_drift(bench: Bench) -> None:
    b = bench(t={"when": {"every": "100ms"}})
    starts = b.wait(1000)
    assert len(starts) == 10_000
    assert starts[0].event.monotonic == 0.1
    assert abs(starts[-1].event.monotonic - 1000) < 1e-9
    event = starts[0].event
    assert (event.source, event.kind, event.values) == ("schedule/t", EventKind.TICK, {})
    assert len({start.event.id for start in starts}) == 10_000


def test_ticks_that_were_missed_are_not_made_up(bench: Bench) -> None:
    b = bench(t={"when": {"every": "10s"}})
    b.clock.advance(47)
    [start] = b.triggers.due()
    assert start.event.monotonic == 40
    assert b.clock.wall() - start.event.time == 7
    assert b.triggers.deadline == 50


def test_a_cooldown_thins_a_schedule_out(bench: Bench) -> None:
    b = bench(t={"when": {"every": "1s"}, "cooldown": "3s"})
    assert [start.event.monotonic for start in b.wait(8)] == [1, 4, 7]
    assert b.suppressed("t", "cooldown") == 5


def test_a_tick_of_the_calendar_starts_its_own_task_only(bench: Bench) -> None:
    b = bench(nightly={"when": {"cron": "30 2 * * *"}}, weekly={"when": {"cron": "0 0 * * sun"}})
    assert b.see({}, source="schedule/nightly", kind=EventKind.TICK) == ["nightly"]
    assert b.see({}, source="schedule/nightly", kind=EventKind.TICK) == ["nightly"]


def test_what_is_due_comes_earliest_first(bench: Bench) -> None:
    b = bench(a={"when": {"every": "7s"}}, b={"when": {"every": "5s"}}, c={"when": {"every": "5s"}})
    b.clock.advance(9)
    assert [start.task for start in b.triggers.due()] == ["b", "c", "a"]


def test_a_step_of_the_wall_clock_changes_no_schedule(bench: Bench) -> None:
    b = bench(t={"when": {"every": "10s"}})
    for step in (-3600, 3600, 7 * 86400, 56 * 365 * 86400):
        b.clock.step_wall(step)
        assert len(b.wait(10)) == 1
