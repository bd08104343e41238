"""The command line on an encrypted journal: with its key everything, without it what can be told from the outside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge.cli import main
from edge.journal import Keyring, key_id, open_journal
from edge.model import Verdict
from edge.testing.clock import VirtualClock
from tests.unit.cli.conftest import STARTER, Edge
from tests.unit.cli.test_journal import STATUSES, outcome

KEY, OTHER = "00" * 31 + "01", "00" * 31 + "02"
NAME = key_id(bytes.fromhex(KEY))
ENCRYPTED = STARTER.replace("{path: ./journal}", "{path: ./journal, encrypt: {key: !secret journal_key}}")
UPSTREAM = "upstream: {cloud: {kind: mqtt, broker: mqtt://cloud.example}}\n"


@pytest.fixture
def kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An encrypted journal with three outcomes for `cloud`, one of them refused; its key is in the environment."""
    (folder / "edge.yaml").write_text(ENCRYPTED + UPSTREAM)
    monkeypatch.setenv("EDGE_SECRET_JOURNAL_KEY", KEY)
    keys = Keyring(bytes.fromhex(KEY))
    with open_journal(str(folder / "journal"), clock=VirtualClock(), upstreams=["cloud"], keys=keys) as journal:
        for number, status in enumerate(STATUSES):
            journal.append([outcome(number, status)])
        journal.commit()
        journal.settle("cloud", [journal.pending("cloud")[0].sequence], Verdict.DEAD, "no")
    return folder


def test_with_the_key_every_verb_works(kept: Path, edge: Edge) -> None:
    assert edge("journal", "stats").code == 0
    assert edge("journal", "verify").out.startswith("ok")
    assert len(edge("journal", "list").out.splitlines()) == 3
    assert edge("journal", "show", "AAA1").code == 0
    assert "nothing to repair" in edge("journal", "repair").out
    assert "1 dead letter of cloud pending again" in edge("journal", "requeue", "cloud").out


@pytest.mark.parametrize("key", [None, OTHER], ids=["none", "wrong"])
def test_without_the_key_it_is_counted_and_verified(
    kept: Path, edge: Edge, monkeypatch: pytest.MonkeyPatch, key: str | None
) -> None:
    (monkeypatch.setenv("EDGE_SECRET_JOURNAL_KEY", key) if key else monkeypatch.delenv("EDGE_SECRET_JOURNAL_KEY"))

    said = edge("journal", "stats")
    assert said.code == 3
    assert "3 outcomes accepted" in said.out
    assert f"encrypted with key {NAME}" in said.out
    assert f"key {NAME} is not given" in said.out
    said = edge("journal", "verify")
    assert said.code == 3
    assert "checksums only, nothing was opened" in said.out
    assert "damaged" not in said.out
    assert json.loads(edge("journal", "verify", "--json").out) == []
    assert json.loads(edge("journal", "stats", "--json").out)["unfinished"] is None


@pytest.mark.parametrize("verb", [("list",), ("show", "AAA1"), ("export",), ("export", "--pending", "cloud")])
@pytest.mark.parametrize("key", [None, OTHER], ids=["none", "wrong"])
def test_without_the_key_nothing_is_shown(
    kept: Path, edge: Edge, monkeypatch: pytest.MonkeyPatch, verb: tuple[str, ...], key: str | None
) -> None:
    (monkeypatch.setenv("EDGE_SECRET_JOURNAL_KEY", key) if key else monkeypatch.delenv("EDGE_SECRET_JOURNAL_KEY"))

    said = edge("journal", *verb)

    assert said.code == 1
    assert said.out == ""
    assert f"needs key {NAME}" in said.err
    assert "old_keys" in said.err
    assert ("EDGE_SECRET_JOURNAL_KEY" in said.err) is (key is None), "where it is looked for"


@pytest.mark.parametrize("verb", [("repair",), ("import", "none.jsonl"), ("requeue", "cloud")])
def test_who_writes_needs_the_key_and_is_told_where_it_is_looked_for(
    kept: Path, edge: Edge, monkeypatch: pytest.MonkeyPatch, verb: tuple[str, ...]
) -> None:
    monkeypatch.delenv("EDGE_SECRET_JOURNAL_KEY")
    before = {path.name: path.read_bytes() for path in (kept / "journal").iterdir()}

    said = edge("journal", *verb)

    assert said.code == 1
    assert "EDGE_SECRET_JOURNAL_KEY" in said.err
    assert {path.name: path.read_bytes() for path in (kept / "journal").iterdir()} == before


def test_nothing_is_written_in_the_clear_because_a_key_cannot_be_read(folder: Path, edge: Edge) -> None:
    """Also into a journal that is plain yet."""
    (folder / "edge.yaml").write_text(ENCRYPTED)
    (folder / "out.jsonl").write_bytes(outcome(0, "success").body + b"\n")

    assert edge("journal", "import", "out.jsonl").code == 1
    assert not (folder / "journal").exists()


def test_a_gateway_does_not_run_on_a_journal_that_it_cannot_open(
    kept: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_SECRET_JOURNAL_KEY", OTHER)

    assert main(["run"]) == 1
    said = capsys.readouterr().err
    assert f"needs key {NAME}" in said
    assert "nothing was touched" in said


def test_an_export_is_plain_and_says_so_and_only_its_owner_may_read_it(kept: Path, edge: Edge) -> None:
    said = edge("journal", "export", "--output", "out.jsonl")

    assert "what is exported from it is not" in said.err
    assert (kept / "out.jsonl").stat().st_mode & 0o777 == 0o600
    assert "what is exported from it is not" in edge("journal", "export").err


def test_an_export_of_a_plain_journal_says_nothing_of_it(folder: Path, edge: Edge) -> None:
    with open_journal(str(folder / "journal"), clock=VirtualClock()) as journal:
        journal.append([outcome(0, "success")])

    assert "encrypted" not in edge("journal", "export").err


def test_what_stays_plain_is_counted_and_check_says_that_it_does(
    folder: Path, edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_journal(str(folder / "journal"), clock=VirtualClock()) as journal:
        journal.append([outcome(0, "success")])
    assert "segments:" not in edge("journal", "stats").out
    (folder / "edge.yaml").write_text(ENCRYPTED)
    monkeypatch.setenv("EDGE_SECRET_JOURNAL_KEY", KEY)

    assert "segments: 1 plain" in edge("journal", "stats").out
    assert f"new files are encrypted with key {NAME}, older ones stay as they are" in edge("check").out
    (folder / "edge.yaml").write_text(
        ENCRYPTED.replace("{key: !secret", "{old_keys: [!secret").replace("key}}", "key]}}")
    )
    assert "new files are plain, older ones stay as they are" in edge("check").out


def test_no_key_is_ever_printed(kept: Path, edge: Edge) -> None:
    for words in (("check",), ("check", "--json"), ("journal", "stats"), ("journal", "stats", "--json")):
        said = edge(*words)
        assert KEY not in said.out + said.err
