"""`edge journal` reads what a gateway kept: on real files, also while their owner has them open."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from edge.cli.journal import missing
from edge.envelope import seal
from edge.journal import Journal, open_journal
from edge.model import Record, RecordClass, RecordKind, Verdict
from edge.testing.clock import VirtualClock
from tests.unit.cli.conftest import Edge

STATUSES = ["success", "failure", "success"]


def outcome(number: int, status: str) -> Record:
    error = (
        {"type": "ValueError", "message": "too hot\nreally", "where": "overheat.py:9"} if status == "failure" else None
    )
    event = {"id": f"e{number}", "source": "room", "time": "2026-11-21T09:00:00.000Z", "values": {"temperature": 31.5}}
    data = {
        "task": "overheat" if number else "frost",
        "status": status,
        "event": event,
        "result": None if error else {"celsius": 31.5 + number},
        "error": error,
        "attempts": 1,
        "started": "2026-11-21T09:00:00.000Z",
        "duration_ms": 0.41,
        "usage": {"calls": 1},
        "limits": {"time": "2s"},
        "clock": "synced",
    }
    body = seal(
        id=f"bench:01AAA{number}", edge_id="bench", task=data["task"], time="2026-11-21T09:00:00.120Z", data=data
    )
    return Record(RecordKind.OUTCOME, RecordClass.TELEMETRY, f"bench:01AAA{number}", body)


@pytest.fixture
def journal(folder: Path) -> Iterator[Journal]:
    """Three outcomes, the first delivered; its owner is alive."""
    with open_journal(str(folder / "journal"), clock=VirtualClock(), upstreams=["default"]) as owner:
        for number, status in enumerate(STATUSES):
            owner.append([outcome(number, status)])
        owner.commit()
        [first, *_] = owner.pending("default")
        owner.settle("default", [first.sequence], Verdict.DELIVERED)
        owner.commit()
        yield owner


@pytest.mark.usefixtures("journal")
def test_outcomes_are_listed_oldest_first(edge: Edge) -> None:
    said = edge("journal", "list")

    assert [line.split()[1:4] for line in said.out.splitlines()] == [
        ["bench:01AAA0", "frost", "success"],
        ["bench:01AAA1", "overheat", "failure"],
        ["bench:01AAA2", "overheat", "success"],
    ]
    assert "too hot" in said.out
    assert "really" not in said.out  # one line an outcome


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("too hot\nreally", "ValueError: too hot"),
        ("\n\nIMPORTANT\nread this", "ValueError: IMPORTANT"),
        ("", "ValueError"),
        (" \n", "ValueError"),
    ],
)
def test_a_failure_is_listed_with_its_type_and_the_first_line_that_says_something(
    edge: Edge, journal: Journal, message: str, shown: str
) -> None:
    body = orjson.loads(outcome(1, "failure").body)
    body["data"]["error"]["message"] = message
    journal.append([Record(RecordKind.OUTCOME, RecordClass.TELEMETRY, "bench:02", orjson.dumps(body))])
    journal.commit()

    assert edge("journal", "list").out.splitlines()[-1].endswith(f"failure  {shown}")


@pytest.mark.usefixtures("journal")
@pytest.mark.parametrize(
    ("options", "ids"),
    [
        ([], "012"),
        (["--last", "2"], "12"),
        (["--task", "overheat"], "12"),
        (["--task", "overheat", "--status", "success"], "2"),
        (["--status", "timeout"], ""),
    ],
)
def test_programs_get_one_envelope_a_line_and_only_what_was_asked_for(edge: Edge, options: list[str], ids: str) -> None:
    lines = edge("journal", "list", "--json", *options).out.splitlines()

    assert [json.loads(line)["id"][-1] for line in lines] == list(ids)
    assert all(json.loads(line)["specversion"] == "1.0" for line in lines)


@pytest.mark.usefixtures("journal")
def test_one_outcome_is_shown_in_full_and_found_by_the_end_of_its_id(edge: Edge) -> None:
    page, envelope = edge("journal", "show", "AAA1"), edge("journal", "show", "bench:01AAA1", "--json")

    assert "ValueError: too hot" in page.out
    assert "room at 2026-11-21T09:00:00.000Z: temperature 31.5" in page.out
    assert json.loads(envelope.out)["data"]["status"] == "failure"


@pytest.mark.usefixtures("journal")
@pytest.mark.parametrize(("id", "says"), [("XYZ", "no record 'XYZ'"), ("", "3 ids; give more of it")])
def test_an_id_that_is_none_or_many_is_refused(edge: Edge, id: str, says: str) -> None:
    said = edge("journal", "show", id)

    assert said.code == 1
    assert says in said.err


def test_a_run_that_has_not_ended_is_told_as_such(journal: Journal, edge: Edge) -> None:
    journal.append([Record(RecordKind.ACCEPTED, RecordClass.TELEMETRY, "bench:01BBB", b'{"task": "overheat"}')])
    journal.commit()
    said = edge("journal", "show", "01BBB")

    assert said.code == 1
    assert "accepted for overheat and has no outcome yet" in said.err


@pytest.mark.usefixtures("journal")
def test_the_numbers_add_up_and_say_so_to_people_and_programs(edge: Edge) -> None:
    page, stats = edge("journal", "stats"), edge("journal", "stats", "--json")
    found = json.loads(stats.out)

    assert (page.code, stats.code) == (0, 0)
    assert found["accepted"] == 3
    assert (found["upstreams"]["default"]["delivered"], found["upstreams"]["default"]["pending"]) == (1, 2)
    assert {"volatile", "bytes", "bytes_written", "degraded"} <= set(found)
    assert page.out.splitlines()[-1].split() == ["default", "2", "1", "0", "0", "0"]


@pytest.mark.usefixtures("journal")
def test_what_is_pending_is_told_without_a_runtime_too(edge: Edge) -> None:
    said = edge("sync", "status", "--json")

    assert said.code == 0
    assert "this is what its journal says" in said.err
    [upstream] = json.loads(said.out)
    assert (upstream["name"], upstream["pending"], upstream["delivered"]) == ("default", 2, 1)


def test_an_upstream_that_lost_something_is_exit_3(serving: object, edge: Edge) -> None:
    books = {"delivered": 1, "pending": 0, "dropped": {"full": 1}, "expired": 0, "dead": 0}
    answer = {"accepted": 3, "upstreams": {"default": books}, "bytes": 1, "degraded": []}
    serving({"journal_stats": lambda: answer})  # type: ignore[operator]

    said = edge("journal", "stats")
    assert said.code == 3
    assert "default does not add up: +1" in said.out
    assert missing(2, books) == 0


@pytest.mark.usefixtures("journal")
def test_a_sound_journal_verifies(edge: Edge) -> None:
    said = edge("journal", "verify")

    assert said.code == 0
    assert "3 records" in said.out
    assert json.loads(edge("journal", "verify", "--json").out) == []


def test_a_damaged_journal_is_exit_3_with_the_place(folder: Path, journal: Journal, edge: Edge) -> None:
    journal.close()
    [file] = [path for path in (folder / "journal").glob("*.log") if b"frost" in path.read_bytes()]
    file.write_bytes(file.read_bytes().replace(b"frost", b"toast"))

    said = edge("journal", "verify")
    assert said.code == 3
    assert file.name in said.out
    assert "damaged" in said.out


@pytest.mark.parametrize("verb", ["list", "stats", "verify"])
def test_no_journal_is_one_sentence(folder: Path, edge: Edge, verb: str) -> None:
    said = edge("journal", verb)

    assert said.code == 1
    assert "there is no journal here" in said.err
