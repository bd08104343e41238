"""`edge check` says all that is wrong, or what the configuration does, in words."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from edge.cli.sentences import may, spends, when
from edge.config.tasks import Grant, Limits, TaskSettings, When
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


def test_flow_and_limits_are_said_too() -> None:
    settings = TaskSettings.model_validate({"when": {"every": "1m"}, "cooldown": "5m", "limits": {"per_minute": 6}})

    assert when(settings) == "every 1m, then not for 5m"
    assert spends(settings.limits) == "10s, 1000 device calls, 100 messages, 64KB of result a run; 6 runs a minute"
    assert spends(Limits(per_hour=1)).endswith("; 1 run an hour")


def test_what_a_task_may_is_all_that_it_may() -> None:
    assert may(Grant(devices=["fan"], publish=["plant/#"])) == ["read and set fan", "publish to plant/#"]
    assert may(Grant()) == ["touch nothing: it sees its event and returns a result"]
