"""A device that hangs does not hang a run of the sandbox."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("pydantic_monty")

from edge.model import Status
from edge.runs.calls import MOST, Calls
from edge.runs.engines import lacking
from edge.runs.inline import Inline
from edge.runs.sandbox.engine import Sandbox
from edge.threads import Threads
from tests.unit.runs.sandbox.attacks import source
from tests.unit.runs.sandbox.bench import Bench, Unchecked


class Hung:
    """A device that answers when it is let go."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.asked = 0

    def set(self, value: object) -> None:
        self.asked += 1
        self.gate.wait()

    def read(self) -> dict[str, float | bool]:
        self.set(None)
        return {}


@pytest.fixture
def calls() -> Iterator[Calls]:
    threads, calls = Threads(pytest.fail), Calls()
    calls.open(threads.spawn)
    yield calls
    calls.close()
    assert not threads.join(60.0)


@pytest.fixture
def bench(tmp_path: Path, calls: Calls) -> Iterator[Bench]:
    engine = Sandbox(Unchecked, calls=calls)
    bench = Bench(tmp_path, engine)
    bench.lamp = Hung()  # type: ignore[assignment]
    yield bench
    bench.lamp.gate.set()  # type: ignore[attr-defined]
    engine.close()


def test_the_run_ends_at_its_limit_and_the_call_is_counted(bench: Bench, calls: Calls) -> None:
    ending, _ = bench.run(source("ctx.device('lamp').set(1)\nreturn {}"), time=0.1)

    assert ending.status is Status.TIMEOUT
    assert ending.error is not None
    assert "limits.time of 0.1 s is over" in ending.error["message"]
    assert calls.stuck == 1


def test_after_a_few_no_further_call_is_made_and_it_is_said(bench: Bench, calls: Calls) -> None:
    while calls.stuck < MOST:  # on a busy machine a run may be over before it calls
        bench.run(source("ctx.device('lamp').read()\nreturn {}"), time=0.05)

    ending, _ = bench.run(source("ctx.device('lamp').read()\nreturn {}"))

    assert ending.error is not None
    assert ending.error["type"] == "CallLate"
    assert "no further one is made" in ending.error["message"]
    assert bench.lamp.asked == MOST  # type: ignore[attr-defined]
    [(name, lacks)] = lacking({"inline": Inline()}, ["inline"], calls).items()
    assert (name, "4 of at most 4 calls" in lacks) == ("calls", True)


def test_a_thinner_wall_is_said() -> None:
    class Thin(Sandbox):
        degraded = "bwrap does not work here"  # type: ignore[assignment]

    engines = {"inline": Inline(), "sandbox": Thin()}

    assert lacking(engines, ["inline", "sandbox"], Calls()) == {"sandbox": "bwrap does not work here"}
    assert lacking(engines, ["inline"], Calls()) == {}
