"""Rates, modes, quota and priority: who may start, who waits, who is told no."""

from __future__ import annotations

import contextlib
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config.tasks import Limits, RunsSection
from edge.model import RecordKind, Status, Stored
from edge.runs.crew import HandedOver
from edge.runs.gates.rates import Bucket, rates

COUNT = """
@task
def count(event: Event, ctx: Context) -> int:
    return event.values["n"]
"""

THREE = """
@task
def low(event: Event, ctx: Context) -> int:
    return event.values["n"]

@task
def normal(event: Event, ctx: Context) -> int:
    return event.values["n"]

@task
def high(event: Event, ctx: Context) -> int:
    return event.values["n"]
"""

GRANT = {"grant": {"devices": ["fan"]}}


def rejected(bench, seconds: float = 60.0) -> dict[str, int]:
    """Reasons and counts of what was refused."""
    bench.clock.advance(seconds)
    bench.settle()
    refused = [outcome for outcome in bench.journal.outcomes if outcome.status is Status.REJECTED]
    return {outcome.error["reason"]: outcome.error["count"] for outcome in refused}


# -- burst ------------------------------------------------------------------------------------------------------------


def test_a_burst_comes_back_to_back_and_then_spreads(workbench):
    bench = workbench(COUNT, count={"limits": {"per_minute": 6, "burst": 2}})
    results = []
    for second in range(0, 31, 5):
        for _ in range(3):
            bench.send({"n": second})
        bench.settle()
        bench.clock.advance(5)
    results = [outcome.result for outcome in bench.journal.outcomes]

    assert results == [0, 0, 10, 20, 30]  # two at once, then one every 60 s / 6
    assert rejected(bench)["burst"] == 16


def test_a_pause_fills_the_bucket_again_but_never_beyond_the_burst(workbench):
    bench = workbench(COUNT, count={"limits": {"per_hour": 60, "burst": 3}})
    for second in (0, 120, 9000):
        bench.clock.advance(second - bench.clock.monotonic())
        for _ in range(5):
            bench.send({"n": second})
        bench.settle()

    done = [outcome.result for outcome in bench.journal.outcomes if outcome.status is Status.SUCCESS]
    assert done == [0] * 3 + [120] * 2 + [9000] * 3


def test_the_window_holds_beside_the_bucket():
    asked = rates(Limits.model_validate({"per_minute": 4, "per_hour": 100, "burst": 4}))
    assert [reason for reason, _ in asked] == ["per_minute", "per_hour", "burst"]
    starts = []
    for now in range(0, 60, 5):
        if not any(rate.full(now) for _, rate in asked):
            starts.append(now)
            for _, rate in asked:
                rate.count(now)

    assert starts == [0, 5, 10, 15]  # the bucket has one left at 45 s, the minute has none


@given(
    size=st.integers(1, 5),
    interval=st.sampled_from([0.5, 60 / 7, 10.0]),
    gaps=st.lists(st.floats(0, 40), max_size=60),
)
def test_no_stretch_of_time_lets_more_through_than_the_burst_and_its_share(size, interval, gaps):
    bucket, now, starts = Bucket(size, interval), 0.0, []
    for gap in gaps:
        now += gap
        if not bucket.full(now):
            bucket.count(now)
            starts.append(now)
    for first, begin in enumerate(starts):
        for last in range(first, len(starts)):
            assert last - first + 1 <= size + (starts[last] - begin + 1e-3) / interval


# -- quota ------------------------------------------------------------------------------------------------------------


def test_all_tasks_together_may_wait_for_so_many_and_what_begins_at_once_needs_no_room(workbench):
    bench = workbench(THREE + COUNT, low=GRANT, normal=GRANT, count={})
    bench.runs = RunsSection.model_validate({"waiting": 3})
    bench.pipeline = bench.build()
    for _ in range(3):
        bench.send({"n": 1})
        bench.pump()

    statuses = [record.kind for record in bench.journal.records]
    assert statuses.count(RecordKind.ACCEPTED) == 3 + 1  # one message starts two: the frame that was under the quota
    assert statuses.count(RecordKind.OUTCOME) == 3  # of `count`
    bench.settle()
    assert rejected(bench) == {"quota": 1}


# -- priority ---------------------------------------------------------------------------------------------------------


def test_of_those_that_wait_the_highest_priority_begins_first_and_within_one_the_oldest(workbench):
    bench = workbench(
        THREE,
        low={**GRANT, "priority": "low"},
        normal=GRANT,
        high={**GRANT, "priority": "high"},
    )
    for number in (1, 2):
        bench.send({"n": number})
    bench.pump()
    bench.journal.sync()

    bench.pump()

    begun = [f"{outcome.task} {outcome.result}" for outcome in bench.journal.outcomes]
    assert begun == ["high 1", "high 2", "normal 1", "normal 2", "low 1", "low 2"]


# -- restart ----------------------------------------------------------------------------------------------------------

SLOW = """
import threading
BEGUN, GO, SAID = threading.Event(), threading.Event(), []

@task
def slow(event: Event, ctx: Context) -> int:
    if event.values["n"] == 1:
        BEGUN.set()
        GO.wait()
        try:
            ctx.note("still here")
        except Exception as error:
            SAID.append(type(error).__name__)
            raise
    return event.values["n"]
"""


def beside(bench):
    """A run in its own thread, as the crew would have it: it leads until the watchdog hands the lead over."""
    thread = threading.Thread(target=_lead, args=(bench.pipeline,), daemon=True)
    thread.start()
    globals_ = bench.tasks["slow"].program.entry.__globals__
    assert globals_["BEGUN"].wait(30)
    bench.clock.advance(1)
    assert bench.pipeline.watch()
    return thread, globals_


def _lead(pipeline) -> None:
    with contextlib.suppress(HandedOver):
        pipeline.step()


def test_a_new_start_ends_the_run_in_progress_and_begins_at_once(workbench):
    bench = workbench(SLOW, slow={"mode": "restart", "limits": {"time": "60s"}})
    bench.send({"n": 1})
    thread, globals_ = beside(bench)
    bench.send({"n": 2})
    bench.settle()

    replaced, newer = bench.journal.outcomes
    assert (replaced.status, replaced.error["message"]) == (Status.CANCELLED, "replaced by a newer run")
    assert (newer.status, newer.result) == (Status.SUCCESS, 2)
    assert replaced.attempts == 1

    globals_["GO"].set()
    thread.join(30)
    assert globals_["SAID"] == ["RunCancelled"]
    assert len(bench.journal.outcomes) == 2


def test_a_replaced_run_that_does_not_return_keeps_its_place_and_is_stuck_after_its_time(workbench):
    bench = workbench(SLOW, slow={"mode": "restart", "limits": {"time": "60s"}})
    bench.send({"n": 1})
    thread, globals_ = beside(bench)
    bench.send({"n": 2})
    bench.settle()
    assert len(bench.pipeline.stuck) == 0

    bench.clock.advance(60)
    assert len(bench.pipeline.stuck) == 1

    globals_["GO"].set()
    thread.join(30)
    assert len(bench.pipeline.stuck) == 0


def test_what_an_engine_can_end_is_ended_the_moment_it_is_replaced_or_cancelled(workbench):
    bench = workbench(SLOW, slow={"mode": "restart", "limits": {"time": "60s"}})
    killed = []
    run_inline = bench.tasks["slow"].engine.run

    def killable(run, ctx):
        run.on_cancel = lambda: killed.append(run.event.values["n"])
        return run_inline(run, ctx)

    bench.tasks["slow"].engine.run = killable
    bench.send({"n": 1})
    thread, globals_ = beside(bench)
    bench.pipeline.cancel(grace_over=False)
    bench.pipeline.cancel(grace_over=False)
    assert killed == [1]

    bench.send({"n": 2})
    bench.settle()
    assert killed == [1]
    globals_["GO"].set()
    thread.join(30)


def test_those_that_wait_are_replaced_too_in_the_frame_of_the_newer_one(workbench):
    bench = workbench(COUNT, count={**GRANT, "mode": "restart"})
    letters = [bench.send({"n": number}) for number in range(3)]
    bench.settle()

    first, second, last = bench.journal.outcomes
    assert [first.attempts, second.attempts, last.attempts] == [0, 0, 1]
    assert [first.status, second.status, last.status] == [Status.CANCELLED, Status.CANCELLED, Status.SUCCESS]
    assert last.result == 2
    assert all(letter.settled == 1 for letter in letters)
    [outcome, promise] = bench.journal.frames[1][0]
    assert (outcome.kind, promise.kind) == (RecordKind.OUTCOME, RecordKind.ACCEPTED)
    promised = [record.id for record in bench.journal.records if record.kind is RecordKind.ACCEPTED]
    assert promised == [first.id, second.id, last.id]


# -- breaker ----------------------------------------------------------------------------------------------------------


MOODY = """
@task
def moody(event: Event, ctx: Context) -> int:
    if event.values["n"] < 0:
        raise ValueError("no")
    return event.values["n"]
"""
BREAKER = {"breaker": {"failures": 100, "of": 1, "pause": "1m"}}


@pytest.mark.parametrize("mode", [{}, {"mode": "parallel", "max_runs": 2}])
def test_what_waited_for_the_breaker_runs_in_order_once_it_closes(workbench, mode):
    bench = workbench(MOODY, moody={**GRANT, **BREAKER, **mode})
    for number in (-1, 1, 2, 3, 4, 5):
        bench.send({"n": number})
    bench.settle()
    assert [outcome.result for outcome in bench.journal.outcomes] == [None]

    bench.clock.advance(60)
    bench.settle()

    assert [outcome.result for outcome in bench.journal.outcomes] == [None, 1, 2, 3, 4, 5]
    assert list(bench.pipeline.broken()) == []


def test_a_run_that_needs_no_promise_may_be_the_one_that_tries(workbench):
    bench = workbench(MOODY, moody=BREAKER)
    for number in (-1, 1):
        bench.send({"n": number})
    bench.settle()
    bench.clock.advance(59)
    assert rejected(bench, 0) == {}
    bench.send({"n": 2})
    bench.settle()
    bench.clock.advance(1)
    for number in (3, 4):
        bench.send({"n": number})
    bench.settle()

    done = [outcome for outcome in bench.journal.outcomes if outcome.status is not Status.REJECTED]
    assert [outcome.result for outcome in done] == [None, 3, 4]
    assert rejected(bench) == {"breaker_open": 2}


def test_reset_lets_what_waits_run_at_once(workbench):
    bench = workbench(MOODY, moody={**GRANT, **BREAKER})
    for number in (-1, 1, 2):
        bench.send({"n": number})
    bench.settle()

    bench.pipeline.reset("moody")
    bench.settle()

    assert [outcome.result for outcome in bench.journal.outcomes] == [None, 1, 2]


# -- after a crash ----------------------------------------------------------------------------------------------------


def test_on_crash_fail_ends_what_was_promised_instead_of_running_it_again(workbench):
    bench = workbench(COUNT, count={**GRANT, "on_crash": "fail"})
    bench.send({"n": 1})
    bench.pump()
    [promise] = bench.journal.records
    bench.journal.left = [Stored(1, promise)]

    assert bench.build().recover() == 0

    [outcome] = bench.journal.outcomes
    assert (outcome.id, outcome.status) == (promise.id, Status.FAILURE)
    assert outcome.error["type"] == "Interrupted"
    assert "tasks.count.on_crash is fail" in outcome.error["message"]


def test_on_crash_fail_counts_and_names_the_limits_that_hold(workbench):
    bench = workbench(COUNT, count={**GRANT, "on_crash": "fail", "limits": {"time": "7s"}})
    crashed(bench)

    [outcome] = bench.journal.outcomes
    assert (outcome.attempts, outcome.data["limits"]) == (0, {"time": "7s"})
    assert bench.telemetry.counts("edge_runs_total")[("status", "failure"), ("task", "count")] == 1


@pytest.mark.parametrize("there", [True, False])
def test_what_is_not_run_again_after_a_crash_keeps_its_correlation_id(workbench, there):
    bench = workbench(COUNT, count={**GRANT, "on_crash": "fail"})
    crashed(bench, there=there, correlation_id="first-event")

    [outcome] = bench.journal.outcomes
    assert outcome.status is (Status.FAILURE if there else Status.CANCELLED)
    assert outcome.data["correlation_id"] == "first-event"


def crashed(bench, *, there: bool = True, **event: str) -> None:
    """A run was promised, and the power went before it began; whether its task is `there` afterwards."""
    bench.send({"n": 1}, **event)
    bench.pump()
    [promise] = bench.journal.records
    bench.journal.left = [Stored(1, promise)]
    if not there:
        bench.tasks.clear()
    bench.build().recover()
