"""A run that failed is tried again: when, as what, and what of the earlier attempts remains."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config.tasks import Retries
from edge.model import RecordKind, Status, Stored
from edge.runs.gates.retries import pause
from edge.runs.run import Cause, Ending

FAILED = Ending(Status.FAILURE, cause=Cause.TRANSIENT)

FLAKY = """
TRIES = []

@task
def flaky(event: Event, ctx: Context) -> dict:
    number = ctx.scratch.get("tries", 0) + 1
    ctx.scratch.put("tries", number)
    TRIES.append((event.values["n"], number))
    ctx.note(f"try {number}")
    ctx.publish("plant/tries", number)
    if number <= event.values["fails"]:
        raise globals()["__builtins__"][event.values.get("error", "OSError")]("not now")
    return {"n": event.values["n"]}
"""
SETTINGS = {"grant": {"publish": ["plant/tries"]}, "retries": {"backoff": "2s", "longest": "5s"}}


def tries(bench) -> list[tuple[int, int]]:
    return bench.tasks["flaky"].program.entry.__globals__["TRIES"]


def pass_time(bench) -> list[float]:
    """Let everything happen that only time holds back; how long it waited each time."""
    waits = []
    bench.settle()
    while (deadline := bench.pipeline.deadline) is not None:
        waits.append(deadline - bench.clock.monotonic())
        bench.clock.advance(max(0.0, waits[-1]))
        bench.settle()
    return waits


def test_a_failed_attempt_is_followed_by_another_and_there_is_one_outcome(workbench):
    bench = workbench(FLAKY, flaky=SETTINGS)
    bench.send({"n": 1, "fails": 2})
    first, second = pass_time(bench)

    assert tries(bench) == [(1, 1), (1, 2), (1, 3)]  # the scratch came along
    assert 1.0 <= first <= 2.0 <= second <= 4.0
    [outcome] = bench.journal.outcomes
    assert (outcome.status, outcome.attempts, outcome.result) == (Status.SUCCESS, 3, {"n": 1})
    assert {record.id for record in bench.journal.records if record.kind is not RecordKind.PUBLISH} == {outcome.id}
    assert bench.telemetry.total("edge_retries_total") == 2


def test_what_failed_attempts_published_and_noted_is_gone(workbench):
    bench = workbench(FLAKY, flaky=SETTINGS)
    bench.send({"n": 1, "fails": 1})
    pass_time(bench)

    [publish] = [record for record in bench.journal.records if record.kind is RecordKind.PUBLISH]
    assert b'"payload":2' in publish.body
    [outcome] = bench.journal.outcomes
    assert outcome.data["notes"] == [{"text": "try 2"}]
    assert outcome.usage["publishes"] == 1


def test_the_last_attempt_that_fails_is_the_outcome(workbench):
    bench = workbench(FLAKY, flaky=SETTINGS)
    bench.send({"n": 1, "fails": 9})
    pass_time(bench)

    [outcome] = bench.journal.outcomes
    assert (outcome.status, outcome.attempts) == (Status.FAILURE, 4)
    assert outcome.error["message"] == "not now"


@pytest.mark.parametrize(
    ("error", "attempts"),
    [("OSError", 4), ("ValueError", 1), ("NotGranted", 1)],
)
def test_what_it_failed_of_decides_whether_it_is_tried_again(workbench, error, attempts):
    bench = workbench(
        """
from edge import NotGranted
@task
def flaky(event: Event, ctx: Context) -> int:
    raise ERROR("no")
""".replace("ERROR", error),
        flaky={"retries": {}},
    )
    bench.send({})
    pass_time(bench)

    [outcome] = bench.journal.outcomes
    assert outcome.attempts == attempts


def test_a_timeout_is_tried_again_where_that_is_asked_for(workbench):
    bench = workbench(
        """
CLOCK, TRIES = [], []
@task
def flaky(event: Event, ctx: Context) -> int:
    TRIES.append(1)
    if len(TRIES) == 1:
        CLOCK[0].advance(20)
    return len(TRIES)
""",
        flaky={"retries": {"timeout": 1, "transient": 0}},
    )
    bench.tasks["flaky"].program.entry.__globals__["CLOCK"].append(bench.clock)
    bench.send({})
    pass_time(bench)

    [outcome] = bench.journal.outcomes
    assert (outcome.status, outcome.attempts, outcome.result) == (Status.SUCCESS, 2, 2)


def test_the_next_run_of_the_task_waits_and_other_tasks_go_on(workbench):
    bench = workbench(
        FLAKY
        + """
@task
def other(event: Event, ctx: Context) -> int:
    return event.values["n"]
""",
        flaky=SETTINGS,
        other={},
    )
    bench.send({"n": 1, "fails": 2})
    bench.send({"n": 2, "fails": 0})
    bench.settle()
    assert [outcome.result for outcome in bench.journal.outcomes if outcome.task == "other"] == [1, 2]
    assert tries(bench) == [(1, 1)]

    pass_time(bench)

    assert tries(bench) == [(1, 1), (1, 2), (1, 3), (2, 1)]
    assert [outcome.result for outcome in bench.journal.outcomes if outcome.task == "flaky"] == [{"n": 1}, {"n": 2}]


def test_runs_in_parallel_do_not_wait_for_each_others_retries(workbench):
    bench = workbench(FLAKY, flaky={**SETTINGS, "mode": "parallel", "max_runs": 2})
    bench.send({"n": 1, "fails": 1})
    bench.send({"n": 2, "fails": 0})
    bench.settle()

    assert tries(bench) == [(1, 1), (2, 1)]


def test_a_new_start_counts_a_run_that_waits_for_its_next_attempt(workbench):
    bench = workbench(FLAKY, flaky={**SETTINGS, "mode": "single"})
    bench.send({"n": 1, "fails": 1})
    bench.settle()
    bench.send({"n": 2, "fails": 0})
    pass_time(bench)

    assert tries(bench) == [(1, 1), (1, 2)]
    done, refused = bench.journal.outcomes
    assert (done.result, refused.error["reason"]) == ({"n": 1}, "busy")


def test_restart_ends_a_run_that_waits_for_its_next_attempt(workbench):
    bench = workbench(FLAKY, flaky={**SETTINGS, "mode": "restart"})
    bench.send({"n": 1, "fails": 1})
    bench.settle()
    bench.send({"n": 2, "fails": 0})
    assert pass_time(bench) == []

    assert tries(bench) == [(1, 1), (2, 1)]
    replaced, done = bench.journal.outcomes
    assert (replaced.status, replaced.attempts) == (Status.CANCELLED, 1)
    assert done.result == {"n": 2}


def test_a_stop_does_not_wait_for_a_retry_and_the_next_start_runs_it(workbench):
    bench = workbench(FLAKY, flaky=SETTINGS)
    bench.send({"n": 1, "fails": 1})
    bench.settle()
    assert bench.pipeline.idle
    bench.pipeline.cancel(grace_over=True)
    [promise] = bench.journal.records
    assert promise.kind is RecordKind.ACCEPTED

    bench.journal.left = [Stored(1, promise)]
    bench.pipeline = bench.build()
    assert bench.pipeline.recover() == 1
    pass_time(bench)

    [outcome] = bench.journal.outcomes
    assert (outcome.id, outcome.status) == (promise.id, Status.SUCCESS)


def test_a_breaker_judges_the_outcome_and_not_the_attempts(workbench):
    settings = {**SETTINGS, "breaker": {"timeouts": 0, "failures": 100, "of": 2}}
    bench = workbench(FLAKY, flaky=settings)
    for number in (1, 2):
        bench.send({"n": number, "fails": 2})
    pass_time(bench)
    assert list(bench.pipeline.broken()) == []

    for number in (3, 4):
        bench.send({"n": number, "fails": 9})
    bench.settle()
    while len(bench.journal.outcomes) < 4:
        bench.clock.advance(1)
        bench.settle()

    [broken] = bench.pipeline.broken()
    assert broken.reason == "2 of the last 2 runs failed"


HUNG = """
import threading
BEGUN, GO, SAID, TRIES = threading.Event(), threading.Event(), [], []

@task
def slow(event: Event, ctx: Context) -> int:
    TRIES.append(1)
    if len(TRIES) == 1:
        BEGUN.set()
        scratch = ctx.scratch
        scratch.put("who", "first")
        fan = ctx.device("fan")
        GO.wait()
        scratch.put("who", "stuck")
        for act in (fan.on, lambda: ctx.publish("plant/fan", 1)):
            try:
                act()
            except Exception as error:
                SAID.append(type(error).__name__)
        return 1
    GO.set()
    BACK.wait()
    return {"first": 2}[ctx.scratch.get("who")]
BACK = threading.Event()
"""


def test_a_stuck_attempt_cannot_act_any_more(workbench):
    from tests.unit.runs.test_gates import beside

    bench = workbench(
        HUNG,
        slow={
            "limits": {"time": "10s"},
            "grant": {"devices": ["fan"], "publish": ["plant/fan"]},
            "retries": {"timeout": 1},
        },
    )
    bench.send()
    bench.pump()
    bench.journal.sync()
    thread, globals_ = beside(bench)
    bench.clock.advance(10)
    bench.pipeline.watch()
    assert len(bench.pipeline.stuck) == 1
    bench.clock.advance(2)
    again = threading.Thread(target=bench.settle, daemon=True)
    again.start()
    thread.join(30)
    globals_["BACK"].set()
    again.join(30)

    [outcome] = bench.journal.outcomes
    assert (outcome.status, outcome.attempts, outcome.result) == (Status.SUCCESS, 2, 2)
    assert globals_["SAID"] == ["RunTimeout", "RunTimeout"]
    assert bench.fan.history == []
    assert not [record for record in bench.journal.records if record.kind is RecordKind.PUBLISH]


@given(attempt=st.integers(1, 100), chance=st.floats(0, 1, exclude_max=True))
def test_the_wait_doubles_up_to_the_longest_and_is_shortened_by_up_to_half(attempt, chance):
    settings = Retries.model_validate({"transient": 100, "backoff": "3s", "longest": "1m"})
    full = min(3.0 * 2 ** (attempt - 1), 60.0)

    wait = pause(settings, FAILED, attempt, lambda: chance)

    assert full / 2 <= wait <= full
    assert pause(settings, FAILED, 101, lambda: chance) is None
    assert pause(None, FAILED, attempt, lambda: chance) is None
