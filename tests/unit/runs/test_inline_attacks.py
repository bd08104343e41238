"""What a task in the runtime's own process can do to it: the consequence is as documented, and the rest goes on.

Every attack ends as one explained outcome, and the event after it is served.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from edge.model import Status
from tests.unit.runs.test_crew import Running

GRANTS = {"grant": {"devices": ["fan"], "publish": ["plant/fan"]}}
BODY = """
import sys, threading
from dataclasses import dataclass

@task
def attack(event: Event, ctx: Context) -> {returns}:
    if event.values.get("well"):
        return {well}
{body}
"""


def attacked(workbench, body: str, returns: str = "dict", well: str = "{}", **settings: Any):
    """The bench and the outcome of the attack, after which the same task did well."""
    lines = "\n".join(f"    {line}" for line in body.strip("\n").splitlines())
    bench = workbench(BODY.format(returns=returns, well=well, body=lines), attack={**GRANTS, **settings})
    bench.send()
    bench.settle()
    letter = bench.send({"well": True})
    bench.settle()
    attack, after = bench.journal.outcomes
    assert after.status is Status.SUCCESS, after.error
    assert letter.settled == 1
    return bench, attack


@pytest.mark.parametrize(
    ("body", "type", "message"),
    [
        ("def down(): down()\ndown()", "RecursionError", "maximum recursion depth exceeded"),
        ("sys.exit('enough')", "SystemExit", "enough"),
        ("raise GeneratorExit", "GeneratorExit", ""),
        ("class Hidden(BaseException): pass\nraise Hidden('no Exception')", "Hidden", "no Exception"),
        ("bytearray(10**15)", "MemoryError", ""),
        ("raise type('E' * 100_000, (Exception,), {})('long name')", "E" * 100, "long name"),
        ("raise ValueError('x' * 50_000_000)", "ValueError", "x" * 2000),
        ("raise ValueError('half a character: \\ud800')", "ValueError", "half a character: ?"),
        (
            "class Mute(Exception):\n    def __str__(self): raise OSError\nraise Mute",
            "Mute",
            "its __str__ raised OSError",
        ),
        ("class Odd(Exception):\n    def __str__(self): return 7\nraise Odd", "Odd", "its __str__ raised TypeError"),
        ("class Out(Exception):\n    def __str__(self): sys.exit()\nraise Out", "Out", "its __str__ raised SystemExit"),
        ("error = ValueError('a')\nerror.__cause__ = error\nraise error", "ValueError", "a"),
    ],
)
def test_whatever_it_raises_is_one_failure_with_type_message_and_line(workbench, body, type, message):
    _, outcome = attacked(workbench, body)

    assert outcome.status is Status.FAILURE
    assert outcome.error["type"] == type
    assert outcome.error["message"].startswith(message)
    assert len(outcome.error["message"]) <= 2000
    assert outcome.error["where"].startswith("app.py:")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("return {'text': 'x' * 10_000_000}", "the result has 10000011 bytes, limits.output is 64000"),
        ("held = {}\nheld['me'] = held\nreturn held", "Recursion limit reached"),
        ("deep = []\nfor _ in range(100_000): deep = [deep]\nreturn {'deep': deep}", "Recursion limit reached"),
        ("return {'number': 2 ** 100}", "Integer exceeds 64-bit range"),
        ("return {'number': float('nan')}", ""),
        ("return {'text': '\\ud800'}", "surrogates not allowed"),
        ("return {'object': object()}", "object"),
        ("return {1, 2}", "valid dictionary"),
        ("return (n for n in iter(int, 1))", "valid dictionary"),
    ],
)
def test_a_result_that_is_no_small_json_of_its_type_is_a_failure(workbench, body, reason):
    _, outcome = attacked(workbench, body)

    if reason:
        assert outcome.status is Status.FAILURE
        assert reason in outcome.error["message"]
    else:
        assert outcome.result == {"number": None}  # as JSON has it


def test_a_dataclass_whose_field_raises_while_it_is_read_is_a_failure(workbench):
    body = "return Trap(7)"
    trap = "@dataclass\nclass Trap:\n    n: int\n    def __getattribute__(self, name):\n        raise OSError(name)\n"
    bench = workbench(trap + BODY.format(returns="Trap", well="None", body=f"    {body}"), attack={})
    bench.send()
    bench.settle()

    assert bench.journal.outcomes[0].status is Status.FAILURE


def test_memory_is_not_limited_and_the_outcome_does_not_pretend_to_have_measured_it(workbench):
    _, outcome = attacked(workbench, "held = bytearray(50_000_000)\nreturn {'held': len(held)}")

    assert outcome.result == {"held": 50_000_000}
    assert outcome.usage == {"calls": 0, "output": len(b'{"held":50000000}')}


def test_what_was_spent_stands_in_the_outcome_of_a_run_that_failed_too(workbench):
    body = "ctx.device('fan').on()\nctx.publish('plant/fan', 1)\nctx.note('ab')\nraise ValueError('after all that')"
    bench, outcome = attacked(workbench, body)

    assert outcome.usage == {"calls": 1, "steps": 3, "publishes": 1, "publish_bytes": 44, "notes": 1, "note_bytes": 13}
    assert bench.fan.history == [True]


@pytest.mark.parametrize(
    ("body", "limit"),
    [
        ("while True: ctx.note('x')", "notes: 100 spent, limits.notes is 100"),
        ("while True: ctx.publish('plant/fan', 1)", "publishes: 100 spent, limits.publishes is 100"),
        ("while True: ctx.publish('plant/fan', 'x' * 100_000)", "limits.publish_bytes is 1000000"),
        ("while True: ctx.device('fan').on()", "calls: 1000 spent, limits.calls is 1000"),
        ("while True: ctx.partial('x')", "steps: 10000 spent, limits.steps is 10000"),
        ("ctx.note('x' * 5000)", "a note of over 1000 bytes"),
        ("while True: ctx.scratch.put('x', 'y' * 70_000)", "scratch: "),
    ],
)
def test_floods_end_at_their_limit(workbench, body, limit):
    _, outcome = attacked(workbench, body)

    assert outcome.error["type"] == "LimitExceeded"
    assert limit in outcome.error["message"]


@pytest.mark.parametrize(
    "topic", ["plant/\0", "plant/\n", "plant/\x9f", "plant/\uffff", "plant/\udc80", "plant/" + "x" * 65_530]
)
def test_a_topic_for_which_a_broker_may_end_the_connection_is_not_published_on(workbench, topic):
    _, outcome = attacked(workbench, f"ctx.publish({topic!r}, 1)", grant={"publish": [topic]})

    assert outcome.error["type"] == "ValueError"
    assert "control characters and at most 65,535 bytes" in outcome.error["message"]
    assert len(outcome.error["message"]) < 300


def test_half_a_character_in_a_reason_does_not_break_the_outcome(workbench):
    _, outcome = attacked(workbench, "ctx.partial('half \\ud800')\nreturn {}")

    assert outcome.data["partial"] == "half ?"


def test_one_that_swallows_every_error_is_stopped_from_acting_and_ends_as_a_timeout(workbench):
    body = """
for _ in range(50):
    CLOCK.advance(1)
    try:
        ctx.device("fan").on()
    except BaseException:
        pass
return {}
"""
    source = BODY.format(returns="dict", well="{}", body="\n".join(f"    {line}" for line in body.splitlines()))
    bench = workbench(source, attack={**GRANTS, "limits": {"time": "2s"}})
    bench.tasks["attack"].program.entry.__globals__["CLOCK"] = bench.clock
    bench.send()
    bench.settle()

    [outcome] = bench.journal.outcomes
    assert outcome.status is Status.TIMEOUT
    assert outcome.result is None
    assert bench.fan.history == [True, True]  # what it did within its two seconds


THREADS = """
import threading
HELD, GO, ENDED = [], threading.Event(), threading.Event()

def linger(ctx):
    GO.wait()
    try:
        ctx.device("fan").on()
    except BaseException as error:
        HELD.append(f"{type(error).__name__}: {error}")
    ENDED.set()

@task
def leave(event: Event, ctx: Context) -> bool:
    threading.Thread(target=linger, args=(ctx,), daemon=True).start()
    return True
"""


def test_a_thread_it_leaves_behind_can_do_nothing_once_the_outcome_is_written(workbench):
    bench = workbench(THREADS, leave=GRANTS)
    names = bench.tasks["leave"].program.entry.__globals__
    bench.send()
    bench.settle()
    assert bench.journal.outcomes[0].status is Status.SUCCESS

    names["GO"].set()

    assert names["ENDED"].wait(30)
    assert bench.fan.history == []
    assert names["HELD"] == ["RunCancelled: this run is over: its outcome is written"]


# -- on real threads: it does not come back by itself -----------------------------------------------------------------

HUNG = """
import threading
GO, BEGUN = threading.Event(), threading.Semaphore(0)

@task
def slow(event: Event, ctx: Context) -> int:
    how = event.values.get("how")
    if how == "hang":
        BEGUN.release()
        GO.wait()
    while how == "swallow" and not GO.is_set():
        try:
            ctx.device("fan").on()
            ctx.note("still here")
        except BaseException:
            GO.wait(0.001)
    return 1

@task
def other(event: Event, ctx: Context) -> int:
    return 2
"""


@pytest.fixture
def running(workbench) -> Iterator[Callable[..., Running]]:
    made: list[Running] = []

    def make(**settings: Any) -> Running:
        limits = {"limits": {"time": "50ms", "calls": 3}, "grant": {"devices": ["fan"]}}
        made.append(Running(workbench(HUNG, slow={**limits, **settings}, other={})))
        return made[-1]

    yield make
    for running in made:
        running.stop()


@pytest.mark.parametrize("how", ["hang", "swallow"])
def test_one_that_does_not_return_is_one_timeout_keeps_its_thread_and_harms_nobody_else(running, how):
    edge = running()
    letter = edge.bench.send({"how": how})
    edge.until(lambda: edge.outcomes(Status.TIMEOUT) == 1)
    assert letter.settled == 1
    assert len(edge.bench.pipeline.stuck) == 1

    edge.bench.send()
    edge.until(lambda: edge.outcomes(Status.SUCCESS) == 3)

    assert len(edge.bench.fan.history) <= 3
    [late] = [outcome for outcome in edge.bench.journal.outcomes if outcome.status is Status.TIMEOUT]
    assert late.error["message"] == "the run did not end within limits.time of 0.05 s"


def test_one_that_hangs_again_and_again_is_left_alone_by_its_breaker_and_others_go_on(running):
    edge = running(breaker={"timeouts": 2})
    for count in (1, 2):
        edge.bench.send({"how": "hang"})
        edge.until(lambda count=count: edge.outcomes(Status.TIMEOUT) == count)

    [broken] = edge.bench.pipeline.broken()
    assert (broken.task, broken.state.value) == ("slow", "open")
    edge.bench.send({"how": "hang"})
    edge.until(lambda: edge.outcomes(Status.SUCCESS) == 3)  # `other`, three times
    assert len(edge.bench.pipeline.stuck) == 2
