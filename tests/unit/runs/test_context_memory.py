"""Memory and checkpoints in a task's hand: granted, counted, and as they were when the run began."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from edge import ObservedRun, Observer
from edge.config.tasks import TaskSettings
from edge.errors import LimitExceeded, NotGranted, RunTimeout
from edge.journal import Journal, open_journal
from edge.model import Event, EventKind, Record, RecordClass, RecordKind
from edge.runs.checkpoints import Checkpoints
from edge.runs.context import RunContext
from edge.runs.inline import Inline
from edge.runs.load import load_task
from edge.runs.memory import Memories
from edge.runs.observers import Observers
from edge.runs.run import Run
from edge.runs.surroundings import Surroundings
from edge.testing.clock import VirtualClock
from edge.testing.files import MemoryFiles


class Bench:
    def __init__(self, folder: Path) -> None:
        self.folder, self.clock = folder, VirtualClock()
        self.journal: Journal = open_journal("/journal", clock=self.clock, files=MemoryFiles())
        self.observers = Observers((), self.clock.monotonic)
        self.memories, self.checkpoints = Memories(self.journal, self.clock, 64), Checkpoints(self.journal)
        (folder / "app.py").write_text("from edge import task\n@task\ndef job(event, ctx): ...\n")
        self.journal.append([Record(RecordKind.ACCEPTED, RecordClass.TELEMETRY, "id", b"{}")])
        self.journal.commit()

    def context(self, *, recovered: bool = False, **settings: Any) -> RunContext:
        found = TaskSettings.model_validate({"when": {"source": "s"}, "run": "./app.py:job", **settings})
        task = load_task("job", found, self.folder, Inline())
        event = Event(id="e", source="s", kind=EventKind.MESSAGE, values={}, time=0.0, monotonic=0.0)
        run = Run("id", task, event, orjson.dumps(event.data()), recovered=recovered)
        run.started = self.clock.monotonic()
        around = Surroundings(
            clock=self.clock,
            mint=lambda: "x",
            matches=lambda *_: False,
            memories=self.memories,
            checkpoints=self.checkpoints,
            observers=self.observers,
        )
        return RunContext(run, around)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_without_memory_it_is_not_granted_and_nothing_is_recalled(bench: Bench) -> None:
    ctx = bench.context()
    with pytest.raises(NotGranted, match=r"add it to tasks\.job\.memory"):
        _ = ctx.memory

    assert ctx.recalled == ()


def test_each_use_of_memory_is_a_step_also_of_one_that_is_held(bench: Bench) -> None:
    memory = bench.context(memory={}, limits={"steps": 3}).memory
    memory.append(1)
    assert memory.read() == memory.search("1") == [1]
    with pytest.raises(LimitExceeded, match=r"limits\.steps is 3"):
        memory.append(2)


def test_what_is_over_remembers_nothing_more(bench: Bench) -> None:
    memory = bench.context(memory={}, limits={"time": "1s"}).memory
    bench.clock.advance(2)
    with pytest.raises(RunTimeout):
        memory.append(1)

    assert bench.context(memory={}).memory.read() == []


def test_what_was_recalled_is_what_was_there_when_the_run_began(bench: Bench) -> None:
    bench.context(memory={}).memory.append("before")
    ctx = bench.context(memory={"recall": 5})
    ctx.memory.append("now")

    assert ctx.recalled == ("before",)
    assert bench.context(memory={"recall": 5}).recalled == ("now", "before")


def test_what_it_resumes_from_is_what_was_there_when_the_run_began(bench: Bench) -> None:
    first = bench.context(on_crash="resume")
    first.checkpoint({"page": 1})
    assert first.resumed is None

    second = bench.context(on_crash="resume", recovered=True)
    second.checkpoint({"page": 2})
    assert second.resumed == {"page": 1}
    assert bench.context(on_crash="resume", recovered=True).resumed == {"page": 2}
    assert bench.context(on_crash="rerun", recovered=True).resumed is None
    assert bench.context(on_crash="resume").resumed is None


def test_an_observer_reads_in_its_documentation_what_a_use_of_the_memory_is_called(tmp_path: Path) -> None:
    heard: list[str] = []

    class Steps(Observer):
        def step(self, run: ObservedRun, use: str) -> None:
            heard.append(use)

    bench = Bench(tmp_path)
    bench.observers = Observers((Steps(),), bench.clock.monotonic)
    ctx = bench.context(memory={})
    ctx.memory.append(1)
    ctx.memory.read()
    ctx.memory.search("1")
    ctx.partial("half")
    ctx.note("one")
    ctx.checkpoint(1)
    guide = (Path(__file__).parents[3] / "docs" / "guides" / "tasks.md").read_text(encoding="utf-8")

    assert heard == ["memory.append", "memory.read", "memory.search", "partial", "note", "checkpoint"]
    for use in heard:
        assert f"`{use}`" in str(Observer.step.__doc__)
        assert f"`{use}`" in next(line for line in guide.splitlines() if line.startswith("| `step(run, use)`"))
