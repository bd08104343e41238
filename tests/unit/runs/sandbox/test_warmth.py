"""As many processes are kept as were in use at once lately, and what a run waited for one is told."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

pytest.importorskip("pydantic_monty")

from edge.clock import SystemClock
from edge.runs.calls import Calls
from edge.runs.sandbox.engine import Sandbox
from edge.runs.sandbox.pool import Pool
from edge.runs.sandbox.stopped import Bounds
from edge.runs.sandbox.warmth import Warmth
from edge.telemetry import Histogram
from tests.unit.runs.sandbox.attacks import source
from tests.unit.runs.sandbox.bench import Bench, Unchecked

LASTS = 20  # sessions of a process


class Watch:
    """A warmth of processes that are numbers, and how often it asked for more."""

    def __init__(self, most: int = 5) -> None:
        self.asked = 0
        self.warmth = Warmth(LASTS, most, self.ask)

    def ask(self) -> None:
        self.asked += 1

    def at_once(self, *pids: int) -> None:
        for pid in pids:
            self.warmth.entered(pid)
        for pid in pids:
            self.warmth.left(pid)


def test_one_is_wanted_from_the_beginning() -> None:
    assert Watch().warmth.wanted == 1


def test_as_many_are_wanted_as_were_in_use_at_once_and_never_more_than_there_may_be() -> None:
    watch = Watch(most=3)
    watch.at_once(1, 2)
    assert watch.warmth.wanted == 2
    watch.at_once(1, 2, 3, 4)
    assert watch.warmth.wanted == 3


def test_a_peak_is_forgotten_after_a_while() -> None:
    watch = Watch()
    watch.at_once(1, 2, 3)
    for _ in range(250):
        watch.at_once(1)

    assert watch.warmth.wanted == 1


def test_a_process_that_ended_is_missed_at_once() -> None:
    watch = Watch()
    watch.warmth.entered(1)
    watch.warmth.left(1, gone=True)

    assert watch.asked == 1


def test_a_process_that_is_about_to_end_is_missed_before_it_does() -> None:
    watch = Watch()
    for _ in range(LASTS - 11):
        watch.at_once(1)
    assert not watch.asked

    watch.at_once(1)

    assert watch.asked == 1


def test_nothing_is_missed_once_others_are_there() -> None:
    watch = Watch()
    watch.at_once(1, 2)
    assert watch.warmth.begin() == 2
    assert watch.warmth.begin() == 0  # they are being started
    watch.at_once(1)
    watch.warmth.renewed(2)
    asked = watch.asked

    watch.at_once(3, 4)

    assert watch.asked == asked


def test_only_a_process_that_nobody_started_before_may_have_been_waited_for() -> None:
    warmth = Watch().warmth

    assert not warmth.entered(1)
    assert not warmth.entered(1)
    assert warmth.entered(2)
    assert not warmth.entered(2)


class Beside(Calls):
    """Does what is to be done beside at once, and counts it."""

    def __init__(self) -> None:
        super().__init__()
        self.done = 0

    def beside(self, job: object) -> None:
        job()  # type: ignore[operator]
        self.done += 1


def ran(folder: Path, calls: Calls, cold: Histogram, times: int) -> list[float]:
    """What so many runs in a row waited for a process."""
    engine = Sandbox(lambda: Unchecked(clock=SystemClock(), calls=calls), cold=cold)
    try:
        bench = Bench(folder, engine)
        return [bench.run(source("return {}"))[1].usage.cold_ms for _ in range(times)]
    finally:
        engine.close()


def test_a_run_after_a_process_was_replaced_says_what_it_waited(tmp_path: Path) -> None:
    cold = Histogram()

    waits = ran(tmp_path, Calls(), cold, 102)

    assert [wait > 0 for wait in waits].count(True) == 1
    assert sum(cold.counts) == 1


def test_with_threads_the_next_process_is_there_before_it_is_wanted(tmp_path: Path) -> None:
    beside, cold = Beside(), Histogram()

    waits = ran(tmp_path, beside, cold, 102)

    assert not any(waits)
    assert beside.done == 1
    assert not sum(cold.counts)


def test_processes_are_started_for_as_many_runs_as_there_were_at_once() -> None:
    pool, together = Pool(at_once=3), threading.Barrier(3)
    seen: list[float] = []

    def host(*arguments: str) -> str:
        together.wait()
        return "null"

    def run() -> None:
        pool.run("_edge_host()", {}, host, Bounds(60.0, 16_000_000, 10), seen.append)

    try:
        for expected in (2, 2):  # the first three find one process; the next find all three
            threads = [threading.Thread(target=run) for _ in range(3)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert len(seen) == expected
    finally:
        pool.close()
