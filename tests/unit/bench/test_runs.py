"""`edge bench runs`: figures whose sums are right; how large they are is the machine's affair."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from edge.bench import runs as bench
from edge.bench.micro import BARE, PLAIN, TALK, Bench, descendants, resident_kb
from edge.cli import main
from edge.model import Outcome, RecordKind
from edge.runs.inline import Inline


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "_CALLS", 5)
    monkeypatch.setattr(bench, "_WARM", 2)
    monkeypatch.setattr(bench, "_TURNS", 1)
    monkeypatch.setattr(bench, "_ROUNDS", 30)
    monkeypatch.setattr(bench, "_LIMIT", "10ms")


def test_a_run_without_grants_makes_its_outcome_and_one_with_grants_its_promise_too(tmp_path: Path) -> None:
    made = Bench(tmp_path)

    [outcome] = made.once(made.task(PLAIN, Inline()))
    promise, other, publish = made.once(made.task(TALK, Inline(), bench.GRANTS))

    told = Outcome.from_envelope(json.loads(outcome.body))
    assert (told.status, told.result) == ("success", {"fahrenheit": 70.7})
    assert [promise.kind, other.kind, publish.kind] == [RecordKind.ACCEPTED, RecordKind.OUTCOME, RecordKind.PUBLISH]


def test_the_bare_source_computes_what_the_task_computes() -> None:
    found: dict[str, object] = {"event": {"values": {"celsius": 21.5}}}
    body, _, last = BARE.strip().rpartition("\n")
    exec(body, found)

    assert eval(last, found) == {"fahrenheit": 70.7}


def test_memory_is_that_of_this_process_and_of_those_it_started() -> None:
    child = subprocess.Popen(["sh", "-c", "read line"], stdin=subprocess.PIPE)
    try:
        assert child.pid in descendants()
        assert resident_kb([child.pid]) > 0
    finally:
        child.communicate()
    assert child.pid not in descendants()
    assert resident_kb([child.pid]) == 0  # it ended meanwhile


@pytest.mark.parametrize("form", [["--json"], []])
def test_every_engine_is_measured_beside_its_baseline(capsys: pytest.CaptureFixture[str], form: list[str]) -> None:
    pytest.importorskip("pydantic_monty")

    assert main(["bench", "runs", "--quick", "--runs", "20", *form]) == 0
    out = capsys.readouterr().out
    if not form:
        assert out.split("\n")[0].split() == ["FIGURE", "OURS", "BASELINE", "OVER", "TARGET"]
        assert "<= 1.2 x" in out
        return
    found = json.loads(out)
    assert set(found["cold_ms"]) == set(bench.ENGINES)
    plain, sandbox = found["inline_us"]["plain"], found["sandbox_us"]
    assert plain["over"] == pytest.approx(plain["ours"] - plain["bare"], abs=plain["ours"] / 2)
    assert sandbox["ratio"] == pytest.approx(sandbox["ours"] / sandbox["bare"], abs=0.01)
    assert found["memory_kb"]["runs"] == 2
    assert found["memory_kb"]["workers_after"] > 0
    assert found["late_ms"]["sandbox"]["runs"] == 20
