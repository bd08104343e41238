"""Threads that end, fail and never return."""

from __future__ import annotations

import threading
import time

import pytest

from edge.threads import Threads


@pytest.fixture
def go():
    event = threading.Event()
    yield event
    event.set()


def test_what_runs_has_a_name_until_it_ends(go):
    threads = Threads(lambda reason: None)
    threads.spawn("pump", go.wait)
    assert threads.alive() == ["pump"]

    go.set()
    assert threads.join(30) == []
    assert threads.alive() == []


def test_a_thread_that_fails_is_said_by_name_and_reason(caplog):
    failures = []
    threads = Threads(failures.append)
    threads.spawn("pump", lambda: 1 // 0)

    assert threads.join(30) == []
    assert failures == ["thread pump ended: ZeroDivisionError: integer division or modulo by zero"]
    assert "thread pump ended" in caplog.text


def test_a_thread_that_ends_by_what_is_no_exception_is_said_too():
    failures = []
    threads = Threads(failures.append)

    def gone() -> None:
        raise SystemExit("a library thought so")

    threads.spawn("pump", gone)

    assert threads.join(30) == []
    assert failures == ["thread pump ended: SystemExit: a library thought so"]


def test_stuck_threads_are_waited_for_once_and_not_one_after_the_other(go):
    threads = Threads(lambda reason: None)
    for number in range(4):
        threads.spawn(f"stuck-{number}", go.wait)
    began = time.monotonic()

    assert threads.join(0.5) == ["stuck-0", "stuck-1", "stuck-2", "stuck-3"]
    assert time.monotonic() - began < 2.0
