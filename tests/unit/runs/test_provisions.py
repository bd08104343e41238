"""What a run is given is as it was when the run began, and its own."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from edge.errors import RunCancelled
from edge.runs.context import RunContext
from edge.runs.run import Run

APP = """
@task
def look(event: Event, ctx: Context) -> int:
    return 1
"""


class Remembered:
    def __init__(self) -> None:
        self.values: list[Any] = [{"n": 2}, {"n": 1}]
        self.broken = False

    def of(self, run: Run) -> Any:
        raise AssertionError("not asked for")

    def recall(self, run: Run) -> list[Any]:
        if self.broken:
            raise OSError("the disk is gone")
        return self.values[: run.task.settings.memory.recall]


class Given:
    def __init__(self, bench) -> None:
        self.memories = Remembered()
        self.last: dict[str, dict[str, float | bool]] = {"room": {"temperature": 21.5}}
        self.run = Run("r1", bench.tasks["look"], bench.event(), b"{}")
        self.run.started = bench.clock.monotonic()
        self.around = dataclasses.replace(
            bench.pipeline._around, memories=self.memories, readings=lambda name: self.last.get(name, {})
        )

    def context(self) -> RunContext:
        return RunContext(self.run, self.around)


@pytest.fixture
def given(workbench):
    def make(**settings: Any) -> Given:
        return Given(workbench(APP, look=settings))

    return make


def test_memory_is_recalled_as_it_was_when_the_run_began(given):
    one = given(memory={"recall": 2})
    ctx = one.context()

    one.memories.values.insert(0, {"n": 3})

    assert ctx.recalled == ({"n": 2}, {"n": 1})


def test_without_recall_the_memory_is_not_even_read(given):
    for settings in ({}, {"memory": {}}):
        one = given(**settings)
        one.memories.broken = True
        assert one.context().recalled == ()


def test_a_memory_that_cannot_be_read_fails_only_who_asks_for_it(given):
    one = given(memory={"recall": 1})
    one.memories.broken = True
    ctx = one.context()

    assert ctx.remaining() > 0
    with pytest.raises(OSError, match="the disk is gone"):
        _ = ctx.recalled


def test_readings_are_those_of_the_beginning_and_a_device_without_any_is_empty(given):
    one = given(readings=["room", "door"])
    ctx = one.context()

    one.last["room"] = {"temperature": 99.0}
    ctx.readings["room"]["temperature"] = 0.0

    assert ctx.readings == {"room": {"temperature": 21.5}, "door": {}}


def test_config_is_a_copy_every_time(given):
    ctx = given(config={"names": ["a"]}).context()

    ctx.config["names"].append("b")

    assert ctx.config == {"names": ["a"]}


def test_once_the_outcome_is_written_every_door_is_shut(given):
    one = given()
    ctx = one.context()
    assert one.run.end()

    for use in (lambda: ctx.note("x"), lambda: ctx.partial("x"), lambda: ctx.checkpoint(1), lambda: ctx.device("fan")):
        with pytest.raises(RunCancelled, match="this run is over"):
            use()
