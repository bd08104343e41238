"""What tasks remember and what runs leave for themselves, against the simplest memory there is: power, process and disk
fail anywhere. What was said to be durable is there; what was interrupted is wholly there or not at all."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from edge.config.tasks import TaskSettings
from edge.journal import Journal, JournalError, open_journal
from edge.model import Record, RecordClass, RecordKind
from edge.runs.checkpoints import Checkpoints
from edge.runs.memory import Memories, TaskMemory
from edge.runs.run import Run
from edge.testing.clock import VirtualClock
from edge.testing.files import PowerCut

from .rings import KeyedFiles, both

FOLDER = "/journal"
TASKS = ("door", "oven")
SETTINGS: tuple[dict[str, Any], ...] = (
    {},
    {"entries": 3},
    {"entries": 5, "size": "1KB"},
    {"ttl": "5m"},
    {"entries": 4, "ttl": "1h"},
)


def run(name: str, **memory: Any) -> Run:
    found = TaskSettings.model_validate({"when": {"source": "s"}, "memory": memory})
    return cast("Run", SimpleNamespace(id=name, task=SimpleNamespace(name=name, settings=found)))


@dataclass
class Entry:
    """`since`: the running time at which it came, `late`: what crashes since then may have taken back, `sure`: no
    append since then had reason to remove it."""

    value: Any
    size: int
    ttl: float | None
    since: float
    late: float = 0.0
    sure: bool = True


class Machine(RuleBasedStateMachine):
    """A list a task, oldest first, and the memories that must say the same."""

    journal: Journal
    memories: Memories

    @initialize(encrypted=st.booleans())
    def begin(self, encrypted: bool) -> None:
        self.files, self.clock = KeyedFiles(encrypted=encrypted), VirtualClock()
        self.model: dict[str, list[Entry]] = {task: [] for task in TASKS}
        self.configured = dict.fromkeys(TASKS, SETTINGS[0])
        self.count = 0
        self.boot()

    def boot(self) -> None:
        self.journal = open_journal(FOLDER, clock=self.clock, files=self.files, keys=self.files.keys)
        self.memories = Memories(self.journal, self.clock, 64)
        tasks = {name: run(name, **memory).task.settings for name, memory in self.configured.items()}
        self.memories.tidy(tasks)

    def memory(self, task: str) -> TaskMemory:
        return self.memories.of(run(task, **self.configured[task]))

    # -- what is done with it -----------------------------------------------------------------------------------------

    @rule(task=st.sampled_from(TASKS), size=st.sampled_from((1, 300)), ttl=st.none() | st.sampled_from((30.0, 900.0)))
    def append(self, task: str, size: int, ttl: float | None) -> None:
        self._append(task, size, ttl)

    @rule(task=st.sampled_from(TASKS), cut=st.integers(0, 6), power=st.booleans(), seed=st.integers(0, 99))
    def append_while_it_goes_down(self, task: str, cut: int, power: bool, seed: int) -> None:
        self.files.cut_at = self.files.steps + cut
        try:
            self._append(task, 5, None)
        except PowerCut:
            interrupted = self.model[task].pop()
            self.go_down(power, seed)
            if interrupted.value in self.memory(task).read():
                interrupted.late += 3600.0
                self.model[task].append(interrupted)  # wholly there: from now on it is known
        self.files.cut_at = None

    @rule(task=st.sampled_from(TASKS), call=st.sampled_from(("write", "sync", "create")))
    def append_while_the_disk_fails(self, task: str, call: str) -> None:
        self.files.fail(call, errno.EIO, times=50)
        try:
            self._append(task, 5, None)
        except JournalError:
            entry = self.model[task].pop()
            if entry.value in self.memory(task).read():
                self.model[task].append(entry)  # the sync failed: it stands, and the next change makes it durable
        self.files.faults.clear()
        self.journal.commit()

    def _append(self, task: str, size: int, ttl: float | None) -> None:
        self.count += 1
        value = [self.count, "x" * size]
        length = len(f'[{self.count},"{"x" * size}"]')
        self.model[task].append(Entry(value, length, ttl, self.clock.monotonic()))
        certain, possible = self.expected(task)
        for entry in self.model[task]:
            entry.sure = entry in certain
        self.memory(task).append(value, ttl=ttl)
        self.model[task] = possible

    @rule(seconds=st.sampled_from((1.0, 20.0, 200.0, 2000.0)))
    def time_passes(self, seconds: float) -> None:
        """As the journal's thread does, it looks around every second, or here every ten."""
        while seconds > 0:
            self.clock.advance(min(seconds, 10.0))
            self.memories.tick()
            seconds -= 10.0

    @rule(seconds=st.sampled_from((-1e9, -3600.0, 3600.0, 1e9)))
    def the_wall_clock_steps(self, seconds: float) -> None:
        self.clock.step_wall(seconds)

    @rule(power=st.booleans(), seed=st.integers(0, 99))
    def go_down(self, power: bool, seed: int) -> None:
        self.files.crash(seed, power=power)
        forgotten = self.forgotten()
        for entries in self.model.values():
            for entry in entries:
                entry.late += forgotten + 10.0  # it looks around every ten seconds
        self.boot()

    def forgotten(self) -> float:
        """Seconds that a crash may take back now: a sixteenth of the shortest time to live, a minute to an hour."""
        lives = [entry.ttl for task in TASKS for entry in self.expected(task)[0]]
        lives += [run(task, **memory).task.settings.memory.ttl for task, memory in self.configured.items()]
        return min(3600.0, max(60.0, min((life for life in lives if life is not None), default=1e12) / 16))

    @rule()
    def stop_and_start(self) -> None:
        self.memories.tick(last=True)
        self.journal.close()
        self.boot()

    @rule(task=st.sampled_from(TASKS), memory=st.sampled_from(SETTINGS))
    def reconfigure(self, task: str, memory: dict[str, Any]) -> None:
        self.configured[task] = memory
        self.stop_and_start()

    @rule(task=st.sampled_from(TASKS))
    def forget(self, task: str) -> None:
        self.memories.forget(task)
        self.model[task] = []

    # -- what must be true --------------------------------------------------------------------------------------------

    @rule(task=st.sampled_from(TASKS))
    def look(self, task: str) -> None:
        self.check(task)

    def teardown(self) -> None:
        if hasattr(self, "journal"):
            for task in TASKS:
                self.check(task)
            self.journal.close()

    def check(self, task: str) -> None:
        found = self.memory(task).read(limit=10_000)[::-1]
        certain, possible = self.expected(task)
        values = [entry.value for entry in possible]
        assert [value for value in values if value in found] == found, "in order, and nothing that should be gone"
        assert all(entry.value in found for entry in certain), "something that is not old is gone"
        assert self.memory(task).search("x", limit=10_000) == found[::-1]
        settled = self.memory(task)._settings
        assert len(found) <= settled.entries
        assert sum(len(str(value)) - 1 for value in found) <= settled.size + 2 * len(found)

    def expected(self, task: str) -> tuple[list[Entry], list[Entry]]:
        """What must be there, and what may be: a crash lets an entry live longer, never shorter."""
        memory = run(task, **self.configured[task]).task.settings.memory
        assert memory is not None
        now = self.clock.monotonic()
        lives = [(entry, min(entry.ttl or 1e12, memory.ttl or 1e12)) for entry in self.model[task]]
        possible = [entry for entry, life in lives if now - entry.since < life + entry.late + 0.001]
        alive = [entry for entry, life in lives if now - entry.since < life - 0.001]
        newest, size = [], 0
        for entry in reversed(possible):  # room that dead ones might take counts against what must be there
            size += entry.size
            if len(newest) == memory.entries or size > memory.size:
                break
            newest.append(entry)
        return [entry for entry in alive if entry in newest and entry.sure], possible


@pytest.mark.timeout(120)
def test_memories_say_what_a_list_says_whatever_happens() -> None:
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large]
    run_state_machine_as_test(
        Machine, settings=settings(max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=checks)
    )


# -- every call -------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def cut_at(files: KeyedFiles, cut: int) -> Iterator[None]:
    files.cut_at = files.steps + cut
    with contextlib.suppress(PowerCut):
        yield
    files.cut_at = None


def opened(files: KeyedFiles) -> Journal:
    return open_journal(FOLDER, clock=VirtualClock(), files=files, keys=files.keys)


@both
@pytest.mark.parametrize("power", [True, False], ids=("power cut", "kill"))
def test_an_append_that_returned_is_there_and_another_is_whole_or_absent(encrypted: bool, power: bool) -> None:
    for cut in range(40):
        files, said = KeyedFiles(encrypted=encrypted), []
        journal = opened(files)
        with cut_at(files, cut):
            memory = Memories(journal, VirtualClock(), 64).of(run("job", entries=4))
            for count in range(8):
                memory.append([count, "y" * 700])
                said.append(count)
        files.crash(cut, power=power)
        found = Memories(opened(files), VirtualClock(), 64).of(run("job", entries=4)).read()

        numbers = [value[0] for value in found]
        newest = numbers[0] if numbers else -1
        assert newest in (len(said) - 1, len(said))
        assert numbers == list(range(newest, max(newest - 4, -1), -1)), "the oldest went without the new one"
        assert all(value[1] == "y" * 700 for value in found)


@both
@pytest.mark.parametrize("power", [True, False], ids=("power cut", "kill"))
def test_a_checkpoint_that_was_saved_is_there_or_a_later_one_and_always_one(encrypted: bool, power: bool) -> None:
    for cut in range(40):
        files, said = KeyedFiles(encrypted=encrypted), 0
        journal = opened(files)
        for name in ("over", "job"):
            journal.append([Record(RecordKind.ACCEPTED, RecordClass.TELEMETRY, name, b"{}")])
        journal.commit()
        Checkpoints(journal).save(run("over"), "old")
        journal.append([Record(RecordKind.OUTCOME, RecordClass.TELEMETRY, "over", b"{}")])
        journal.commit()
        with cut_at(files, cut):
            checkpoints = Checkpoints(journal)
            for count in range(1, 9):
                checkpoints.save(run("job"), {"step": count, "text": "z" * 3000})
                said = count
        files.crash(cut, power=power)
        journal = opened(files)
        found = Checkpoints(journal).load(run("job"))

        assert found is not None or said == 0
        assert found is None or found == {"step": found["step"], "text": "z" * 3000}
        assert found is None or found["step"] in (said, said + 1)
        assert len(journal.table("checkpoints")) == 1, "two of one run, or none"
