"""Slow and hung runs on real threads: they cost a thread, never the next event.

Tasks here wait for events that the test sets, so nothing depends on how fast the machine is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from edge.clock import SystemClock
from edge.model import RecordKind, Status
from edge.runs.crew import Crew

SLOW = """
import threading
GO, BEGUN, CALLS = threading.Event(), threading.Semaphore(0), []

@task
def slow(event: Event, ctx: Context) -> int:
    CALLS.append(event.id)
    if event.values.get("wait"):
        BEGUN.release()
        GO.wait()
        ctx.note("still here")
    return 1
"""


class Running:
    """A workbench with its crew on threads and a journal that is durable at once."""

    def __init__(self, bench) -> None:
        bench.clock = SystemClock()
        bench.pipeline = bench.build()
        self.bench = bench
        self.threads: list[threading.Thread] = []
        self.changed = threading.Condition()
        append = bench.journal.append

        def append_and_sync(records, delivery=None):
            sequence = append(records, delivery)
            bench.journal.sync()
            with self.changed:
                self.changed.notify_all()
            return sequence

        bench.journal.append = append_and_sync
        pipeline = bench.pipeline
        self.crew = Crew(
            step=pipeline.step,
            wait=lambda: bench.inbox.wait(None),
            watch=pipeline.watch,
            spawn=self.spawn,
        )
        pipeline.promote = self.crew.promote
        pipeline.watching = self.crew.stir
        self.crew.start()

    def spawn(self, name: str, body: Callable[[], None]) -> None:
        thread = threading.Thread(target=body, name=name, daemon=True)
        self.threads.append(thread)
        thread.start()

    @property
    def module(self) -> dict:
        return self.bench.tasks["slow"].program.entry.__globals__

    def until(self, condition: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, timeout=30)

    def outcomes(self, status: Status) -> int:
        return sum(outcome.status is status for outcome in self.bench.journal.outcomes)

    def stop(self) -> None:
        self.module["GO"].set()
        self.crew.stop()
        self.bench.inbox.wake()
        for thread in self.threads:
            thread.join(30)
            assert not thread.is_alive(), thread.name


@pytest.fixture
def running(workbench) -> Iterator[Callable[..., Running]]:
    made: list[Running] = []

    def make(**settings) -> Running:
        running = Running(workbench(SLOW, slow=settings))
        made.append(running)
        return running

    yield make
    for running in made:
        running.stop()


def test_a_slow_run_is_promised_and_acknowledged_while_it_goes_on(running):
    edge = running(limits={"time": "60s"})
    letter = edge.bench.send({"wait": True})
    edge.until(lambda: letter.settled == 1)

    assert [record.kind for record in edge.bench.journal.records] == [RecordKind.ACCEPTED]
    edge.module["GO"].set()
    edge.until(lambda: edge.outcomes(Status.SUCCESS) == 1)
    promise, outcome = edge.bench.journal.records
    assert promise.id == outcome.id


def test_a_queued_task_waits_for_its_own_slow_run_and_keeps_order(running):
    edge = running(limits={"time": "60s"})
    edge.bench.send({"wait": True})
    assert edge.module["BEGUN"].acquire(timeout=30)
    letters = [edge.bench.send({}) for _ in range(5)]
    edge.until(lambda: all(letter.settled for letter in letters))
    assert edge.module["CALLS"] == ["e1"]

    edge.module["GO"].set()
    edge.until(lambda: edge.outcomes(Status.SUCCESS) == 6)

    assert edge.module["CALLS"] == ["e1", "e2", "e3", "e4", "e5", "e6"]


def test_a_parallel_task_goes_on_beside_its_slow_run(running):
    edge = running(mode="parallel", max_runs=2, limits={"time": "60s"})
    edge.bench.send({"wait": True})
    assert edge.module["BEGUN"].acquire(timeout=30)
    edge.bench.send({})

    edge.until(lambda: edge.outcomes(Status.SUCCESS) == 1)


def test_a_run_that_never_returns_is_one_timeout_and_the_next_run_goes_ahead(running):
    edge = running(limits={"time": "50ms"})
    edge.bench.send({"wait": True})
    edge.until(lambda: edge.outcomes(Status.TIMEOUT) == 1)
    edge.bench.send({})

    edge.until(lambda: edge.outcomes(Status.SUCCESS) == 1)
    assert edge.bench.pipeline.stuck == (edge.bench.journal.outcomes[0].task,)


def test_a_thread_that_comes_back_after_its_timeout_frees_its_slot_and_adds_nothing(running):
    edge = running(limits={"time": "50ms"})
    edge.bench.send({"wait": True})
    edge.until(lambda: edge.outcomes(Status.TIMEOUT) == 1)
    edge.module["GO"].set()
    edge.bench.send({})
    edge.until(lambda: edge.outcomes(Status.SUCCESS) == 1)
    for thread in edge.threads[:1]:
        thread.join(30)

    assert len(edge.bench.pipeline.stuck) == 0
    assert len(edge.bench.journal.outcomes) == 2


def test_when_every_slot_is_stuck_events_are_still_promised_and_acknowledged(running):
    edge = running(limits={"time": "50ms"})
    for count in range(1, 5):
        edge.bench.send({"wait": True})
        edge.until(lambda count=count: edge.outcomes(Status.TIMEOUT) == count)
    assert not edge.bench.pipeline._background.free

    letter = edge.bench.send({})
    edge.until(lambda: letter.settled == 1)

    assert edge.bench.journal.records[-1].kind is RecordKind.ACCEPTED


def test_a_run_told_to_end_at_shutdown_is_cancelled(running):
    edge = running(limits={"time": "60s"})
    edge.bench.send({"wait": True})
    letter = edge.bench.send({})
    edge.until(lambda: letter.settled == 1)
    edge.bench.pipeline.cancel(grace_over=False)
    edge.module["GO"].set()

    edge.until(lambda: edge.outcomes(Status.CANCELLED) == 1)


def test_a_run_of_a_task_that_is_removed_is_told_to_end_and_what_waited_behind_it_ends_too(running):
    edge = running(limits={"time": "60s"})
    edge.bench.send({"wait": True})
    letters = [edge.bench.send({}) for _ in range(3)]
    edge.until(lambda: all(letter.settled for letter in letters))
    edge.bench.pipeline.soon(lambda: edge.bench.pipeline.remove("slow", "the app was removed"))
    edge.until(lambda: edge.outcomes(Status.CANCELLED) == 3)
    edge.module["GO"].set()

    edge.until(lambda: edge.outcomes(Status.CANCELLED) == 4)
    assert edge.module["CALLS"] == ["e1"]
