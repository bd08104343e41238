"""What an app's source says is never done in this process: not imported, not evaluated, not resolved as a type."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pydantic_monty")

from edge.apps import Parcel, Refused, complete
from edge.apps.admission import Admission, Proving
from edge.config.on_the_fly import OnTheFly
from edge.errors import EdgeError
from edge.runs.load import ready
from edge.runs.sandbox.engine import Sandbox
from edge.testing.clock import VirtualClock
from tests.unit.apps.conftest import CEILING, KNOWN

PLAIN = "from edge import task\n{above}\n@task\ndef look(event, ctx) -> {returns}:\n    return {result}\n"


def source(above: str = "", returns: str = "dict", result: str = "{}") -> str:
    return PLAIN.format(above=above, returns=returns, result=result)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    engine = Sandbox()
    yield engine
    engine.close()


def judged(sandbox: Sandbox, text: str, **fields: Any) -> None:
    """All that becomes of a source until its first run, as far as it gets."""
    code = text.encode()
    known = {"name": "look", "version": 1, "when": {"source": "workshop"}, **fields}
    parcel = Parcel(complete(known, code, "box"), code)
    proving = Proving(types=sandbox.types)
    rules = Admission(
        edge_id="box", ceiling=OnTheFly.model_validate(CEILING), known=KNOWN, proving=proving, clock=VirtualClock()
    )
    try:
        manifest, _ = rules.read(parcel)
        app = rules.allowed(manifest, parcel, trial=False)
        program = sandbox.load_source(app.name, app.source, app.settings, app.output)
        ready(app.name, app.settings, sandbox, program)
        rules.prove(app)
    except (Refused, EdgeError):
        pass


ACT = "__import__('pathlib').Path({path!r}).touch()"


@pytest.mark.parametrize(
    ("place", "how"),
    [
        ("above", "{act}"),
        ("above", "import edge; {act}"),
        ("above", "from edge import {act_name}"),
        ("above", "class A:\n    x: {act} = {act}\n"),
        ("above", "from dataclasses import dataclass\n@dataclass(**{act})\nclass A:\n    x: {quoted} = {act}\n"),
        ("above", "def other(x: {act} = {act}) -> {act}: ...\n"),
        ("above", "@task(raw={act})\ndef again(event, ctx): ..."),
        ("above", "# -*- coding: unicode_escape -*-\n# \\x0a{act}"),
        ("returns", "{act}"),
        ("returns", "{quoted}"),
        ("returns", "list[{quoted}]"),
        ("returns", "dict[str, {act}]"),
        ("returns", "Literal[{quoted}]"),
        ("returns", "Literal[f{quoted}]"),
        ("returns", "Annotated[int, {act}]"),
        ("returns", "int | {quoted}"),
        ("result", "{act}"),
    ],
)  # fmt: skip
def test_nothing_of_a_source_happens_here(sandbox: Sandbox, tmp_path: Path, place: str, how: str) -> None:
    there = tmp_path / "happened"
    act = ACT.format(path=str(there))
    said = how.format(act=act, quoted=json.dumps(act), act_name="os")
    judged(sandbox, source(**{place: said}))
    assert not there.exists()


@pytest.mark.parametrize("field", ["check", "output", "config", "description"])
def test_nothing_of_a_manifest_happens_here(sandbox: Sandbox, tmp_path: Path, field: str) -> None:
    there = tmp_path / "happened"
    act = ACT.format(path=str(there))
    (tmp_path / "evil.py").write_text(act)
    for said in (act, f"{tmp_path}/evil.py:fine", f"{tmp_path}/evil.py :fine", {act: act}, {"a": act}):
        judged(sandbox, source(), **{field: said})
    assert not there.exists()


def test_without_the_sandbox_an_app_is_refused_and_never_runs_elsewhere(tmp_path: Path) -> None:
    def missing() -> Any:
        from edge.errors import TaskLoadError

        raise TaskLoadError("engine sandbox needs pydantic-monty")

    without = Sandbox(missing)
    there = tmp_path / "happened"
    judged(without, source(above=ACT.format(path=str(there))))
    with pytest.raises(EdgeError, match="pydantic-monty"):
        without.load_source("look", source().encode(), None)  # type: ignore[arg-type]
    assert not there.exists()
