"""When the journal takes no more, nothing is begun whose outcome it could not keep; and nobody hangs."""

from __future__ import annotations

from edge.model import Fired, Happened, RecordClass, RecordKind, Start, Status
from edge.runs.admission import PARKED

APPS = """
@task
def count(event: Event, ctx: Context) -> int:
    return event.values["n"]

@task
def alarm(event: Event, ctx: Context) -> int:
    return event.values["n"]

@task
def cool(event: Event, ctx: Context) -> bool:
    ctx.device("fan").on()
    return True
"""
ALARM = {"class": "alarm"}
TELEMETRY = RecordClass.TELEMETRY


def test_a_message_waits_unacknowledged_until_there_is_room(workbench):
    bench = workbench(APPS, count={})
    bench.journal.full = {TELEMETRY}
    letters = [bench.send({"n": number}) for number in range(5)]
    bench.settle()
    assert bench.journal.frames == []
    assert [letter.settled for letter in letters] == [0] * 5

    bench.journal.full = set()
    bench.settle()

    assert [outcome.result for outcome in bench.journal.outcomes] == list(range(5))
    assert [letter.settled for letter in letters] == [1] * 5


def test_alarms_go_on_past_telemetry_that_waits(workbench):
    bench = workbench(APPS, count={}, alarm=ALARM)
    bench.journal.full = {TELEMETRY}
    bench.pipeline._triggers.names = ["count"]
    waiting = bench.send({"n": 1})
    bench.settle()
    bench.pipeline._triggers.names = ["count", "alarm"]  # the frame is worth what the alarm in it is worth
    mixed = bench.send({"n": 2})
    bench.settle()

    assert (waiting.settled, mixed.settled) == (0, 1)
    assert [(outcome.task, outcome.result) for outcome in bench.journal.outcomes] == [("count", 2), ("alarm", 2)]


def test_what_nobody_would_send_again_is_one_rejected_outcome_when_there_is_room(workbench):
    bench = workbench(APPS, count={})
    bench.journal.full = {TELEMETRY}
    for number in range(7):
        bench.inbox.push(Happened(bench.event({"n": number})))
    bench.settle()
    bench.clock.advance(3600)
    bench.settle()
    assert bench.journal.frames == []
    assert bench.pipeline.deadline is None

    bench.journal.full = set()
    bench.settle()

    [outcome] = bench.journal.outcomes
    assert outcome.status is Status.REJECTED
    assert outcome.error["reason"] == "journal_full"
    assert outcome.error["count"] == 7
    assert outcome.error["message"] == "journal_full: 7 starts refused while it was"


def test_whoever_starts_a_task_by_hand_is_told(workbench):
    bench = workbench(APPS, count={})
    bench.journal.full = {TELEMETRY}
    answers = []
    bench.inbox.push(Fired(Start("count", bench.event({"n": 1})), lambda body, why: answers.append((body, why))))
    bench.settle()

    [(body, why)] = answers
    assert body is None
    assert "the journal is full" in why


def test_too_many_waiting_messages_hold_up_the_inbox_and_never_the_stop(workbench):
    bench = workbench(APPS, count={})
    bench.journal.full = {TELEMETRY}
    letters = [bench.send({"n": number}) for number in range(PARKED + 10)]
    bench.settle()
    assert len(bench.inbox) == 10
    assert bench.pipeline.held_up
    assert bench.pipeline.idle

    bench.journal.full = set()
    bench.settle()

    assert not bench.pipeline.held_up
    assert all(letter.settled for letter in letters)
    assert [outcome.result for outcome in bench.journal.outcomes] == list(range(PARKED + 10))


def test_while_the_disk_refuses_and_memory_is_full_nothing_is_begun(workbench):
    bench = workbench(APPS, cool={"grant": {"devices": ["fan"]}}, count={})
    bench.pipeline._triggers.names = ["cool"]
    bench.send()
    bench.pump()
    bench.journal.stalled = True
    bench.journal.sync()  # the promise is durable, and its run waits all the same
    bench.send({"n": 1})
    bench.pump()
    assert bench.fan.history == []
    assert bench.pipeline.deadline is None
    assert bench.pipeline.idle

    bench.journal.stalled = False
    bench.settle()

    assert bench.fan.history == [True, True]
    assert [record.kind for record in bench.journal.records].count(RecordKind.OUTCOME) == 2


def test_a_leader_that_is_held_up_sleeps_until_it_is_woken(workbench):
    bench = workbench(APPS, count={})
    bench.journal.stalled = True
    bench.send({"n": 1})
    bench.inbox.wake()
    bench.inbox.rest(60.0)  # comes back at once: someone called `wake`
    woken = []
    bench.inbox.wake = lambda: woken.append(1)
    bench.journal.stalled = False
    bench.pipeline.on_durable(0)
    assert woken == [1]
