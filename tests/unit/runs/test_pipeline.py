"""What happens between an event and its outcome."""

from __future__ import annotations

from edge.model import RecordKind, Status

DOUBLE = """
@dataclass
class Doubled:
    value: int

@task
def double(event: Event, ctx: Context) -> Doubled:
    return Doubled(event.values["n"] * 2)
"""

FAN = """
@task
def cool(event: Event, ctx: Context) -> bool:
    ctx.device("fan").on()
    ctx.publish("plant/fan", {"on": True})
    return True
"""

GRANTS = {"grant": {"devices": ["fan"], "publish": ["plant/fan"]}}


def test_a_run_without_grants_is_one_frame_that_holds_the_outcome(workbench):
    bench = workbench(DOUBLE, double={})
    bench.send({"n": 21})
    bench.pump()

    [([record], delivery)] = bench.journal.frames
    assert record.kind is RecordKind.OUTCOME
    assert delivery.packet_id == 1
    [outcome] = bench.journal.outcomes
    assert outcome.status is Status.SUCCESS
    assert outcome.result == {"value": 42}


def test_a_message_is_acknowledged_only_when_its_frame_is_durable(workbench):
    bench = workbench(DOUBLE, double={})
    letter = bench.send({"n": 1})
    bench.pump()
    assert letter.settled == 0

    bench.journal.sync()

    assert letter.settled == 1


def test_a_run_with_grants_is_promised_durably_before_it_starts(workbench):
    bench = workbench(FAN, cool=GRANTS)
    bench.send()
    bench.pump()
    assert [record.kind for record in bench.journal.records] == [RecordKind.ACCEPTED]
    assert bench.fan.history == []

    bench.journal.sync()
    bench.pump()

    assert bench.fan.history == [True]
    promise, outcome, publish = bench.journal.records
    assert [outcome.kind, publish.kind] == [RecordKind.OUTCOME, RecordKind.PUBLISH]
    assert promise.id == outcome.id


def test_everything_one_message_matched_is_one_frame(workbench):
    bench = workbench(DOUBLE + FAN, double={}, cool=GRANTS)
    letter = bench.send({"n": 2})
    bench.pump()

    [(records, _)] = bench.journal.frames
    assert [record.kind for record in records] == [RecordKind.OUTCOME, RecordKind.ACCEPTED]
    bench.journal.sync()
    assert letter.settled == 1


def test_a_task_that_raises_is_one_failure_that_names_the_line(workbench):
    bench = workbench(DOUBLE, double={})
    bench.send({})
    bench.settle()

    [outcome] = bench.journal.outcomes
    assert outcome.status is Status.FAILURE
    assert outcome.error == {"type": "KeyError", "message": "'n'", "where": "app.py:10"}


def test_a_result_of_the_wrong_type_is_a_failure_that_names_the_field(workbench):
    bench = workbench(DOUBLE, double={})
    bench.send({"n": "ab"})
    bench.settle()

    [outcome] = bench.journal.outcomes
    assert outcome.status is Status.FAILURE
    assert "value: Input should be a valid integer, got str" in outcome.error["message"]


def test_what_was_not_granted_is_a_failure_that_says_where_to_grant_it(workbench):
    bench = workbench(FAN, cool={})
    bench.send()
    bench.settle()

    [outcome] = bench.journal.outcomes
    assert outcome.status is Status.FAILURE
    assert outcome.error["type"] == "NotGranted"
    assert "tasks.cool.grant.devices" in outcome.error["message"]
    assert bench.fan.history == []


def test_a_failed_run_publishes_nothing(workbench):
    bench = workbench(
        """
@task
def shout(event: Event, ctx: Context) -> int:
    ctx.publish("plant/fan", 1)
    raise ValueError("no")
""",
        shout=GRANTS,
    )
    bench.send()
    bench.settle()

    assert [record.kind for record in bench.journal.records] == [RecordKind.ACCEPTED, RecordKind.OUTCOME]


def test_a_run_that_ends_after_its_limit_is_a_timeout_and_its_result_is_void(workbench):
    bench = workbench(
        """
import edge.testing
CLOCKS = []

@task
def slow(event: Event, ctx: Context) -> int:
    CLOCKS[0].advance(3)
    return 1
""",
        slow={"limits": {"time": "2s"}},
    )
    bench.tasks["slow"].program.entry.__globals__["CLOCKS"].append(bench.clock)
    bench.send()
    bench.settle()

    [outcome] = bench.journal.outcomes
    assert outcome.status is Status.TIMEOUT
    assert outcome.result is None
    assert "limits.time of 2 s" in outcome.error["message"]


def test_partial_is_what_a_task_says_of_itself(workbench):
    bench = workbench(
        """
@task
def half(event: Event, ctx: Context) -> int:
    ctx.note("skipped one", channel="b")
    ctx.partial("one channel only")
    return 1
""",
        half={},
    )
    bench.send()
    bench.settle()

    [outcome] = bench.journal.outcomes
    assert outcome.status is Status.PARTIAL
    assert outcome.result == 1
    assert outcome.data["partial"] == "one channel only"
    assert outcome.data["notes"] == [{"text": "skipped one", "channel": "b"}]


def test_a_rate_limit_is_one_rejected_outcome_a_minute_with_a_count(workbench):
    bench = workbench(DOUBLE, double={"limits": {"per_minute": 2}})
    letters = [bench.send({"n": n}) for n in range(5)]
    bench.settle()
    assert [outcome.status for outcome in bench.journal.outcomes] == [Status.SUCCESS] * 2
    assert [letter.settled for letter in letters] == [1] * 5

    bench.clock.advance(60)
    bench.settle()

    *_, rejected = bench.journal.outcomes
    assert rejected.status is Status.REJECTED
    assert (rejected.error["reason"], rejected.error["count"]) == ("per_minute", 3)


def test_an_event_that_went_round_too_often_is_rejected(workbench):
    bench = workbench(DOUBLE, double={})
    bench.send({"n": 1}, hops=9)
    bench.settle()
    bench.clock.advance(60)
    bench.settle()

    [rejected] = bench.journal.outcomes
    assert rejected.error["reason"] == "too_many_hops"


def test_promised_runs_of_the_last_boot_run_again_under_the_same_id(workbench):
    from edge.model import Stored

    bench = workbench(FAN, cool=GRANTS)
    bench.send()
    bench.pump()
    [promise] = bench.journal.records
    bench.journal.left = [Stored(1, promise)]
    reborn = bench.build()

    assert reborn.recover() == 1
    while reborn.step():
        pass

    *_, outcome, _publish = bench.journal.records
    assert outcome.id == promise.id
    assert bench.fan.history == [True]


def test_a_promise_whose_task_is_gone_ends_cancelled_and_not_silently(workbench):
    from edge.model import Stored

    bench = workbench(FAN, cool=GRANTS)
    bench.send()
    bench.pump()
    [promise] = bench.journal.records
    bench.journal.left = [Stored(1, promise)]
    bench.tasks.clear()
    bench.build().recover()

    [outcome] = bench.journal.outcomes
    assert (outcome.id, outcome.status) == (promise.id, Status.CANCELLED)


def test_a_task_cannot_change_the_event_that_its_outcome_shows(workbench):
    bench = workbench(
        """
@task
def meddle(event: Event, ctx: Context) -> int:
    event.values["n"] = 99
    return 1
""",
        meddle={},
    )
    bench.send({"n": 1})
    bench.settle()

    assert bench.journal.outcomes[0].event["values"] == {"n": 1}


def test_calls_stop_at_the_limit_with_number_and_limit(workbench):
    bench = workbench(
        """
@task
def flood(event: Event, ctx: Context) -> int:
    for _ in range(10):
        ctx.device("fan").on()
    return 1
""",
        flood={**GRANTS, "limits": {"calls": 3}},
    )
    bench.send()
    bench.settle()

    assert bench.fan.history == [True] * 3
    assert bench.journal.outcomes[0].error["message"] == "calls: 3 spent, limits.calls is 3"
