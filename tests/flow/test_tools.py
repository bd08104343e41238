"""Tools in a whole gateway: lent to whom the configuration says, remembered across a crash, counted, given back."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.testing.harness import Harness

CONFIG = """
edge: {id: bench, backend: sim}
tools:
  state:   {kind: kv, description: what was seen}
  parts:   {kind: sql, file: ./parts.db}
  ledger:  {kind: sql, file: ./parts.db, write: true}
  weather: {kind: http, hosts: [api.example]}
  system:  {kind: shell, commands: {uptime: [uptime]}}
tasks:
"""
TASKS = '''\
from edge import Context, Event, task


@task
def count(event: Event, ctx: Context) -> dict:
    """One more than the last time."""
    state = ctx.tool("state")
    state.set("runs", state.get("runs", 0) + 1)
    return {"runs": state.get("runs")}


@task
def held(event: Event, ctx: Context) -> dict:
    """The tools that this task has."""
    found = []
    for name in ("state", "parts", "ledger", "weather", "system"):
        try:
            ctx.tool(name)
        except PermissionError:
            continue
        found.append(name)
    return {"held": found}


@task
def stock(event: Event, ctx: Context) -> dict:
    return {"parts": ctx.tool("parts").query("SELECT name FROM parts WHERE weight > ?", [1])}


@task
def forecast(event: Event, ctx: Context) -> dict:
    answer = ctx.tool("weather").get("/today", {"days": 1})
    return {"celsius": answer["json"]["celsius"]}
'''

Gateway = Callable[..., Harness]


@pytest.fixture
def gateway(edge_factory, tmp_path: Path) -> Gateway:
    """A gateway with these tasks: name -> the keys below `job.run`'s function and schedule."""

    def make(**tasks: str) -> Harness:
        (tmp_path / "app.py").write_text(TASKS)
        lines = [f"  {name}: {{run: './app.py:{name}', when: {{every: 1m}}, {keys}}}" for name, keys in tasks.items()]
        (tmp_path / "edge.yaml").write_text(CONFIG + "\n".join(lines) + "\njournal: {path: ./journal}\n")
        connection = sqlite3.connect(tmp_path / "parts.db")
        connection.execute("CREATE TABLE IF NOT EXISTS parts (name TEXT, weight REAL)")
        connection.execute("INSERT INTO parts VALUES ('bolt', 1.5), ('nut', 0.5)")
        connection.commit()
        connection.close()
        edge: Harness = edge_factory(tmp_path / "edge.yaml")
        return edge

    return make


def test_what_a_task_keeps_is_there_after_the_power_went(gateway):
    edge = gateway(count="grant: {tools: [state]}")
    edge.advance("2m")
    edge.crash()
    edge.restart()
    edge.advance("1m")

    assert [outcome.result for outcome in edge.outcomes] == [{"runs": 1}, {"runs": 2}, {"runs": 3}]
    assert edge.outcomes[0].usage["tools"] == {"state": 3}


def test_a_tool_that_was_not_granted_is_a_failed_outcome_that_says_where_to_add_it(gateway):
    outcome = gateway(count="grant: {tools: [parts]}").fire("count")

    assert outcome.status == "failure"
    assert outcome.error["type"] == "NotGranted"
    assert "add it to tasks.count.grant.tools in edge.yaml" in outcome.error["message"]


@pytest.mark.parametrize(
    ("grant", "held"),
    [
        ("{}", []),
        ("{tools: [weather, ledger]}", ["ledger", "weather"]),
        ('{tools: ["*"]}', ["state", "parts"]),
        ('{tools: ["*", system]}', ["state", "parts", "system"]),
        ('{tools: ["*", system], deny_tools: [state, system]}', ["parts"]),
        ("{tools: [state], deny_tools: [state]}", []),
    ],
)
def test_a_task_holds_what_its_lists_say(gateway, grant, held):
    """A star stands for what cannot act on the outside, and a denial wins over everything."""
    assert gateway(held=f"grant: {grant}").fire("held").result == {"held": held}


def test_calls_of_one_tool_have_a_limit_of_their_own(gateway):
    outcome = gateway(count="grant: {tools: [state]}, limits: {tools: {state: 2}}").fire("count")

    assert outcome.error["type"] == "LimitExceeded"
    assert outcome.error["message"] == "tools.state: 2 spent, limits.tools.state is 2"


def test_a_database_of_the_owner_s_is_read(gateway):
    assert gateway(stock="grant: {tools: [parts]}").fire("stock").result == {"parts": [{"name": "bolt"}]}


def test_calls_are_counted_by_tool_and_result(gateway):
    edge = gateway(count="grant: {tools: [state]}", stock="grant: {tools: [parts]}")
    edge.fire("count")
    edge.fire("stock")
    metrics = edge.runtime.telemetry.render()

    assert 'edge_tool_calls_total{result="ok",tool="state"} 3' in metrics
    assert 'edge_tool_calls_total{result="ok",tool="parts"} 1' in metrics


def test_in_a_test_the_test_answers_for_what_is_outside(gateway):
    edge = gateway(forecast="grant: {tools: [weather]}")
    outcome = edge.fire("forecast")
    assert "edge.tools['weather'] = {'get': lambda *arguments: ...}" in outcome.error["message"]

    asked = []
    edge.tools["weather"] = {"get": lambda *asks: asked.append(asks) or {"status": 200, "json": {"celsius": 21.5}}}

    assert edge.fire("forecast").result == {"celsius": 21.5}
    assert asked == [("/today", {"days": 1})]


def test_tools_are_given_back_at_the_end(gateway):
    edge = gateway(count="grant: {tools: [state]}")
    closed = []
    edge.runtime.tools["system"].close = lambda: closed.append("system")
    edge.close()

    assert closed == ["system"]


@pytest.mark.parametrize(
    ("name", "operation", "says"),
    [
        ("wether", "get", "did you mean 'weather'?"),
        ("weather", "gett", "weather has no operation 'gett'; did you mean 'get'?"),
        ("weather", "post", "weather has no operation 'post'"),
        ("system", "get", "there are run"),
        ("state", "get", "state is of kind kv and does in a test what it does on a gateway"),
    ],
)
def test_an_answer_that_no_task_could_get_does_not_pass_in_silence(gateway, name: str, operation: str, says: str):
    edge = gateway(count="grant: {tools: [state]}")
    with pytest.raises(KeyError, match=re.escape(says)):
        edge.tools[name] = {operation: lambda *asked: None}
