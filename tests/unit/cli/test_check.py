"""`edge check` says all that is wrong, or what the configuration does, in words."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from edge.cli.rights import course, data, may, spends
from edge.cli.sentences import when
from edge.config.models import Config
from edge.config.tasks import TaskSettings, When, shown
from tests.unit.cli.conftest import STARTER, Edge


def test_a_good_configuration_is_told_on_one_screen(folder: Path, edge: Edge) -> None:
    said = edge("check")

    assert said.code == 0
    assert said.out.startswith("ok  edge.yaml\n")
    assert "fsync, survives a power cut" in said.out
    assert "room (tmp102, i2c-1 0x48), fan (relay, GPIO27)" in said.out
    assert "overheat runs when room temperature becomes greater than 30 and stays so for 10s" in said.out
    assert len(said.out.splitlines()) < 24


def test_every_mistake_is_named_with_its_line_and_hint(folder: Path, edge: Edge) -> None:
    (folder / "edge.yaml").write_text(STARTER.replace("devices: [fan]", "devices: [fna]").replace("2s}", "2}"))
    said = edge("check")

    assert said.code == 1
    assert "edge.yaml:3: devices.room.every: " in said.out
    assert "edge.yaml:9: tasks.overheat.grant.devices: " in said.out
    assert "did you mean 'fan'?" in said.out
    assert "2 problems in edge.yaml" in said.out


def test_programs_get_the_same_as_a_list(folder: Path, edge: Edge) -> None:
    assert json.loads(edge("check", "--json").out) == []

    (folder / "edge.yaml").write_text(STARTER.replace("every: 2s", "evry: 2s"))
    said = edge("check", "--json")

    [problem] = json.loads(said.out)
    assert said.code == 1
    assert set(problem) == {"file", "line", "path", "message", "hint"}
    assert (problem["file"], problem["line"]) == ("edge.yaml", 3)


def sandboxed(folder: Path, text: str) -> None:
    (folder / "app.py").write_text(text)
    own = 'engine: sandbox\n    run: "./app.py"'
    (folder / "edge.yaml").write_text(STARTER.replace('run: "./tasks/overheat.py:overheat"', own))


def test_a_file_that_leaves_the_sandboxs_part_of_python_is_named_with_the_line(folder: Path, edge: Edge) -> None:
    sandboxed(folder, "from edge import task\n@task\ndef go(event, ctx):\n    del event\n")

    said = edge("check")

    assert said.code == 1
    assert "tasks.overheat: line 4: there is no `del` in the sandbox" in said.out


WRONG = """\
from edge import Context, Event, task
@task
def go(event: Event, ctx: Context) -> int:
    return ctx.nothing()
"""


def test_the_types_of_a_sandboxed_task_are_checked_with_file_and_line(folder: Path, edge: Edge) -> None:
    pytest.importorskip("pydantic_monty")
    sandboxed(folder, WRONG)

    [problem] = json.loads(edge("check", "--json").out)

    assert (Path(problem["file"]).name, problem["line"], problem["path"]) == ("app.py", 4, "tasks.overheat")
    assert "has no attribute `nothing`" in problem["message"]


def test_without_the_library_it_is_said_that_types_were_not_checked(
    folder: Path, edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandboxed(folder, WRONG)
    monkeypatch.setitem(sys.modules, "pydantic_monty", None)

    said = edge("check")

    assert said.code == 0
    assert "types of its tasks were not checked: engine sandbox needs pydantic-monty" in said.out


def test_other_verbs_refuse_a_wrong_configuration_with_the_same_lines(folder: Path, edge: Edge) -> None:
    (folder / "edge.yaml").write_text(STARTER.replace("every: 2s", "evry: 2s"))
    said = edge("read", "room")

    assert said.code == 1
    assert said.err.startswith("edge: edge.yaml:3: devices.room")


def test_the_schema_is_one_that_editors_take(edge: Edge) -> None:
    schema = json.loads(edge("config", "schema").out)

    assert schema["$schema"].startswith("https://json-schema.org/")
    assert {"edge", "devices", "tasks", "journal"} <= set(schema["properties"])


@pytest.mark.parametrize(
    ("condition", "sentence"),
    [
        (
            {"source": "room", "channel": "temperature", "above": 30},
            "when room temperature becomes greater than 30; again after it was 30 or less",
        ),
        (
            {"source": "room", "below": 5.5, "clear": 6, "for": "10s"},
            "when room becomes less than 5.5 and stays so for 10s; again after it was 6 or more",
        ),
        ({"source": "room", "above": 30, "each": True}, "on every event while room is greater than 30"),
        ({"source": "door", "channel": "open", "equals": True}, "when door open becomes yes; again after it was"
         " something else"),
        ({"source": "door", "edge": "rising"}, "when door turns true"),
        ({"source": "vibration"}, "on every event of vibration"),
        ({"every": "90s"}, "every 90s"),
        ({"cron": "30 2 * * *"}, "at the times of cron '30 2 * * *' (UTC)"),
    ],
)  # fmt: skip
def test_a_trigger_is_a_sentence(condition: dict[str, object], sentence: str) -> None:
    floats = {key: float(value) if type(value) is int else value for key, value in condition.items()}

    assert when(TaskSettings(when=When.model_validate(floats))) == sentence


def settings(**keys: object) -> TaskSettings:
    return TaskSettings.model_validate({"when": {"every": "1m"}, **keys})


TOOLS = Config.model_validate(
    {
        "edge": {"id": "pi"},
        "tools": {
            "weather": {"kind": "http", "hosts": ["api.example"], "description": "the forecast of the next hours"},
            "store": {"kind": "kv"},
            "ledger": {"kind": "sql", "file": "ledger.db"},
            "orders": {"kind": "sql", "file": "orders.db", "write": True},
        },
    }
).tools


def test_flow_and_limits_are_said_too() -> None:
    assert when(settings(cooldown="5m")) == "every 1m, then not for 5m"
    assert spends(settings(limits={"per_minute": 6, "per_hour": 1, "burst": 2})) == [
        "a run: 10s, 1000 calls, 10000 uses of ctx, 100 messages of 1MB together, 64KB of result, "
        "100 notes of 16KB together",
        "6 runs a minute, 1 run an hour; 2 of them back to back",
    ]


def test_what_a_run_may_spend_names_each_tool_and_the_memory_of_an_engine_that_has_a_limit() -> None:
    limits = {"time": "1s", "calls": 20, "tools": {"weather": 2}, "memory": "8MB"}

    [line] = spends(settings(engine="sandbox", limits=limits))

    assert line.startswith("a run: 1s, 8MB of memory, 20 calls (of these 2 to weather), ")


@pytest.mark.parametrize(("engine", "memory"), [("inline", None), ("sandbox", "16MB"), ("worker", "128MB")])
def test_memory_that_nobody_wrote_is_that_of_the_engine(engine: str, memory: str | None) -> None:
    one = settings(engine=engine)

    assert (f", {memory} of memory, " in spends(one)[0]) is (memory is not None)
    assert shown(one)["limits"].get("memory") == data(one, {})["limits"].get("memory") == memory


def test_what_a_task_may_is_all_that_it_may() -> None:
    grant = {"devices": ["fan"], "publish": ["plant/#"], "tools": ["weather", "orders"], "deny_tools": ["orders"]}
    given = settings(grant=grant, readings=["room"], memory={"ttl": "1d", "recall": 5})

    assert may(given, TOOLS) == [
        "read and set fan",
        "publish to plant/#",
        "use weather: the forecast of the next hours (http, not safe by default)",
        "see the last values of room",
        "remember up to 1000 values of 256KB together, each for 1d; a run finds the newest 5",
    ]
    assert may(settings(), TOOLS) == ["touch nothing: it sees its event and returns a result"]


def test_a_star_gives_the_tools_that_are_safe_by_default_and_they_are_listed_one_by_one() -> None:
    assert may(settings(grant={"tools": ["*"], "deny_tools": ["ledger"]}), TOOLS) == [
        "use store: values by key in the journal's folder (kv, safe by default)"
    ]
    assert len(may(settings(grant={"tools": ["*"]}), TOOLS)) == 2


def test_what_becomes_of_a_run_is_said_only_where_it_is_configured() -> None:
    assert dict(course(settings())) == {
        "engine": "inline: in the runtime's own process; time is watched, memory is not limited",
        "mode": "queued: an event while it runs waits its turn; 10000 may wait",
        "on crash": "a run that a crash interrupted starts again",
    }
    told = dict(
        course(
            settings(
                mode="parallel",
                priority="high",
                on_crash="resume",
                retries={"timeout": 1},
                breaker={"of": 10},
                check="result < 80",
            )
        )
    )
    assert told["mode"].startswith("parallel: up to 4 run beside each other")
    assert told["priority"] == "high: begins before others that wait"
    assert told["on crash"].endswith("from its last checkpoint")
    assert told["retries"] == (
        "3 times after an error of a device, tool or the system, 1 time after a timeout;"
        " waits 1s, then twice as long, up to 1m"
    )
    assert told["breaker"].startswith("opens after 3 timeouts in a row or 50% failed of the last 10; one run may try")
    assert told["good if"] == "result < 80"


GRANTED = """\
edge: {id: bench, backend: sim}
devices:
  fan: {driver: relay, pin: 27}
tools:
  store: {kind: kv, description: what was ordered}
tasks:
  overheat:
    run: "./tasks/overheat.py:overheat"
    when: {every: 1m}
    config: {room: north}
    grant: {devices: [fan], tools: ["*"]}
    check: result.celsius < 80
"""


def test_tasks_show_lists_all_that_a_task_has_and_programs_get_every_setting(folder: Path, edge: Edge) -> None:
    (folder / "edge.yaml").write_text(GRANTED)

    said = edge("tasks", "show", "overheat")
    told = json.loads(edge("tasks", "show", "overheat", "--json").out)

    assert "read and set fan" in said.out
    assert "use store: what was ordered (kv, safe by default)" in said.out
    assert 'room = "north"' in said.out
    assert "result.celsius < 80" in said.out
    assert told["tools"] == [
        {"name": "store", "kind": "kv", "description": "what was ordered", "safe_by_default": True}
    ]
    assert (told["on_crash"], told["check"]) == ("rerun", "result.celsius < 80")
    assert told["limits"]["note_bytes"] == "16KB"


def test_check_says_what_each_task_may_touch_and_how_it_is_judged(folder: Path, edge: Edge) -> None:
    (folder / "edge.yaml").write_text(GRANTED)

    said = edge("check")

    assert "it may read and set fan; use store: what was ordered" in said.out
    assert "its results are good if result.celsius < 80" in said.out
