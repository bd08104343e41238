"""`check:` decides whether a result is good: an expression, or the owner's own function."""

from __future__ import annotations

import pytest

from edge.config.tasks import CHECKED
from edge.errors import TaskLoadError
from edge.model import Event, Status
from edge.runs.limits import Usage

HEAT = """
from dataclasses import dataclass

@dataclass
class Heat:
    celsius: float

@task
def heat(event: Event, ctx: Context) -> Heat:
    if event.values.get("half"):
        ctx.partial("one sensor of two")
    return Heat(float(event.values["celsius"]))

def cool(result, event):
    return result["celsius"] < event.values["most"]

def told(result, event):
    return "too hot by far"

def odd(result, event):
    return 0

def broken(result, event):
    raise SystemExit("no\\ud800")

def gone(result, event):
    raise __import__("asyncio").CancelledError
"""


def judged(workbench, check: str, **values: object):
    bench = workbench(HEAT, heat={"check": check})
    bench.send({"celsius": 92, **values})
    bench.settle()
    [outcome] = bench.journal.outcomes
    return bench, outcome


def violations(bench) -> int:
    return bench.telemetry.total("edge_goal_violations_total")


def test_a_result_for_which_the_check_holds_is_a_success(workbench):
    bench, outcome = judged(workbench, "result.celsius > 80 and event.values['celsius'] == 92 and usage.calls == 0")

    assert outcome.status is Status.SUCCESS
    assert "partial" not in outcome.data
    assert violations(bench) == 0


def test_one_for_which_it_does_not_is_partial_with_what_was_found_and_is_counted(workbench):
    bench, outcome = judged(workbench, "result.celsius < 80")

    assert outcome.status is Status.PARTIAL
    assert outcome.result == {"celsius": 92.0}
    assert outcome.data["partial"] == "check: result.celsius < 80 is not so: result.celsius is 92"
    assert bench.telemetry.counts("edge_goal_violations_total") == {(("task", "heat"),): 1}


def test_a_check_that_cannot_be_made_is_partial_with_the_reason(workbench):
    bench, outcome = judged(workbench, "result.kelvin < 80")

    assert outcome.status is Status.PARTIAL
    assert outcome.data["partial"] == "check: result.kelvin < 80: result has no 'kelvin'; it has celsius"
    assert violations(bench) == 1


def test_what_the_task_said_of_itself_stays_beside_it(workbench):
    _, outcome = judged(workbench, "result.celsius < 80", half=True)

    assert outcome.data["partial"].startswith("one sensor of two; check: result.celsius < 80 is not so")


@pytest.mark.parametrize(
    ("function", "most", "reason"),
    [
        ("cool", 100, None),
        ("cool", 80, "check: cool in app.py says no"),
        ("told", 0, "check: too hot by far"),
        ("odd", 0, "check: odd in app.py returned int, which is neither true nor false"),
        ("broken", 0, "check: broken in app.py raised SystemExit: no?"),
        ("gone", 0, "check: gone in app.py raised CancelledError: "),
    ],
)
def test_a_function_of_the_owners_says_true_or_false_or_why_not(workbench, function, most, reason):
    _, outcome = judged(workbench, f"./app.py:{function}", most=most)

    assert outcome.data.get("partial") == reason
    assert outcome.status is (Status.SUCCESS if reason is None else Status.PARTIAL)


def test_a_run_that_failed_is_not_judged(workbench):
    bench = workbench(HEAT, heat={"check": "result.celsius < 80"})
    bench.send({})
    bench.settle()

    [outcome] = bench.journal.outcomes
    assert outcome.status is Status.FAILURE
    assert violations(bench) == 0


@pytest.mark.parametrize("check", ["result.celsius <", "./app.py:nobody", "./app.py"])
def test_a_check_that_cannot_be_used_keeps_the_task_from_loading(workbench, check):
    with pytest.raises(TaskLoadError, match=r"tasks\.heat\.check"):
        workbench(HEAT, heat={"check": check})


def test_an_expression_may_name_what_there_is():
    assert CHECKED["usage"] == Usage._fields
    assert set(CHECKED["event"] or ()) <= set(Event._fields)
