"""The same source does the same in `inline` and in `sandbox`: all of `ctx`, what it returns, raises and leaves."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest

pytest.importorskip("pydantic_monty")

from edge.model import Status
from edge.runs.inline import Inline
from edge.runs.sandbox.engine import Sandbox
from tests.unit.runs.sandbox.bench import Bench

HEAD = """\
from __future__ import annotations

from dataclasses import dataclass
from typing import Any
import edge
from edge import (
    Context,
    Event, NotGranted,
    ToolError, task,
)


@dataclass
class Decision:
    celsius: float
    lamp: bool


"""
ALL: dict[str, str] = {
    "device": "lamp = ctx.device('lamp')\nlamp.on()\nlamp.off()\nlamp.set(3)\nreturn lamp.read()",
    "device that is not granted": "try:\n    ctx.device('pump').on()\nexcept NotGranted as e:\n    return str(e)",
    "device that is broken": "try:\n    ctx.device('lamp').set('broken')\nexcept OSError:\n    return 'gone'",
    "value that a device refuses": "ctx.device('lamp').set('odd')",
    "publish": "ctx.publish('out', {'t': [1, None, 'a']})\nreturn 1",
    "publish elsewhere": "ctx.publish('elsewhere', 1)",
    "note": "ctx.note('hot', t=event.values['t'])\nreturn None",
    "note of no text": "x: Any = 7\nctx.note(x)\nreturn None",
    "partial": "ctx.partial('only half')\nreturn 1",
    "remaining": "return 0 < ctx.remaining() <= 10",
    "correlation": "return ctx.correlation_id",
    "config": "return [ctx.config['high'], ctx.config['names'][0]]",
    "readings": "return ctx.readings['lamp']['state']",
    "recalled": "return [ctx.recalled[0], len(ctx.recalled)]",
    "resumed": "return ctx.resumed",
    "scratch": "own = ctx.scratch\nown.put('a', {'b': 1})\nreturn [own.get('a'), own.get('c', 7), own.get('d')]",
    "scratch that is full": "ctx.scratch.put('a', 'x' * 70000)",
    "memory": "ctx.memory.append({'t': 1}, ttl=60)\nreturn [ctx.memory.read(1), ctx.memory.search('old', limit=2)]",
    "memory in a variable": "memory = ctx.memory\nmemory.append(1)\nreturn 1",
    "checkpoint": "ctx.checkpoint({'step': 1})\nreturn 1",
    "tool": "shelf = ctx.tool('shelf')\nshelf.put('a', value=[1])\nreturn [shelf.get('a'), shelf.call('get', 'b', 2)]",
    "tool that fails": "try:\n    ctx.tool('shelf').get('broken')\nexcept ToolError as e:\n    return str(e)",
    "tool that fails, by its family": "try:\n    ctx.tool('shelf').get('broken')\nexcept RuntimeError:\n    return 1",
    "tool that fails, by module": "try:\n    ctx.tool('shelf').get('broken')\nexcept edge.ToolError:\n    return 1",
    "tool whose failure is not caught": "ctx.tool('shelf').get('broken')",
    "tool that is not granted": "try:\n    ctx.tool('safe').get('a')\nexcept edge.NotGranted:\n    return 'no'",
    "wrong arguments of a tool": "ctx.tool('shelf').get()",
    "limit, which no family of errors hides": "try:\n    try:\n        for i in range(99): ctx.device('lamp').read()\n"
    "    except (RuntimeError, OSError, ValueError):\n        return 1\nexcept Exception as e:\n    return str(e)",
    "limit": "for i in range(99): ctx.device('lamp').read()",
    "error of its own": "raise KeyError('a')",
    "text that is not ASCII": "ctx.note('grüß')\nreturn '° 東'",
}  # fmt: skip
RETURNS: dict[str, tuple[str, str]] = {
    "dataclass": ("Decision", "return Decision(1.5, True)"),
    "dataclass with a wrong field": ("Decision", "x: Any = 'warm'\nreturn Decision(x, True)"),
    "dict for a dataclass": ("Decision", "x: Any = {'celsius': 1.5, 'lamp': True}\nreturn x"),
    "dataclass for a dict": ("dict", "x: Any = Decision(1.5, True)\nreturn x"),
    "another dataclass": ("Decision", "@dataclass\nclass D:\n    celsius: float\n    lamp: bool\n"
                          "x: Any = D(1.5, True)\nreturn x"),
    "list of dataclasses": ("list[Decision]", "return [Decision(1.5, True)]"),
    "union": ("Decision | None", "return None"),
    "optional number": ("int | None", "x: Any = 1.5\nreturn x"),
    "dict of numbers": ("dict[str, int]", "x: Any = {'a': 'b'}\nreturn x"),
    "anything": ("Any", "return {'a': [Decision(1.0, False)]}"),
    "nothing said": ("", "return [Decision(1.0, False), 2]"),
}  # fmt: skip


class Left(NamedTuple):
    """All that a run leaves."""

    ending: tuple[Status, Any, Any, str]
    lamp: list[Any]
    published: list[tuple[str, Any]]
    notes: list[Any]
    partial: str | None
    usage: dict[str, Any]
    shelf: dict[str, Any]
    memory: list[Any]
    checkpoint: Any


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    engine = Sandbox()
    yield engine
    engine.close()


def text(body: str, returns: str) -> str:
    arrow = f" -> {returns}" if returns else ""
    return f"{HEAD}@task\ndef decide(event: Event, ctx: Context){arrow}:\n{textwrap.indent(body, '    ')}\n"


def left(engine: Inline | Sandbox, source: str, folder: Path) -> Left:
    bench = Bench(
        folder, engine, config={"high": 30, "names": ["a"]}, readings=["lamp"], memory={"recall": 2},
        on_crash="resume", limits={"calls": 50},
    )  # fmt: skip
    bench.recovered, bench.diary.checkpoint = True, {"step": 0}
    ending, run = bench.run(source, {"t": 31.5})
    error = None if ending.error is None else (ending.error["type"], _known(ending.error))
    result = None if ending.result is None else orjson.loads(ending.result)
    published = [(record.topic, orjson.loads(record.body)) for record in run.publishes]
    return Left(
        (ending.status, result, error, ending.cause), bench.lamp.history, published, run.notes, run.partial,
        run.usage.data(), bench.shelf.kept, bench.diary.values, bench.diary.checkpoint,
    )  # fmt: skip


def _known(error: Any) -> Any:
    """Message and place."""
    return error["message"], error["where"]


@pytest.mark.parametrize("what", ALL)
def test_all_of_ctx_does_the_same(what: str, sandbox: Sandbox, tmp_path: Path) -> None:
    source = text(ALL[what], "Any")

    assert left(sandbox, source, tmp_path) == left(Inline(), source, tmp_path)


@pytest.mark.parametrize("what", RETURNS)
def test_a_result_is_judged_the_same(what: str, sandbox: Sandbox, tmp_path: Path) -> None:
    returns, body = RETURNS[what]
    source = text(body, returns)

    assert left(sandbox, source, tmp_path) == left(Inline(), source, tmp_path)


def test_a_dict_is_not_the_dataclass_that_was_promised(sandbox: Sandbox, tmp_path: Path) -> None:
    _, body = RETURNS["dict for a dataclass"]

    found = left(sandbox, text(body, "Decision"), tmp_path)

    assert found.ending[0] is Status.FAILURE
