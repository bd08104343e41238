"""Every version of the format stays readable: the folder `format-1` was written by the first version and never changes.

`write` made it, and makes the folder of the next version.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edge.journal import PUBLISHES, Journal, JournalReader, Limits, open_journal, read_journal
from edge.model import Delivery, Record, RecordClass, RecordKind, Verdict
from edge.testing.clock import VirtualClock

from .conftest import record

FIXTURES = Path(__file__).parent
VERSIONS = sorted(path.name for path in FIXTURES.glob("format-*"))
LIMITS = Limits(segment=1 << 14)


def write(path: str) -> None:
    """A journal with one of everything, as a killed process leaves it."""
    journal = open_journal(path, clock=VirtualClock(), upstreams=("cloud", "plant"), limits=LIMITS)
    for number in range(60):
        klass = RecordClass.ALARM if number % 10 == 0 else RecordClass.TELEMETRY
        records = [record(number, klass=klass, size=300)]
        if number % 20 == 5:
            records.append(record(1000 + number, RecordKind.PUBLISH))
        journal.append(records, Delivery("paho", number + 1, number + 7) if number < 50 else None)
        if number % 5 == 4:
            journal.commit()
    journal.append([record(2000, RecordKind.ACCEPTED)])
    journal.append([record(2001, RecordKind.ACCEPTED, RecordClass.ALARM)])
    journal.append([record(2001, klass=RecordClass.ALARM)])
    journal.commit()
    sequences = [stored.sequence for stored in journal.pending("cloud", limit=20)]
    journal.settle("cloud", sequences[::2], Verdict.DELIVERED)
    journal.settle("cloud", sequences[1:4:2], Verdict.DEAD, "quota exceeded")
    journal.settle("cloud", sequences[5:6], Verdict.EXPIRED)
    journal.settle("plant", sequences[:3], Verdict.DEAD, "not authorized")
    letters = [stored.sequence for stored, _ in journal.dead_letters("plant")]
    journal.requeue("plant", letters[:2])
    journal.settle("plant", letters[:1], Verdict.DELIVERED)
    journal.table("memory").insert_multiple([{"n": 1}, {"text": "°C"}])
    journal.table("memory").remove(doc_ids=[1])
    journal.forget_deliveries("other")
    journal.commit()


PLANT = {
    "format-1": {"dead": [], "counts": {"delivered": 0, "dead": 0, "pending": 61}},
    "format-2": {
        "dead": [(record(2, size=300), "not authorized")],
        "counts": {"delivered": 1, "dead": 1, "pending": 59},
    },
}


def letters(journal: Journal | JournalReader, upstream: str) -> list[tuple[Record, str]]:
    return [(stored.record, reason) for stored, reason in journal.dead_letters(upstream)]


def test_there_is_a_fixture_of_the_version_that_is_written() -> None:
    assert VERSIONS == ["format-1", "format-2"]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_journal_of_every_version_is_read(version: str, tmp_path: Path) -> None:
    path = tmp_path / "journal"
    shutil.copytree(FIXTURES / version, path)
    reader = read_journal(str(path))
    assert len(list(reader.records())) == 61
    assert reader.verify() == []
    assert letters(reader, "cloud") == [
        (record(1, size=300), "quota exceeded"),
        (record(3, size=300), "quota exceeded"),
    ]
    assert letters(reader, "plant") == PLANT[version]["dead"]

    journal = open_journal(str(path), clock=VirtualClock(), upstreams=("cloud", "plant"), limits=LIMITS)
    stats = journal.stats()
    cloud = stats["upstreams"]["cloud"]

    assert stats["degraded"] == []
    assert stats["accepted"] == 61
    assert (cloud["delivered"], cloud["dead"], cloud["expired"], cloud["pending"]) == (10, 2, 1, 48)
    assert {name: stats["upstreams"]["plant"][name] for name in PLANT[version]["counts"]} == PLANT[version]["counts"]
    assert [stored.record for stored in journal.pending(PUBLISHES)] == [
        record(1000 + number, RecordKind.PUBLISH) for number in (5, 25, 45)
    ]
    assert [stored.record for stored in journal.unfinished()] == [record(2000, RecordKind.ACCEPTED)]
    assert letters(journal, "cloud") == letters(reader, "cloud")
    assert letters(journal, "plant") == letters(reader, "plant")
    assert dict(journal.deliveries("paho")) == {number + 1: number + 7 for number in range(50)}
    assert journal.table("memory").all() == [{"text": "°C"}]
    assert journal.table("memory").insert({}) == 3
    journal.append([record(3000)])
    journal.commit()
    newest = max(path.glob("telemetry-*.log"))
    assert newest.read_bytes().startswith(b"edge journal 2\n"), "a segment of an older format is not written on"
    journal.close()
