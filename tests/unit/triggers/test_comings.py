"""Triggers that come and go between two events."""

from __future__ import annotations

from edge.config.tasks import TaskSettings


def settings(**when):
    return TaskSettings.model_validate({"when": when})


def test_what_is_added_starts_after_what_was_there(bench):
    b = bench(first={"when": {"source": "s"}})
    b.triggers.add("late", settings(source="s"))
    assert b.see(1) == ["first", "late"]


def test_what_is_removed_starts_no_more_and_the_others_do(bench):
    b = bench(first={"when": {"source": "s"}}, second={"when": {"source": "s"}})
    b.triggers.remove("first")
    assert b.see(1) == ["second"]
    b.triggers.remove("second")
    b.triggers.remove("second")
    assert b.see(1) == []


def test_a_wait_that_had_begun_ends_with_its_trigger(bench):
    b = bench(hot={"when": {"source": "s", "above": 30, "for": "10s"}})
    b.see(31)
    b.triggers.remove("hot")
    assert b.triggers.deadline is None
    assert b.wait(20) == []


def test_a_start_that_was_ripe_goes_with_its_trigger(bench):
    b = bench(hot={"when": {"source": "s", "above": 30, "for": "10s"}}, other={"when": {"source": "s"}})
    b.see(31)
    b.clock.advance(11)
    b.see(20)  # the `for` had been over before
    b.triggers.remove("hot")
    assert list(b.triggers.due()) == []


def test_a_schedule_comes_and_goes(bench):
    b = bench()
    b.triggers.add("often", settings(every="10s"))
    assert [start.task for start in b.wait(25)] == ["often", "often"]
    b.triggers.remove("often")
    assert b.triggers.deadline is None
    assert b.wait(60) == []


def test_a_new_version_of_a_trigger_knows_nothing_of_the_old_ones_state(bench):
    b = bench(hot={"when": {"source": "s", "above": 30}})
    assert b.see(31) == ["hot"]
    b.triggers.add("hot", settings(source="s", above=30))
    assert b.see(31) == ["hot"]
    assert b.see(31) == []
