"""Types are checked when a task is loaded: what is wrong stands there with file and line, and nothing of it has run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("pydantic_monty")

from edge.config.tasks import TaskSettings
from edge.errors import TaskLoadError
from edge.runs.sandbox import pool
from edge.runs.sandbox.engine import Sandbox
from tests.unit.runs.sandbox.bench import end

HEAD = "from dataclasses import dataclass\nfrom edge import Context, Event, NotGranted, ToolError, task\n"
DATA = "@dataclass\nclass D:\n    x: float\n"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    engine = Sandbox()
    yield engine
    engine.close()


def task(body: str, returns: str = "dict") -> str:
    return f"{HEAD}{DATA}@task\ndef go(event: Event, ctx: Context) -> {returns}:\n    {body}\n"


LINE = task("").splitlines().index("    ") + 1


@pytest.mark.parametrize(
    ("body", "returns", "says"),
    [
        ("ctx.device('lamp').onn()\n    return {}", "dict", "has no attribute `onn`"),
        ("ctx.device(1)\n    return {}", "dict", "Expected `str`"),
        ("ctx.nothing()\n    return {}", "dict", "has no attribute `nothing`"),
        ("ctx.memory.append()\n    return {}", "dict", "No argument provided for required parameter `value`"),
        ("return {'x': 1.0}", "D", "expected `D`, found `dict[str"),
        ("return D('warm')", "D", "Expected `float`"),
        ("return event.payload + 1", "D", "not supported"),
        ("return nothing", "dict", "Name `nothing` used when not defined"),
        ("import socket\n    return {}", "dict", "there is no such module in the sandbox: `socket`"),
        ("event.data()\n    return {}", "dict", "has no attribute `data`"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line(
    body: str, returns: str, says: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    with pytest.raises(TaskLoadError) as refused:
        end(sandbox, task(body, returns), tmp_path)

    first = str(refused.value).splitlines()[0]
    assert first.startswith(f"tasks.app: {tmp_path / 'app.py'}:{LINE}: ")
    assert says in first


def test_every_mistake_is_told_at_once(sandbox: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(TaskLoadError) as refused:
        end(sandbox, task("ctx.a()\n    ctx.b()\n    return 3"), tmp_path)

    assert len(str(refused.value).splitlines()) == 3


@pytest.mark.parametrize(
    "text",
    [
        "from edge import task\n@task\ndef go(event, ctx):\n    return {'x': event.values['t'] + 1}\n",
        "import edge\n@edge.task(raw=True)\ndef go(event, ctx):\n    return len(event.payload or b'')\n",
        "from __future__ import annotations\n" + task("return {'x': 1}"),
        task("return D(event.values['t'])", "D"),
        task("state = ctx.device('lamp').read()['state']\n    return D(3 if state else 4.5)", "D"),
        task("return {'x': getattr(ctx, 'config')}"),
        task("x: int = 'a'  # type: ignore\n    return {'x': x}"),
        task("try:\n        return ctx.tool('shelf').get('a')\n    except (NotGranted, ToolError):\n        return {}"),
        task("import json, math, re, datetime, itertools, functools, collections, random\n"
             "    import hashlib, base64, decimal, copy\n    return {}"),
    ],
)  # fmt: skip
def test_what_is_right_or_says_nothing_of_types_is_taken(text: str, sandbox: Sandbox, tmp_path: Path) -> None:
    ending, _ = end(sandbox, text, tmp_path, values={"t": 1.0})

    assert ending.status.value in ("success", "failure")
    assert "TypeCheck" not in str(ending.error)


def test_a_source_without_a_file_is_judged_and_loaded_apart(sandbox: Sandbox) -> None:
    good, wrong = task("return {}").encode(), task("ctx.nothing()\n    return {}").encode()

    assert sandbox.types("guest", good) == ""
    assert sandbox.types("guest", wrong).startswith(f"guest.py:{LINE}: ")
    assert "this is not Python" in sandbox.types("guest", b"def (")
    settings = TaskSettings.model_validate({"when": {"source": "s"}, "engine": "sandbox"})
    assert sandbox.load_source("guest", good, settings).file == "guest.py"
    with pytest.raises(TaskLoadError, match=r"guest\.py: line 1: this is not Python"):
        sandbox.load_source("guest", b"def (", settings)


def test_checking_types_has_an_end(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "CHECKING", pool.CHECKING._replace(time=0.1))
    doubling = "x0 = 1\n" + "".join(f"x{n} = (x{n - 1}, x{n - 1}) if x{n - 1} else [x{n - 1}]\n" for n in range(1, 200))

    with pytest.raises(TaskLoadError, match="its types cannot be checked"):
        end(sandbox, doubling + task("return {}"), tmp_path)
