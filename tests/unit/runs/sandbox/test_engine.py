"""What an author may rely on in the sandbox: the file that runs inline, the granted context, the file's own lines."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("pydantic_monty")

from edge.errors import TaskLoadError
from edge.model import Status
from edge.runs.sandbox.engine import Sandbox
from edge.runs.sandbox.pool import Pool
from tests.unit.runs.sandbox.bench import end

HEAD = """\
from dataclasses import dataclass
from edge import (
    Context,
    Event,
    NotGranted, task,
)


@dataclass
class Decision:
    celsius: float
    lamp: bool


"""
NOTHING = "from edge import task\n@task\ndef go(event, ctx) -> dict:\n    return {}\n"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    engine = Sandbox()
    yield engine
    engine.close()


@pytest.mark.parametrize(
    ("body", "type", "message"),
    [
        ("raise ValueError('boo')", "ValueError", "boo"),
        ("return Decision('warm', True)", "ValueError", "celsius"),
        ("ctx.device('pump').on()", "NotGranted", "grant.devices"),
        ("ctx.publish('elsewhere', 1)", "NotGranted", "grant.publish"),
        ("ctx.device('lamp').set('odd')", "ValueError", "on or off"),
        ("for i in range(9): ctx.device('lamp').read()", "LimitExceeded", "limits.calls is 5"),
    ],
)
def test_a_failure_says_what_went_wrong(body: str, type: str, message: str, sandbox: Sandbox, tmp_path: Path) -> None:
    text = (
        HEAD
        + f"@task\ndef decide(event: Event, ctx: Context) -> Decision:  # type: ignore\n    {body}  # type: ignore\n"
    )

    ending, _ = end(sandbox, text, tmp_path, limits={"calls": 5})

    assert ending.error is not None
    assert (ending.status, ending.error["type"]) == (Status.FAILURE, type)
    assert message in ending.error["message"]


def test_the_place_of_an_error_is_the_line_of_the_file(sandbox: Sandbox, tmp_path: Path) -> None:
    text = (
        HEAD
        + "@task(\n    raw=False,\n)\n"
        + "def decide(event: Event, ctx: Context) -> Decision:\n    return Decision(1 // 0, True)\n"
    )

    ending, _ = end(sandbox, text, tmp_path)

    assert ending.error is not None
    assert ending.error["where"] == f"app.py:{text.splitlines().index('    return Decision(1 // 0, True)') + 1}"


def test_what_a_device_says_of_the_machine_stays_outside(sandbox: Sandbox, tmp_path: Path) -> None:
    text = HEAD + "@task\ndef decide(event: Event, ctx: Context):\n    ctx.device('lamp').set('broken')\n"

    ending, _ = end(sandbox, text, tmp_path)

    assert ending.error is not None
    assert "i2c" not in str(ending.error)
    assert "OSError" in ending.error["message"]


def test_loading_runs_nothing_of_the_file(sandbox: Sandbox, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    text = f"from edge import task\nopen({str(mark)!r}, 'w')\n@task\ndef go(event, ctx) -> dict:\n    return {{}}\n"

    ending, _ = end(sandbox, text, tmp_path)

    assert ending.status is Status.FAILURE  # at its own open(), inside
    assert not mark.exists()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("def go(event, ctx): ...\n", "no function is marked @task"),
        ("def go(:\n", "line 1: this is not Python"),
        ("@task\ndef go(event, ctx) -> open('/etc/passwd'): ...\n", "line 2: a result in the sandbox cannot be open("),
        ("@dataclass\nclass A:\n    a: 'A'\n@task\ndef go(event, ctx) -> A: ...\n", "A holds itself"),
        ("@task\ndef go(event, ctx) -> " + "A | " * 40 + "A: ...\n", "cannot be A"),
        ("@task\ndef go(event, ctx):\n    yield 1\n", "line 3: there are no generators in the sandbox"),
        ("class A: ...\n@task\ndef go(event, ctx) -> A: ...\n", "is a @dataclass, and A is not"),
        ("class A(B): ...\n@task\ndef go(event, ctx) -> A: ...\n", "without a base class"),
        ("x = 1\n" * 20_000, "takes at most 64000"),
        ("x = " + "(" * 30_000, "line 1: this is not Python"),
        ("@task\ndef go(event, ctx) -> " + "list[" * 500 + "int" + "]" * 500 + ": ...\n", ""),
    ],
)
def test_a_file_that_cannot_be_a_task_is_refused_when_it_is_loaded(
    text: str, says: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    with pytest.raises(TaskLoadError, match=r"app\.py") as refused:
        end(sandbox, text, tmp_path)

    assert says in str(refused.value)


def test_a_schema_that_doubles_at_every_step_is_read_once(sandbox: Sandbox, tmp_path: Path) -> None:
    classes = "".join(f"@dataclass\nclass C{n}:\n    a: C{n + 1} | None\n    b: C{n + 1} | None\n" for n in range(25))
    text = f"from dataclasses import dataclass\nfrom edge import task\n{classes}@dataclass\nclass C25:\n    x: int\n"

    ending, _ = end(sandbox, text + "@task\ndef go(event, ctx) -> C0:\n    return C0(None, None)\n", tmp_path)

    assert ending.result == b'{"a":null,"b":null}'


def test_a_method_that_is_only_meant_is_there_too(sandbox: Sandbox, tmp_path: Path) -> None:
    body = "    getattr(ctx, 'pub' + 'lish')('out', 7)\n    return {'kind': event.kind, 'topic': event.topic}\n"

    ending, run = end(sandbox, f"from edge import task\n@task\ndef go(event, ctx) -> dict:\n{body}", tmp_path)

    assert ending.result == b'{"kind":"message","topic":null}'
    assert [record.topic for record in run.publishes] == ["out"]


def test_without_the_library_or_a_wrapper_a_task_is_refused_and_never_run_elsewhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(TaskLoadError, match="bwrap, or setpriv and prlimit, and neither works here"):
        end(Sandbox(lambda: Pool(probe=lambda command: False)), NOTHING, tmp_path)

    monkeypatch.setitem(sys.modules, "pydantic_monty", None)
    with pytest.raises(TaskLoadError, match=r"edge-runtime\[sandbox\]"):
        end(Sandbox(), NOTHING, tmp_path)
