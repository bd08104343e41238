"""`edge bench`: figures whose sums are right; how large they are is the machine's affair."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge.bench import journal as bench
from edge.bench.material import bodies, file_system, records
from edge.cli import main
from edge.cli.verbs import find
from edge.journal import Journal, Ticket, open_journal
from edge.model import Record
from edge.testing.clock import VirtualClock


@pytest.mark.parametrize("words", [["bench"], ["bench", "--rounds", "1"], ["bench", "path"]])
def test_bench_alone_is_the_whole_path(words: list[str]) -> None:
    found = find(words)

    assert not isinstance(found, str)
    assert found[1] is not None
    assert found[1].place == "edge.bench.verb:bench"


SMALL = ["bench", "journal", "--records", "1000", "--pending", "10000", "--rounds", "1", "--folder"]


@pytest.fixture(autouse=True)
def a_short_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "_SECONDS", 20)


def test_the_journal_is_measured_beside_its_baselines_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*SMALL, str(tmp_path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    rates = found["per_s"]
    assert {name.partition(",")[0] for name in rates} >= {"raw", "sqlite", "journal", "stock TinyDB"}
    assert all(rate > 0 for rate in rates.values())
    one = rates["journal, one by one"] / rates["raw, one by one"]
    assert found["ratio"]["one_by_one_to_raw"] == pytest.approx(one, abs=0.006)
    assert found["backlog"]["pending"] == 10_001  # and the first append after the start
    assert all(0 < each["p50"] <= each["p99"] for each in found["latency_us"].values())
    second = found["one_a_second"]
    assert second["records"] == 20
    assert second["handed_over_per_byte"] > 1  # the journal's own count: frames, acknowledgements, checkpoints
    assert list(tmp_path.iterdir()) == []


def test_a_person_sees_each_figure_beside_its_baseline_and_target(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "has_persist_queue", lambda: False)
    monkeypatch.setattr(bench, "file_system", lambda folder: "tmpfs")

    assert main([*SMALL, str(tmp_path)]) == 0
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert lines[0].split() == ["FIGURE", "OURS", "BASELINE", "RATIO", "TARGET"]
    assert any(line.startswith("records/s, 4 threads") and line.endswith(">= 1.3, aim 2") for line in lines)
    assert any("persist-queue" in line and line.endswith("missing") for line in lines)
    assert "pip install 'edge-runtime[bench]'" in said.err
    assert "is on tmpfs, which is memory: these figures mean nothing" in said.err


def test_the_file_system_of_a_folder_is_that_of_the_innermost_mount() -> None:
    assert file_system(Path("/proc/self")) == "proc"


def test_four_producers_together_have_no_more_than_200_outstanding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = []

    class Watched:
        """A journal that notes how far appending is ahead of what is durable."""

        def __init__(self, journal: Journal) -> None:
            self.journal = journal
            self.commit, self.wait = journal.commit, journal.wait

        def __enter__(self) -> Watched:
            return self

        def __exit__(self, *_: object) -> None:
            self.journal.close()

        @property
        def durable(self) -> int:
            return self.journal.durable

        def append(self, records: list[Record]) -> Ticket:
            ticket = self.journal.append(records)
            most.append(ticket.sequence - self.durable)
            return ticket

    monkeypatch.setattr(bench, "open_journal", lambda *path, **options: Watched(open_journal(*path, **options)))
    made = records(bodies(3000))
    with bench._crowd(tmp_path / "journal") as write:
        write(made)
        assert 0 < max(most) <= 200
    with open_journal(str(tmp_path / "journal"), clock=VirtualClock()) as journal:
        assert journal.stats()["accepted"] == len(made)


def test_a_backlog_too_small_to_compare_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "journal", "--pending", "5000"]) == 2
    assert "--pending 10000 or more" in capsys.readouterr().err


def test_a_missing_folder_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "journal", "--folder", "/nowhere"]) == 1
    assert "/nowhere" in capsys.readouterr().err
