"""The moments in which a run leaves the lead, is replaced, or falls out of its engine: nothing is lost or doubled."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import sys
import threading

import pytest

from edge.model import Fired, Happened, RecordClass, RecordKind, Start, Status
from edge.observer import Observer
from edge.runs.calls import Calls
from edge.runs.crew import HandedOver
from edge.runs.gates.refusals import Refusals
from edge.runs.observers import Observers
from edge.threads import Threads
from tests.unit.runs.test_comings import Days

MOMENT = """
MOMENT = [lambda event, ctx: None]

@task
def slow(event: Event, ctx: Context) -> int:
    MOMENT[0](event, ctx)
    return event.values["n"]

@task
def other(event: Event, ctx: Context) -> int:
    return event.values["n"]
"""
GRANT = {"grant": {"devices": ["fan"]}}
RESTART = {"mode": "restart", **GRANT}


def in_it(bench, moment) -> None:
    """Have `moment(event, ctx)` happen in the middle of `slow`."""
    bench.tasks["slow"].program.entry.__globals__["MOMENT"][0] = moment


def lead(bench) -> None:
    with contextlib.suppress(HandedOver):
        bench.pump()


def hand_over(bench) -> None:
    bench.clock.advance(1)
    bench.pipeline.watch()


def test_a_run_that_ends_while_the_lead_moves_on_is_promised_before_its_outcome(workbench):
    """The other way round it would be unfinished for ever, and run again after every start."""
    bench = workbench(MOMENT, slow={"limits": {"time": "60s"}})
    begun, ended = threading.Event(), threading.Event()
    append = bench.journal.append

    def slowly(records, delivery=None):
        if records[0].kind is RecordKind.ACCEPTED:
            begun.set()
            ended.wait(0.2)  # the run has all this time to write its outcome first
        receipt = append(records, delivery)
        if records[0].kind is RecordKind.OUTCOME:
            ended.set()
        return receipt

    bench.journal.append = slowly
    watchdog = threading.Thread(target=lambda: hand_over(bench))
    in_it(bench, lambda event, ctx: (watchdog.start(), begun.wait(30)))
    bench.send({"n": 1})
    lead(bench)
    watchdog.join(30)

    assert [record.kind for record in bench.journal.records] == [RecordKind.ACCEPTED, RecordKind.OUTCOME]


def test_what_a_message_starts_after_a_slow_run_replaces_what_it_would_have_replaced(workbench):
    bench = workbench(MOMENT, slow={"limits": {"time": "60s"}}, other=RESTART)
    in_it(bench, lambda event, ctx: event.values["n"] == 2 and hand_over(bench))
    bench.send({"n": 1})
    bench.pump()
    bench.send({"n": 2})
    lead(bench)
    bench.settle()

    ends = [(one.status, one.result) for one in bench.journal.outcomes if one.task == "other"]
    assert ends == [(Status.CANCELLED, None), (Status.SUCCESS, 2)]


@pytest.mark.parametrize("task", [{}, GRANT])
@pytest.mark.parametrize("fallen", [asyncio.CancelledError("panicked"), GeneratorExit(), OSError("no more files")])
def test_a_run_that_falls_out_of_its_engine_is_a_failure_and_the_lead_goes_on(workbench, monkeypatch, fallen, task):
    bench = workbench(MOMENT, slow=task)
    engine = bench.tasks["slow"].engine
    run = type(engine).run

    def fall(self, run_, ctx):
        if run_.event.values["n"] == 1:
            raise fallen
        return run(self, run_, ctx)

    monkeypatch.setattr(type(engine), "run", fall)
    letters = [bench.send({"n": number}) for number in (1, 2)]
    bench.settle()

    failed, fine = bench.journal.outcomes
    assert (failed.status, failed.error["type"]) == (Status.FAILURE, type(fallen).__name__)
    assert fine.result == 2
    assert [letter.settled for letter in letters] == [1, 1]


def test_the_run_that_leads_when_the_runtime_stops_is_told_so(workbench):
    """It may not use a device any more: outputs are in their safe state from then on."""
    bench = workbench(MOMENT, slow=GRANT)

    def stop(event, ctx):
        bench.pipeline.cancel(grace_over=True)
        ctx.device("fan").on()

    in_it(bench, stop)
    bench.send({"n": 1})
    bench.settle()

    [outcome] = bench.journal.outcomes
    assert outcome.status is Status.CANCELLED
    assert bench.fan.history == []


def test_what_waited_for_the_breaker_of_an_older_version_goes_before_what_is_new(workbench):
    bench = workbench(
        MOMENT,
        slow={**GRANT, "breaker": {"failures": 100, "of": 1, "pause": "1h", "longest": "1h"}},
    )
    in_it(bench, lambda event, ctx: 1 // event.values["n"])
    for number in (0, 1, 2):
        bench.send({"n": number})
    bench.settle()
    bench.pipeline.add(bench.tasks["slow"])
    bench.send({"n": 3})
    bench.settle()

    assert [outcome.result for outcome in bench.journal.outcomes] == [None, 1, 2, 3]


@pytest.mark.parametrize("by_hand", [True, False])
def test_an_app_has_its_run_back_where_the_journal_was_full(workbench, by_hand):
    bench = workbench(MOMENT, slow=GRANT)
    life = Days(1)
    bench.pipeline.add(dataclasses.replace(bench.tasks["slow"], life=life))
    bench.journal.full = {RecordClass.TELEMETRY}
    event = bench.event({"n": 1})
    bench.inbox.push(Fired(Start("slow", event), lambda body, why: None) if by_hand else Happened(event))
    bench.settle()

    assert life.began == []
    assert [status for _, status in life.over] == [Status.REJECTED]


def test_every_refusal_is_counted_once_though_another_thread_takes_the_rest(workbench):
    bench = workbench(MOMENT, slow={})
    refusals, event, taken = Refusals(bench.clock), bench.event(), []
    done = threading.Event()

    def take() -> None:
        while not done.is_set():
            taken.extend(refusals.due(all=True))

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        thread = threading.Thread(target=take)
        thread.start()
        for number in range(5000):
            refusals.add("slow", str(number % 50), event)
            _ = refusals.deadline
        done.set()
        thread.join(30)
    finally:
        sys.setswitchinterval(before)

    assert sum(count for *_, count in [*taken, *refusals.due(all=True)]) == 5000


class Hanging(Observer):
    """One of its hooks does not return before the test lets it."""

    def __init__(self, hook: str) -> None:
        self.go = threading.Event()
        self.heard = 0
        setattr(self, hook, self.hang)

    def hang(self, *arguments: object) -> None:
        self.heard += 1
        self.go.wait()


@pytest.mark.parametrize("hook", ["started", "step", "finished"])
def test_an_observer_that_hangs_is_left_out_and_nobody_waits_for_it_again(workbench, monkeypatch, caplog, hook):
    monkeypatch.setattr("edge.runs.observers.LONGEST", 0.01)
    bench = workbench(MOMENT, slow=GRANT)
    threads, calls, observer = Threads(lambda reason: None), Calls(), Hanging(hook)
    calls.open(threads.spawn)
    bench.observers = Observers([observer], bench.clock.monotonic, calls)
    bench.pipeline = bench.build()
    in_it(bench, lambda event, ctx: ctx.note("here"))
    for number in (1, 2):
        bench.send({"n": number})
    bench.settle()

    assert [outcome.result for outcome in bench.journal.outcomes] == [1, 2]
    assert observer.heard == 1
    assert f"observer Hanging hangs in {hook}" in caplog.text
    observer.go.set()
    calls.close()
    assert threads.join(30) == []


class Cancelling(Observer):
    def started(self, run: object) -> None:
        raise asyncio.CancelledError


def test_an_observer_that_raises_what_is_no_exception_does_not_take_the_lead_with_it(workbench, caplog):
    bench = workbench(MOMENT, slow={})
    bench.observers = Observers([Cancelling()], bench.clock.monotonic)
    bench.pipeline = bench.build()
    bench.send({"n": 1})
    bench.settle()

    assert [outcome.result for outcome in bench.journal.outcomes] == [1]
    assert "observer Cancelling raised CancelledError" in caplog.text
