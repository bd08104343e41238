"""Tasks that come and go while the pipeline runs: what was promised to their names is kept, or ends with a reason."""

from __future__ import annotations

import dataclasses

from edge.model import RecordKind, Start, Status, Stored
from edge.runs.gates.gate import Gates
from edge.runs.run import Run

FAN = """
@task
def cool(event: Event, ctx: Context) -> bool:
    ctx.device("fan").on()
    return True

@task
def warm(event: Event, ctx: Context) -> bool:
    ctx.device("fan").off()
    return True
"""

GRANTS = {"grant": {"devices": ["fan"]}}


class Days:
    """A life of so many runs."""

    def __init__(self, runs: int, version: int = 1) -> None:
        self.left = runs
        self.mark = {"name": "cool", "version": version}
        self.began: list[str] = []
        self.over: list[tuple[str, Status]] = []

    def begin(self, run: str) -> bool:
        if not self.left:
            return False
        self.left -= 1
        self.began.append(run)
        return True

    def ended(self, run: str, status: Status, missed: bool = False) -> None:
        if run in self.began:
            self.began.remove(run)
            self.over.append((run, status))


def versions(bench, *lives: Days):
    """Tasks that only differ in their lives, in the bench's `cool`."""
    return [dataclasses.replace(bench.tasks["cool"], life=life) for life in lives]


def test_a_task_that_is_added_while_it_runs_takes_events_from_then_on(workbench):
    bench = workbench(FAN, cool=GRANTS, warm=GRANTS)
    late = bench.tasks.pop("warm")
    bench.pipeline = bench.build()
    bench.send()
    bench.settle()

    bench.pipeline.add(late)
    bench.pipeline._triggers.names.append("warm")
    bench.send()
    bench.settle()

    assert [outcome.task for outcome in bench.journal.outcomes] == ["cool", "cool", "warm"]
    assert bench.telemetry.counter("edge_runs_total", task="warm", status="success").value == 1


def test_what_was_promised_to_a_removed_task_ends_cancelled_and_says_why(workbench):
    bench = workbench(FAN, cool=GRANTS)
    letters = [bench.send() for _ in range(3)]
    bench.pump()

    bench.pipeline.remove("cool", "the app was removed while this run waited for its turn")
    bench.settle()

    assert bench.fan.history == []
    assert [letter.settled for letter in letters] == [1, 1, 1]
    promises = [record.id for record in bench.journal.records if record.kind is RecordKind.ACCEPTED]
    assert [outcome.id for outcome in bench.journal.outcomes] == promises
    for outcome in bench.journal.outcomes:
        assert outcome.status is Status.CANCELLED
        assert outcome.error["message"] == "the app was removed while this run waited for its turn"
        assert (outcome.attempts, outcome.duration_ms) == (0, 0.0)


def test_an_event_for_a_removed_task_is_rejected_and_counted(workbench):
    bench = workbench(FAN, cool=GRANTS)
    bench.pipeline.remove("cool", "removed")
    letter = bench.send()
    bench.settle()
    bench.clock.advance(60)
    bench.settle()

    [rejected] = bench.journal.outcomes
    assert (rejected.status, rejected.error["reason"]) == (Status.REJECTED, "removed")
    assert letter.settled == 1


def test_a_promise_is_kept_by_the_version_that_has_the_name_when_its_turn_comes(workbench):
    bench = workbench(FAN, cool=GRANTS)
    first, second = versions(bench, old := Days(10), new := Days(10, version=2))
    bench.pipeline.add(first)
    bench.send()
    bench.pump()

    bench.pipeline.add(second)
    bench.settle()

    [outcome] = bench.journal.outcomes
    assert outcome.data["app"] == {"name": "cool", "version": 2}
    assert [status for _, status in old.over] == [Status.CANCELLED]
    assert [status for _, status in new.over] == [Status.SUCCESS]
    assert old.began == new.began == []


def test_a_name_that_came_back_keeps_what_was_promised_to_it(workbench):
    bench = workbench(FAN, cool=GRANTS)
    bench.send()
    bench.pump()
    bench.pipeline.remove("cool", "removed")
    bench.pipeline.add(bench.tasks["cool"])
    bench.settle()

    assert [outcome.status for outcome in bench.journal.outcomes] == [Status.SUCCESS]


def test_a_life_of_two_runs_has_two_and_says_so_of_the_others(workbench):
    bench = workbench(FAN, cool=GRANTS)
    [task] = versions(bench, life := Days(2))
    bench.pipeline.add(task)
    letters = [bench.send() for _ in range(5)]
    bench.settle()
    bench.clock.advance(60)
    bench.settle()

    *ran, rejected = bench.journal.outcomes
    assert [outcome.status for outcome in ran] == [Status.SUCCESS] * 2
    assert (rejected.error["reason"], rejected.error["count"]) == ("app_over", 3)
    assert [status for _, status in life.over] == [Status.SUCCESS] * 2
    assert [letter.settled for letter in letters] == [1] * 5


def test_a_promise_to_a_version_whose_successor_may_not_run_ends_cancelled(workbench):
    bench = workbench(FAN, cool=GRANTS)
    first, second = versions(bench, Days(1), Days(0, version=2))
    bench.pipeline.add(first)
    bench.send()
    bench.pump()
    bench.pipeline.add(second)
    bench.settle()

    [outcome] = bench.journal.outcomes
    assert outcome.status is Status.CANCELLED
    assert "the life of its app was over" in outcome.error["message"]


def test_a_promise_of_the_last_boot_counts_as_a_run_of_its_life(workbench):
    bench = workbench(FAN, cool=GRANTS)
    bench.send()
    bench.send()
    bench.pump()
    bench.journal.left = [Stored(number, record) for number, record in enumerate(bench.journal.records, 1)]
    bench.tasks["cool"] = versions(bench, life := Days(1))[0]
    reborn = bench.build()

    assert reborn.recover() == 1
    while reborn.step():
        pass

    assert [outcome.status for outcome in bench.journal.outcomes] == [Status.CANCELLED, Status.SUCCESS]
    assert len(life.over) == 1


def test_firing_a_removed_task_is_answered(workbench):
    from edge.model import Fired

    bench = workbench(FAN, cool=GRANTS)
    bench.pipeline.remove("cool", "removed")
    answers: list[tuple[bytes | None, str]] = []
    bench.inbox.push(Fired(Start("cool", bench.event()), lambda body, why: answers.append((body, why))))
    bench.pump()

    [(body, why)] = answers
    assert body is None
    assert "removed" in why


def test_an_errand_goes_before_the_events_that_wait(workbench):
    bench = workbench(FAN, cool=GRANTS)
    bench.send()
    bench.pipeline.soon(lambda: bench.pipeline.remove("cool", "removed"))
    bench.settle()

    assert [record.kind for record in bench.journal.records] == []


def test_a_gate_that_takes_over_goes_on_counting(workbench):
    bench = workbench(FAN, cool=GRANTS)
    gates = Gates(bench.tasks.values(), quota=10, clock=bench.clock, telemetry=bench.telemetry)
    before = gates["cool"]
    before.running = 1
    before.pending["one"] = Run("one", bench.tasks["cool"], bench.event(), b"{}")
    after = gates.add(bench.tasks["cool"])

    assert (after.running, list(after.pending)) == (1, ["one"])
    assert not after.lets(Run("two", bench.tasks["cool"], bench.event(), b"{}"), 0.0)
