"""`edge journal repair, export, import, requeue`: what a person does to a journal, on real files."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path

import pytest
from tinydb import TinyDB

from edge.journal import Journal, open_journal
from edge.model import Verdict
from edge.testing.clock import VirtualClock
from tests.unit.cli.conftest import STARTER, Edge
from tests.unit.cli.test_journal import STATUSES, outcome

UPSTREAM = "upstream: {cloud: {kind: mqtt, broker: mqtt://cloud.example}}\n"


def own(folder: Path, upstream: str = "cloud", clock: VirtualClock | None = None) -> Journal:
    return open_journal(str(folder / "journal"), clock=clock or VirtualClock(), upstreams=[upstream])


@pytest.fixture
def kept(folder: Path) -> Path:
    """Three outcomes for `cloud`, the first delivered, and one document; its owner has stopped."""
    (folder / "edge.yaml").write_text(STARTER + UPSTREAM)
    with own(folder) as journal:
        for number, status in enumerate(STATUSES):
            journal.append([outcome(number, status)])
        journal.commit()
        journal.settle("cloud", [journal.pending("cloud")[0].sequence], Verdict.DELIVERED)
        journal.table("counters").insert({"pulses": 7 * 10**20, "limit": float("inf")})
    return folder


def ids(lines: str) -> list[str]:
    return [json.loads(line)["id"][-1] for line in lines.splitlines()]


def test_json_lines_are_the_envelopes_as_they_are_sent(kept: Path, edge: Edge) -> None:
    said = edge("journal", "export")

    assert said.out.encode().splitlines() == [outcome(n, status).body for n, status in enumerate(STATUSES)]


def test_what_an_upstream_still_waits_for_is_exported_while_the_runtime_runs(kept: Path, edge: Edge) -> None:
    with own(kept):
        assert ids(edge("journal", "export", "--pending", "cloud").out) == ["1", "2"]


def test_a_table_program_reads_the_csv(kept: Path, edge: Edge) -> None:
    rows = list(csv.DictReader(io.StringIO(edge("journal", "export", "--format", "csv").out)))

    assert [row["status"] for row in rows] == STATUSES
    assert rows[1]["error"] == "ValueError: too hot\nreally"
    assert json.loads(rows[2]["result"]) == {"celsius": 33.5}


def test_stock_tinydb_opens_the_export_with_outcomes_and_state_tables(kept: Path, edge: Edge) -> None:
    said = edge("journal", "export", "--format", "tinydb", "--output", "out.json")

    with TinyDB(kept / "out.json") as stock:
        assert [document["id"][-1] for document in stock.table("outcomes")] == ["0", "1", "2"]
        assert stock.table("counters").all() == [{"pulses": 7 * 10**20, "limit": float("inf")}]
    assert "3 outcomes written to out.json" in said.err


def test_an_export_never_overwrites_a_file(kept: Path, edge: Edge) -> None:
    (kept / "out.json").write_text("mine")
    said = edge("journal", "export", "--output", "out.json")

    assert (said.code, (kept / "out.json").read_text()) == (1, "mine")
    assert "out.json exists" in said.err


@pytest.mark.parametrize("verb", [("export", "--pending", "clod"), ("export", "--dead", "clod"), ("requeue", "clod")])
def test_an_unknown_upstream_is_refused_with_those_there_are(kept: Path, edge: Edge, verb: tuple[str, ...]) -> None:
    said = edge("journal", *verb)

    assert said.code == 1
    assert "no upstream 'clod'; it knows cloud" in said.err


@pytest.mark.parametrize("form", ["jsonl", "tinydb"])
def test_another_gateway_takes_in_an_export_once(kept: Path, edge: Edge, form: str) -> None:
    edge("journal", "export", "--format", form, "--output", "out")
    (kept / "other.yaml").write_text((STARTER + UPSTREAM).replace("./journal", "./other"))
    take = ("journal", "import", "out", "--format", form, "-c", "other.yaml")

    assert "3 outcomes taken in, 0 passed over" in edge(*take).out
    assert "0 outcomes taken in, 3 passed over" in edge(*take).out
    assert edge("journal", "export", "--pending", "cloud", "-c", "other.yaml").out == edge("journal", "export").out


def test_an_import_stops_at_a_number_that_no_outcome_can_have(kept: Path, edge: Edge) -> None:
    (kept / "in.json").write_text(json.dumps({"outcomes": {"1": {"type": "edge.outcome.v1", "data": 10**30}}}))
    said = edge("journal", "import", "in.json", "--format", "tinydb")

    assert said.code == 1
    assert "in.json: document 1: not an outcome" in said.err


def test_an_import_stops_at_what_is_no_outcome_and_keeps_what_came_before(kept: Path, edge: Edge) -> None:
    lines = [outcome(7, "success").body, b'{"type": "other"}', outcome(8, "success").body]
    (kept / "in.jsonl").write_bytes(b"\n".join(lines))
    said = edge("journal", "import", "in.jsonl")

    assert said.code == 1
    assert "in.jsonl:2: not an outcome" in said.err
    assert ids(edge("journal", "export").out) == ["0", "1", "2", "7"]


def refuse(folder: Path, clock: VirtualClock) -> None:
    """Two outcomes become dead letters, an hour apart."""
    with own(folder, clock=clock) as journal:
        for number in (5, 6):
            journal.append([outcome(number, "success")])
            journal.commit()
            clock.advance(3600)
        left = [one.sequence for one in journal.pending("cloud") if one.record.id[-1] in "56"]
        journal.settle("cloud", left, Verdict.DEAD, "too large")


def test_dead_letters_are_pending_again_all_by_id_or_by_time(kept: Path, edge: Edge) -> None:
    clock = VirtualClock()
    refuse(kept, clock)
    with own(kept) as journal:
        first, second = (stored.accepted for stored, _ in journal.dead_letters("cloud"))
    assert second > first
    assert ids(edge("journal", "export", "--dead", "cloud").out) == ["5", "6"]

    from_then = edge("journal", "requeue", "cloud", "--since", "2100-01-01")
    by_id = edge("journal", "requeue", "cloud", "--id", "A5", "--until", "2100-01-01T00:00:00Z")
    rest = edge("journal", "requeue", "cloud")
    assert [said.out.split()[0] for said in (from_then, by_id, rest)] == ["0", "1", "1"]
    assert ids(edge("journal", "export", "--pending", "cloud").out) == ["1", "2", "5", "6"]
    assert edge("journal", "stats").code == 0


def test_a_backlog_of_an_upstream_that_is_gone_moves_to_another(kept: Path, edge: Edge) -> None:
    (kept / "edge.yaml").write_text(STARTER + UPSTREAM.replace("cloud: ", "hill: "))
    said = edge("journal", "requeue", "cloud", "--to", "hill")

    assert "2 outcomes that waited for cloud moved to hill" in said.out
    assert ids(edge("journal", "export", "--pending", "hill").out) == ["1", "2"]
    assert edge("journal", "stats").code == 0


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("cloud", "--to", "nowhere"), 1, "no upstream 'nowhere'; it has cloud"),
        (("cloud", "--to", "cloud"), 1, "--to is for one that is gone"),
        (("cloud", "--to", "cloud", "--id", "5"), 2, "--to moves a whole backlog"),
        (("cloud", "--since", "yesterday"), 1, "'yesterday' is no time"),
    ],
)
def test_a_requeue_that_means_nothing_is_refused(
    kept: Path, edge: Edge, words: tuple[str, ...], code: int, says: str
) -> None:
    said = edge("journal", "requeue", *words)

    assert said.code == code
    assert says in said.err


@pytest.mark.parametrize("words", [("repair",), ("requeue", "cloud"), ("import", "in.jsonl")])
def test_a_live_journal_is_left_alone_and_its_owner_named(kept: Path, edge: Edge, words: tuple[str, ...]) -> None:
    (kept / "in.jsonl").write_bytes(outcome(9, "success").body)
    with own(kept) as journal:
        said = edge("journal", *words)

        assert said.code == 1
        assert f"in use by process {os.getpid()}" in said.err
        assert journal.stats()["accepted"] == 3


def damage(folder: Path) -> Path:
    [file] = [path for path in (folder / "journal").glob("*.log") if b"too hot" in path.read_bytes()]
    file.write_bytes(file.read_bytes().replace(b"too hot", b"too cod"))
    return file


def test_a_repair_keeps_what_is_intact_and_counts_what_is_not(kept: Path, edge: Edge) -> None:
    file = damage(kept)
    assert edge("journal", "verify").code == 3
    said = edge("journal", "repair")

    assert said.code == 0
    assert "1 record lost" in said.out
    assert edge("journal", "verify").code == 0
    assert ids(edge("journal", "export").out) == ["0", "2"]
    [side] = (kept / "journal").glob(f"quarantine-{file.name}-*")
    assert b"too cod" in side.read_bytes()
    books = json.loads(edge("journal", "stats", "--json").out)["upstreams"]["cloud"]
    assert (books["pending"], books["delivered"], books["dropped"]) == (1, 1, {"damaged": 1})


def test_a_repaired_header_is_read_again(kept: Path, edge: Edge) -> None:
    file = damage(kept)
    file.write_bytes(b"\0" * 8 + file.read_bytes()[8:])

    assert edge("journal", "repair").code == 0
    assert edge("journal", "verify").code == 0
    assert ids(edge("journal", "export").out) == ["0", "2"]


def test_a_sound_journal_needs_no_repair(kept: Path, edge: Edge) -> None:
    before = edge("journal", "export").out

    assert "nothing to repair" in edge("journal", "repair").out
    assert edge("journal", "export").out == before


def test_flash_wear_is_told_by_the_day(kept: Path, edge: Edge) -> None:
    clock = VirtualClock()
    with own(kept, clock=clock):
        clock.advance(86_400)
    found = json.loads(edge("journal", "stats", "--json").out)

    assert found["bytes_written_per_day"] == pytest.approx(found["bytes_written"], rel=0.01)
    assert "a day" in edge("journal", "stats").out
