"""The breaker as a machine of its own, on a clock that only the test moves."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.config.tasks import Breaker as Settings
from edge.model import Status
from edge.runs.gates.breaker import Breaker, State

FAILED = (Status.FAILURE, Status.TIMEOUT)


def breaker(**settings) -> Breaker:
    return Breaker(Settings.model_validate({"pause": "1m", "longest": "5m", **settings}))


def test_it_opens_after_so_many_timeouts_in_a_row():
    one = breaker(timeouts=3, failures=0)
    for number, status in enumerate((Status.TIMEOUT, Status.TIMEOUT, Status.FAILURE, *[Status.TIMEOUT] * 2)):
        one.ended(str(number), status, 0.0)
    assert one.state(0.0) is State.CLOSED

    one.ended("last", Status.TIMEOUT, 0.0)

    assert one.state(0.0) is State.OPEN
    assert one.reason == "3 timeouts in a row"


def test_it_opens_when_that_part_of_the_last_runs_failed_and_not_before_it_saw_so_many():
    one = breaker(timeouts=0, failures=50, of=4)
    for status in (Status.FAILURE, Status.FAILURE, Status.FAILURE):
        one.ended("x", status, 0.0)
    assert one.state(0.0) is State.CLOSED

    one.ended("x", Status.SUCCESS, 0.0)

    assert one.state(0.0) is State.OPEN
    assert one.reason == "3 of the last 4 runs failed"


def test_old_runs_are_forgotten():
    one = breaker(timeouts=0, failures=50, of=4)
    for status in (Status.FAILURE, *[Status.SUCCESS] * 4, Status.FAILURE):
        one.ended("x", status, 0.0)

    assert one.state(0.0) is State.CLOSED


def test_after_the_pause_one_run_may_try_and_its_success_closes_it():
    one = breaker(timeouts=1)
    one.ended("a", Status.TIMEOUT, 100.0)
    assert not one.admits(159.0, waiting=False)
    assert not one.lets("b", 159.0)

    assert one.admits(160.0, waiting=False)
    assert one.lets("b", 160.0)
    assert not one.lets("c", 160.0)
    assert not one.admits(160.0, waiting=False)
    one.ended("b", Status.SUCCESS, 161.0)

    assert one.state(161.0) is State.CLOSED
    assert one.lets("c", 161.0)


def test_what_was_promised_tries_before_what_is_new():
    one = breaker(timeouts=1)
    one.ended("a", Status.TIMEOUT, 0.0)

    assert not one.admits(60.0, waiting=True)
    assert one.admits(60.0, waiting=False)


def test_a_failed_try_doubles_the_pause_up_to_the_longest_and_success_makes_it_short_again():
    one = breaker(timeouts=1, failures=0)
    one.ended("first", Status.TIMEOUT, 0.0)
    now, pauses = 0.0, []
    for _ in range(4):
        pauses.append(one.until - now)
        now = one.until
        assert one.lets("try", now)
        one.ended("try", Status.FAILURE, now)
    assert pauses == [60.0, 120.0, 240.0, 300.0]

    assert one.lets("try", one.until)
    one.ended("try", Status.SUCCESS, one.until or now)
    one.ended("again", Status.TIMEOUT, now)

    assert one.until == now + 60.0


def test_a_try_that_was_cancelled_says_nothing_and_the_next_run_may_try():
    one = breaker(timeouts=1)
    one.ended("a", Status.TIMEOUT, 0.0)
    assert one.lets("b", 60.0)
    one.ended("b", Status.CANCELLED, 61.0)

    assert one.state(61.0) is State.HALF_OPEN
    assert one.lets("c", 61.0)


def test_what_began_before_it_opened_does_not_close_it():
    one = breaker(timeouts=1)
    one.ended("a", Status.TIMEOUT, 0.0)
    one.ended("slow", Status.SUCCESS, 1.0)
    assert one.state(1.0) is State.OPEN
    assert one.lets("b", 60.0)
    one.ended("slow too", Status.FAILURE, 61.0)

    assert one.until == 60.0
    assert not one.lets("c", 61.0)


def test_reset_closes_it_and_forgets():
    one = breaker(timeouts=2)
    for _ in range(2):
        one.ended("a", Status.TIMEOUT, 0.0)
    one.reset()
    one.ended("b", Status.TIMEOUT, 1.0)

    assert one.state(1.0) is State.CLOSED
    assert one.reason == ""


STATUSES = st.sampled_from([Status.SUCCESS, Status.PARTIAL, Status.FAILURE, Status.TIMEOUT, Status.CANCELLED])
MOVES = st.lists(st.tuples(st.sampled_from(["begin", "end", "wait", "reset"]), STATUSES, st.integers(0, 400)))


@given(
    moves=MOVES,
    timeouts=st.integers(0, 3),
    failures=st.sampled_from([0, 30, 50, 100]),
    of=st.integers(1, 4),
)
def test_whatever_happens_it_lets_one_run_try_at_a_time_and_never_stays_shut(moves, timeouts, failures, of):
    one = breaker(timeouts=timeouts, failures=failures, of=of)
    now, number, going_on, trying = 0.0, 0, [], None
    for move, status, amount in moves:
        before, until = one.state(now), one.until
        if move == "wait":
            now += amount
        elif move == "reset":
            one.reset()
            trying = None
        elif move == "begin":
            number += 1
            begun = one.lets(str(number), now)
            assert begun == (before is State.CLOSED or (before is State.HALF_OPEN and trying is None))
            if begun:
                going_on.append(str(number))
                trying = str(number) if before is State.HALF_OPEN else trying
        elif going_on:
            ended = going_on.pop(amount % len(going_on))
            one.ended(ended, status, now)
            if before is not State.CLOSED and ended != trying:
                assert one.until == until
            elif before is not State.CLOSED and status not in (Status.CANCELLED, *FAILED):
                assert one.state(now) is State.CLOSED
            elif ended == trying and status in FAILED:
                assert 60.0 <= one.until - now <= 300.0
            trying = None if ended == trying else trying
        assert (one.until is None) == (one.reason == "") == (one.state(now) is State.CLOSED)
        assert one.admits(now, waiting=False) == (
            one.state(now) is State.CLOSED or (one.state(now) is State.HALF_OPEN and trying is None)
        )
        if one.until is not None:
            assert one.until - now <= 300.0
