"""What a run leaves for itself before a crash: kept until its outcome is durable, and until the next change."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from edge.errors import LimitExceeded
from edge.journal import Journal, open_journal
from edge.model import Record, RecordClass, RecordKind
from edge.runs.checkpoints import Checkpoints
from edge.runs.run import Run
from edge.testing.clock import VirtualClock
from edge.testing.files import MemoryFiles


class Bench:
    """A journal in which runs are promised and end."""

    def __init__(self) -> None:
        self.files, self.clock = MemoryFiles(), VirtualClock()
        self.boot()

    def boot(self) -> None:
        self.journal: Journal = open_journal("/journal", clock=self.clock, files=self.files)
        self.checkpoints = Checkpoints(self.journal)

    def crash(self, *, power: bool = True) -> None:
        self.files.crash(1, power=power)
        self.boot()

    def promise(self, name: str) -> Run:
        self.journal.append([Record(RecordKind.ACCEPTED, RecordClass.TELEMETRY, name, b"{}")])
        self.journal.commit()
        return run(name)

    def end(self, name: str) -> None:
        """Not durable before the next commit."""
        self.journal.append([Record(RecordKind.OUTCOME, RecordClass.TELEMETRY, name, b"{}")])

    @property
    def kept(self) -> list[str]:
        return [document["run"] for document in self.journal.table("checkpoints")]


def run(name: str) -> Run:
    return cast("Run", SimpleNamespace(id=name))


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_run_finds_what_it_saved_last_and_no_other_run_does(bench: Bench) -> None:
    one, other = bench.promise("one"), bench.promise("other")
    bench.checkpoints.save(one, {"step": 1})
    bench.checkpoints.save(other, "mine")
    bench.checkpoints.save(one, {"step": 2})

    bench.crash()
    assert bench.checkpoints.load(one) == {"step": 2}
    assert bench.checkpoints.load(other) == "mine"
    assert bench.checkpoints.load(run("third")) is None


def test_a_checkpoint_stays_until_the_outcome_is_durable(bench: Bench) -> None:
    bench.checkpoints.save(bench.promise("one"), 1)
    bench.end("one")
    bench.checkpoints.sweep()
    bench.crash()  # the outcome was not durable: the run happens again

    assert bench.checkpoints.load(run("one")) == 1


def test_the_next_save_removes_those_of_runs_that_are_over(bench: Bench) -> None:
    for name in ("one", "two"):
        bench.checkpoints.save(bench.promise(name), name)
    bench.end("one")
    bench.journal.commit()
    assert bench.kept == ["one", "two"]

    before = bench.journal.store._changes
    bench.checkpoints.save(bench.promise("three"), 3)
    assert bench.kept == ["two", "three"]
    assert bench.journal.store._changes == before + 1


def test_the_next_start_removes_those_of_runs_that_are_over(bench: Bench) -> None:
    for name in ("one", "two"):
        bench.checkpoints.save(bench.promise(name), name)
    bench.end("one")
    bench.journal.commit()
    bench.crash()
    bench.checkpoints.sweep()

    assert bench.kept == ["two"]


def test_there_are_a_hundred_at_most_and_the_oldest_goes(bench: Bench) -> None:
    for count in range(103):
        bench.checkpoints.save(bench.promise(f"run-{count}"), count)

    assert len(bench.kept) == 100
    assert bench.checkpoints.load(run("run-2")) is None
    assert bench.checkpoints.load(run("run-3")) == 3


def test_a_checkpoint_is_json_of_64_kb(bench: Bench) -> None:
    one = bench.promise("one")
    bench.checkpoints.save(one, "x" * 63_998)
    with pytest.raises(LimitExceeded, match="checkpoint: 64001 bytes, the limit is 64000"):
        bench.checkpoints.save(one, "x" * 63_999)
    with pytest.raises(TypeError):
        bench.checkpoints.save(one, object())

    assert len(bench.checkpoints.load(one)) == 63_998


def test_without_checkpoints_there_is_no_table(bench: Bench) -> None:
    bench.checkpoints.sweep()
    assert bench.checkpoints.load(run("one")) is None

    assert bench.journal.tables() == set()
