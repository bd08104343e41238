"""Observers are told of every run, and cannot harm one."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from edge import ObservedEnd, ObservedRun, Observer
from edge.errors import TaskLoadError
from edge.model import Status
from edge.runs.observers import Observers, load_observers
from tests.unit.runs.test_crew import Running

FAN = """
@task
def cool(event: Event, ctx: Context) -> bool:
    ctx.device("fan").on()
    ctx.note("on")
    if event.values.get("fail"):
        raise ValueError("no")
    return True
"""
GRANTS = {"grant": {"devices": ["fan"]}}


class Watching(Observer):
    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []
        self.seen: list[ObservedRun] = []
        self.ends: list[ObservedEnd] = []

    def started(self, run: ObservedRun) -> None:
        self.heard.append(("started", run.task))
        self.seen.append(run)

    def step(self, run: ObservedRun, use: str) -> None:
        self.heard.append(("step", use))

    def finished(self, run: ObservedRun, end: ObservedEnd) -> None:
        self.heard.append(("finished", end.status))
        self.ends.append(end)

    def killed(self, run: ObservedRun, end: ObservedEnd, why: str) -> None:
        self.heard.append(("killed", end.status, why))


class Breaking(Watching):
    def step(self, run: ObservedRun, use: str) -> None:
        super().step(run, use)
        raise SystemExit("an observer must not stop anybody")


def watched(bench, *observers: Observer):
    """The bench with these observers."""
    bench.observers = Observers(observers, bench.clock.monotonic)
    bench.pipeline = bench.build()
    return bench


def test_an_observer_hears_the_course_of_a_run_in_order(workbench):
    observer = Watching()
    bench = watched(workbench(FAN, cool=GRANTS), observer)
    bench.send({"n": 1}, correlation_id="far:1")
    bench.settle()

    assert observer.heard == [("started", "cool"), ("step", "device"), ("step", "note"), ("finished", "success")]
    [run], [outcome] = observer.seen, bench.journal.outcomes
    assert (run.id, run.engine, run.attempt, run.correlation_id) == (outcome.id, "inline", 1, "far:1")
    assert run.event.values == {"n": 1}
    [end] = observer.ends
    assert (end.result, end.error, end.usage) == (b"true", None, outcome.usage)


def test_a_failure_is_finished_with_its_error(workbench):
    observer = Watching()
    bench = watched(workbench(FAN, cool=GRANTS), observer)
    bench.send({"fail": True})
    bench.settle()

    [end] = observer.ends
    assert end.status == "failure"
    assert end.error == bench.journal.outcomes[0].error


def test_one_that_is_late_was_killed(workbench):
    observer = Watching()
    bench = watched(workbench(FAN.replace('ctx.note("on")', "CLOCK.advance(99)"), cool=GRANTS), observer)
    bench.tasks["cool"].program.entry.__globals__["CLOCK"] = bench.clock
    bench.send()
    bench.settle()

    assert observer.heard[-1] == ("killed", "timeout", "timeout")


HUNG = """
import threading
GO = threading.Event()

@task
def slow(event: Event, ctx: Context) -> int:
    GO.wait()
    return 1
"""


def test_one_whose_thread_does_not_return_was_killed_and_is_stuck_and_is_told_once(workbench):
    observer = Watching()
    edge = Running(watched(workbench(HUNG, slow={"limits": {"time": "50ms"}}), observer))
    edge.bench.send()
    edge.until(lambda: edge.outcomes(Status.TIMEOUT) == 1)

    edge.module["GO"].set()
    edge.crew.stop()
    edge.bench.inbox.wake()
    for thread in edge.threads:
        thread.join(30)

    assert observer.heard == [("started", "slow"), ("killed", "timeout", "stuck")]


def test_one_that_raises_is_logged_once_with_its_trace_and_heard_no_more(workbench, caplog):
    broken, fine = Breaking(), Watching()
    bench = watched(workbench(FAN, cool=GRANTS), broken, fine)
    with caplog.at_level(logging.ERROR):
        bench.send()
        bench.send()
        bench.settle()

    assert broken.heard == [("started", "cool"), ("step", "device")]
    assert len(fine.heard) == 8
    assert [outcome.status for outcome in bench.journal.outcomes] == ["success", "success"]
    [said] = [record for record in caplog.records if record.action == "observer_removed"]
    assert said.message == "observer Breaking raised SystemExit in step and is told nothing more"
    assert "an observer must not stop anybody" in str(said.exc_info)


def test_the_base_class_hears_everything_and_does_nothing(workbench):
    bench = watched(workbench(FAN, cool=GRANTS), Observer())
    bench.send()
    bench.settle()

    assert [outcome.status for outcome in bench.journal.outcomes] == ["success"]


SLOW = """
from edge import Observer

class Slow(Observer):
    pass

class Greedy(Observer):
    def __init__(self, more):
        pass

class Stranger:
    pass

raised = RuntimeError
"""


def test_observers_are_made_from_the_devices_own_disk(tmp_path: Path):
    (tmp_path / "slow.py").write_text(SLOW)

    found = load_observers([f"{tmp_path}/slow.py:Slow"], lambda: 0.0)

    assert [type(one).__name__ for one in found._observers] == ["Slow"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("slow.py:Fast", "there is no 'Fast'"),
        ("slow.py:Greedy", "cannot be made without arguments"),
        ("slow.py:Stranger", r"is no edge\.Observer"),
        ("gone.py:Slow", "cannot be imported: FileNotFoundError"),
    ],
)
def test_what_cannot_be_used_as_one_keeps_the_runtime_from_starting(tmp_path: Path, name: str, reason: str):
    (tmp_path / "slow.py").write_text(SLOW)
    with pytest.raises(TaskLoadError, match=reason):
        load_observers([f"{tmp_path}/{name}"], lambda: 0.0)


RETRIED = {"grant": {"devices": ["fan"]}, "retries": {"failure": 1, "backoff": "1s"}}


def test_every_attempt_is_told_with_its_number(workbench):
    observer = Watching()
    bench = watched(workbench(FAN, cool=RETRIED), observer)
    bench.send({"fail": True})
    bench.settle()
    bench.clock.advance(1)
    bench.settle()

    assert [run.attempt for run in observer.seen] == [1, 2]
    assert [end.status for end in observer.ends] == ["failure", "failure"]
    assert len({run.id for run in observer.seen}) == len(bench.journal.outcomes) == 1


def test_one_that_a_newer_one_replaced_was_killed(workbench):
    observer = Watching()
    settings = {"mode": "restart", "limits": {"time": "60s"}}
    edge = Running(
        watched(workbench(HUNG.replace("GO.wait()", 'event.values.get("wait") and GO.wait()'), slow=settings), observer)
    )
    letter = edge.bench.send({"wait": True})
    edge.until(lambda: letter.settled == 1)
    edge.bench.send()
    edge.until(lambda: edge.outcomes(Status.SUCCESS) == 1)

    edge.module["GO"].set()
    edge.crew.stop()
    edge.bench.inbox.wake()
    for thread in edge.threads:
        thread.join(30)

    assert observer.heard == [
        ("started", "slow"), ("killed", "cancelled", "cancelled"), ("started", "slow"), ("finished", "success"),
    ]  # fmt: skip
