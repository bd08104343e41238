"""A call that hangs hangs nobody: who asked goes on, and a bus that hangs costs a few threads, not one for each run."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from edge.runs.calls import MOST, CallLate, Calls
from edge.threads import Threads

SHORT = 0.01  # seconds
LONG = 60.0


class Site:
    """Calls with real threads, and a call that hangs until it is let go."""

    def __init__(self) -> None:
        self.failed: list[str] = []
        self.spawned: list[str] = []
        self.threads = Threads(self.failed.append)
        self.calls = Calls()
        self.calls.open(self.spawn)
        self.gate = threading.Event()

    def spawn(self, name: str, body: object) -> None:
        self.spawned.append(name)
        self.threads.spawn(name, body)  # type: ignore[arg-type]

    def hang(self) -> None:
        self.gate.wait()

    def end(self) -> list[str]:
        self.gate.set()
        self.calls.close()
        return self.threads.join(LONG)


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    assert not site.end()
    assert not site.failed


def test_what_a_call_returns_and_raises_comes_back(site: Site) -> None:
    assert site.calls.make(lambda: 7, LONG) == 7
    with pytest.raises(ZeroDivisionError):
        site.calls.make(lambda: 1 // 0, LONG)


def test_one_thread_makes_one_call_after_the_other(site: Site) -> None:
    names = {site.calls.make(lambda: threading.current_thread().name, LONG) for _ in range(20)}

    assert names == {"calls-1"} == set(site.spawned)


def test_who_waits_for_a_hung_call_goes_on_and_it_is_counted(site: Site) -> None:
    with pytest.raises(CallLate, match=r"longer than 0\.01 s"):
        site.calls.make(site.hang, SHORT)

    assert site.calls.stuck == 1
    assert site.calls.degraded == f"1 of at most {MOST} calls to devices and tools do not return"
    assert site.calls.make(lambda: 7, LONG) == 7


def test_when_too_many_hang_no_further_one_is_made(site: Site) -> None:
    for _ in range(MOST):
        with pytest.raises(CallLate):
            site.calls.make(site.hang, SHORT)
    made: list[int] = []

    with pytest.raises(CallLate, match="no further one is made"):
        site.calls.make(lambda: made.append(1), LONG)

    assert not made
    assert "no further ones are made" in site.calls.degraded
    assert len(site.spawned) == MOST


def test_a_call_that_comes_back_after_all_is_not_counted_any_more(site: Site) -> None:
    with pytest.raises(CallLate):
        site.calls.make(site.hang, SHORT)

    site.end()

    assert site.calls.stuck == 0
    assert not site.calls.degraded


def test_without_threads_a_call_is_made_where_it_is_asked_for() -> None:
    calls = Calls()

    assert calls.make(threading.current_thread, SHORT) is threading.current_thread()
    calls.beside(lambda: pytest.fail("nobody may wait for it"))


def test_what_is_done_beside_nobody_waits_for(site: Site) -> None:
    done = threading.Event()

    def later() -> None:
        site.gate.wait()
        done.set()

    site.calls.beside(later)

    assert not done.is_set()
    site.gate.set()
    assert done.wait(LONG)
