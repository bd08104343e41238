"""What tasks remember: the newest, within its bounds, on a real journal over files in memory."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from edge.config.tasks import TaskSettings
from edge.errors import LimitExceeded
from edge.journal import Journal, JournalError, Limits, open_journal
from edge.runs.memory import Memories, TaskMemory
from edge.runs.run import Run
from edge.testing.clock import VirtualClock
from edge.testing.files import MemoryFiles

HOUR = 3600.0


class Bench:
    """A journal and the memories in it, through restarts and crashes."""

    def __init__(self, tables: int = 64) -> None:
        self.files, self.clock, self.tables = MemoryFiles(), VirtualClock(), tables
        self.boot()

    def boot(self) -> None:
        self.journal: Journal = open_journal(
            "/journal", clock=self.clock, files=self.files, limits=Limits(tables=self.tables)
        )
        self.memories = Memories(self.journal, self.clock, self.tables)

    def restart(self) -> None:
        self.memories.tick(last=True)
        self.journal.close()
        self.boot()

    def crash(self, *, power: bool = True) -> None:
        self.files.crash(1, power=power)
        self.boot()

    def memory(self, task: str = "job", **settings: Any) -> TaskMemory:
        return self.memories.of(run(task, **settings))


def run(task: str = "job", **settings: Any) -> Run:
    found = TaskSettings.model_validate({"when": {"source": "s"}, "memory": settings}, strict=False)
    return cast("Run", SimpleNamespace(task=SimpleNamespace(name=task, settings=found)))


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.journal.close()


def test_the_newest_come_first_and_are_there_after_restart_crash_and_power_cut(bench: Bench) -> None:
    for count in range(3):
        bench.memory().append({"count": count})

    for again in (bench.restart, bench.crash, lambda: bench.crash(power=False)):
        again()
        assert bench.memory().read() == [{"count": 2}, {"count": 1}, {"count": 0}]
        assert bench.memory().read(limit=2) == [{"count": 2}, {"count": 1}]
    assert bench.memory("other").read() == []
    assert bench.memories.recall(run(recall=1)) == [{"count": 2}]
    assert bench.memories.recall(run()) == ()


def test_what_is_given_is_a_copy(bench: Bench) -> None:
    value = {"list": [1]}
    bench.memory().append(value)
    value["list"].append(2)
    bench.memory().read()[0]["list"].append(3)

    assert bench.memory().read() == [{"list": [1]}]


def test_beyond_its_bounds_the_oldest_go(bench: Bench) -> None:
    for count in range(10):
        bench.memory(entries=3).append(count)
    assert bench.memory(entries=3).read() == [9, 8, 7]
    assert len(bench.journal.table("memory.job")) == 3

    bench.memory("wide", size="1KB").append("a" * 600)
    bench.memory("wide", size="1KB").append("b" * 300)
    bench.memory("wide", size="1KB").append("c" * 300)
    assert [value[0] for value in bench.memory("wide", size="1KB").read()] == ["c", "b"]


def test_an_append_is_one_frame_also_when_others_go_for_it(bench: Bench) -> None:
    memory = bench.memory(entries=2)
    for count in range(5):
        before = bench.journal.store._changes
        memory.append(count)
        assert bench.journal.store._changes == before + 1


def test_bounds_that_became_narrower_count_at_once(bench: Bench) -> None:
    for count in range(5):
        bench.memory().append(count)
    bench.restart()

    assert bench.memory(entries=2).read() == [4, 3]
    bench.memory(entries=2).append(5)
    assert len(bench.journal.table("memory.job")) == 2


def test_a_value_larger_than_the_memory_is_refused_with_number_and_limit(bench: Bench) -> None:
    bench.memory(size="1KB").append("kept")
    with pytest.raises(LimitExceeded, match=r"an entry of 1002 bytes, tasks\.job\.memory\.size is 1000"):
        bench.memory(size="1KB").append("x" * 1000)

    assert bench.memory(size="1KB").read() == ["kept"]


@pytest.mark.parametrize("ttl", [0, -1, float("nan"), float("inf"), True, "1h"])
def test_a_time_to_live_is_a_number_above_zero(bench: Bench, ttl: Any) -> None:
    with pytest.raises(ValueError, match="ttl is a number of seconds, more than 0"):
        bench.memory().append(1, ttl=ttl)


def test_what_is_not_json_is_refused(bench: Bench) -> None:
    with pytest.raises(TypeError):
        bench.memory().append({1, 2})
    with pytest.raises(ValueError, match="not -1"):
        bench.memory().read(limit=-1)


def test_search_finds_text_in_any_case_newest_first(bench: Bench) -> None:
    for value in ({"note": "Door OPEN"}, "closed", {"note": "open again"}, "straße"):
        bench.memory().append(value)

    assert bench.memory().search("open") == [{"note": "open again"}, {"note": "Door OPEN"}]
    assert bench.memory().search("Open", limit=1) == [{"note": "open again"}]
    assert bench.memory().search("STRASSE") == ["straße"]
    assert bench.memory().search('"note":"door') == [{"note": "Door OPEN"}]
    assert len(bench.memory().search("")) == 4


def test_entries_expire_by_the_tasks_time_or_their_own(bench: Bench) -> None:
    bench.memory(ttl="2h").append("task's")
    bench.memory(ttl="2h").append("own", ttl=HOUR)
    bench.memory(ttl="2h").append("longer than the task's", ttl=9 * HOUR)
    bench.clock.advance(HOUR)
    assert bench.memory(ttl="2h").read() == ["longer than the task's", "task's"]
    bench.clock.advance(HOUR)
    assert bench.memory(ttl="2h").read() == []

    bench.memory(ttl="2h").append("new")
    assert len(bench.journal.table("memory.job")) == 1


def test_only_time_that_the_runtime_ran_makes_an_entry_old(bench: Bench) -> None:
    bench.memory().append("kept", ttl=2 * HOUR)
    bench.clock.step_wall(10 * 365 * 86_400)
    assert bench.memory().read() == ["kept"]
    bench.clock.advance(1.9 * HOUR)
    bench.restart()
    assert bench.memory().read() == ["kept"]
    bench.clock.advance(0.1 * HOUR)
    assert bench.memory().read() == []


def test_a_crash_forgets_a_sixteenth_of_the_shortest_time_to_live_at_most(bench: Bench) -> None:
    bench.memory().append("old", ttl=16 * HOUR)
    for _ in range(16 * 60):
        bench.clock.advance(60)
        bench.memories.tick()
    bench.clock.advance(HOUR - 1)
    bench.crash()
    assert bench.memories.age() >= 16 * HOUR - 1
    bench.clock.advance(HOUR)
    assert bench.memory().read() == []


def test_how_long_it_ran_costs_a_frame_an_hour_and_nothing_without_memories(bench: Bench) -> None:
    def ticks() -> int:
        before = bench.journal.store._changes
        for _ in range(600):
            bench.clock.advance(60)
            bench.memories.tick()
        return bench.journal.store._changes - before

    assert ticks() == 0
    bench.memory().append(1)
    assert ticks() == 10
    bench.memory().append(2, ttl=60.0)
    assert ticks() == 600


def test_many_short_lived_entries_leave_nothing_behind_in_memory(bench: Bench) -> None:
    memory = bench.memory(entries=5)
    for count in range(200):
        memory.append(count, ttl=HOUR)

    assert len(memory._entries._due) <= 10


def test_of_removed_tasks_the_memories_used_last_stay(bench: Bench) -> None:
    for count in range(12):
        bench.memory(f"task-{count}").append(count)
        bench.clock.advance(1)
    bench.restart()
    bench.memories.tidy({"task-0": run().task.settings})

    left = {name for name in bench.journal.tables() if name.startswith("memory.")}
    assert left == {"memory.task-0", *(f"memory.task-{count}" for count in range(4, 12))}
    assert bench.memory("task-11").read() == [11]


def test_memories_of_removed_tasks_give_way_where_tables_are_short() -> None:
    bench = Bench(tables=8)
    for count in range(7):
        bench.memory(f"old-{count}").append(count)
        bench.clock.advance(1)
    bench.restart()  # the eighth table says how long it ran
    wanted = {f"new-{count}": run().task.settings for count in range(3)}
    bench.memories.tidy(wanted)
    for name in wanted:
        bench.memory(name).append(name)

    assert bench.memory("old-6").read() == [6]
    assert "memory.old-2" not in bench.journal.tables()
    with pytest.raises(JournalError, match="at most 8 state tables"):
        bench.memory("one-more").append(1)


def test_what_is_forgotten_is_gone_for_good(bench: Bench) -> None:
    bench.memory().append(1)
    bench.memories.forget("job")
    bench.memories.forget("never there")

    assert bench.memory().read() == []
    bench.crash()
    assert bench.memory().read() == []


@pytest.mark.parametrize("call", ["write", "sync"])
def test_after_a_disk_that_refused_it_knows_what_the_table_has(bench: Bench, call: str) -> None:
    memory = bench.memory(entries=2)
    memory.append(1)
    memory.append(2)
    bench.files.fail(call, errno.EIO, times=100)
    with pytest.raises(JournalError):
        memory.append(3)
    bench.files.faults.clear()
    memory.append(4)

    expected = [4, 2] if call == "write" else [4, 3]  # where the sync failed, the change stands
    assert memory.read() == expected
    bench.crash(power=False)
    assert bench.memory(entries=2).read() == expected
