"""`edge bench`: figures whose sums are right; how large they are is the machine's affair."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge.cli import main
from edge.cli.verbs import find


@pytest.mark.parametrize("words", [["bench"], ["bench", "--rounds", "1"], ["bench", "path"]])
def test_bench_alone_is_the_whole_path(words: list[str]) -> None:
    found = find(words)

    assert not isinstance(found, str)
    assert found[1] is not None
    assert found[1].place == "edge.bench.verb:bench"


def test_the_journal_is_measured_beside_its_baselines_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--records", "1000", "--pending", "10000", "--rounds", "1", "--folder", str(tmp_path), "--json"]

    assert main(["bench", "journal", *words]) == 0
    found = json.loads(capsys.readouterr().out)
    rates = found["per_s"]
    assert {name.partition(",")[0] for name in rates} >= {"raw", "sqlite", "journal", "stock TinyDB"}
    assert all(rate > 0 for rate in rates.values())
    one = rates["journal, one by one"] / rates["raw, one by one"]
    assert found["ratio"]["one_by_one_to_raw"] == pytest.approx(one, abs=0.006)
    assert found["backlog"]["pending"] == 10_001  # and the first append after the start
    assert list(tmp_path.iterdir()) == []


def test_a_backlog_too_small_to_compare_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "journal", "--pending", "5000"]) == 2
    assert "--pending 10000 or more" in capsys.readouterr().err


def test_a_missing_folder_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "journal", "--folder", "/nowhere"]) == 1
    assert "/nowhere" in capsys.readouterr().err
