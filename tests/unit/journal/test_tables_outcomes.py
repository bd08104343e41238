"""The outcomes are a table to search and not to change, however many there are."""

from __future__ import annotations

import threading
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from tinydb import where
from tinydb.table import Document

from edge.journal import Journal, JournalError, Limits, open_journal
from edge.model import Record, RecordClass, RecordKind
from edge.testing.clock import VirtualClock
from edge.testing.files import MemoryFiles


def outcome(number: int, size: int = 0) -> Record:
    body = b'{"id":"box:%d","data":{"task":"overheat","n":%d,"text":"%s"}}' % (number, number, b"x" * size)
    return Record(RecordKind.OUTCOME, RecordClass.TELEMETRY, f"box:{number}", body)


def made(number: int, size: int = 0) -> tuple[Journal, MemoryFiles]:
    files = MemoryFiles()
    journal = open_journal("/journal", files=files, clock=VirtualClock(), limits=Limits(segment=100_000))
    for at in range(number):
        journal.append([outcome(at, size)])
        if at % 50 == 49:
            journal.commit()
    journal.commit()
    return journal, files


def test_everything_may_be_asked() -> None:
    journal, _ = made(5)
    outcomes = journal.table("outcomes")

    assert [doc["id"] for doc in outcomes.search(where("data").n > 2)] == ["box:3", "box:4"]
    assert [doc.doc_id for doc in outcomes.search(where("data").n > 2)] == [4, 5]
    assert outcomes.get(doc_id=2)["data"]["n"] == 1  # type: ignore[index]
    assert outcomes.get(where("data").n == 3).doc_id == 4  # type: ignore[union-attr]
    assert outcomes.get(where("data").n == 9) is None
    assert [doc["id"] for doc in outcomes.get(doc_ids=[3, 99, 1])] == ["box:0", "box:2"]  # type: ignore[call-overload]
    assert outcomes.count(where("data").task == "overheat") == len(outcomes) == len(outcomes.all()) == 5
    assert outcomes.contains(doc_id=5)
    assert not outcomes.contains(doc_id=99)
    assert outcomes.contains(where("data").n == 0)
    assert [doc.doc_id for doc in outcomes] == [1, 2, 3, 4, 5]
    with pytest.raises(RuntimeError, match="cond or doc_id"):
        outcomes.get()  # type: ignore[call-overload]
    assert "outcomes" in repr(outcomes)
    assert journal.table("memory").insert({"a": 1}) == 1


def test_only_outcomes_are_in_it() -> None:
    journal, _ = made(1)
    journal.append([Record(RecordKind.ACCEPTED, RecordClass.TELEMETRY, "box:7", b"{}")])
    journal.append([outcome(7), Record(RecordKind.PUBLISH, RecordClass.PUBLISH, "box:7", b"1", "plant/fan")])
    journal.commit()
    outcomes = journal.table("outcomes")

    assert [doc.doc_id for doc in outcomes] == [1, 3]
    assert [doc.doc_id for doc in outcomes.get(doc_ids=[1, 2, 3, 4])] == [1, 3]  # type: ignore[call-overload]
    assert outcomes.get(doc_id=2) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table.insert({}),
        lambda table: table.insert(Document({}, 1)),
        lambda table: table.insert("no mapping"),
        lambda table: table.insert_multiple([]),
        lambda table: table.update({"x": 1}, doc_ids=[99]),
        lambda table: table.update_multiple([]),
        lambda table: table.upsert({}, where("x") == 1),
        lambda table: table.remove(),
        lambda table: table.remove(doc_ids=[1]),
        lambda table: table.truncate(),
    ],
)
def test_every_change_is_refused_before_it_begins(change: Callable[[Any], Any]) -> None:
    journal, files = made(2)
    outcomes, before = journal.table("outcomes"), files.steps
    with pytest.raises(JournalError, match="'outcomes' cannot be changed"):
        change(outcomes)
    assert (files.steps, len(outcomes)) == (before, 2)


def test_memory_does_not_grow_with_what_is_kept() -> None:
    journal, _ = made(3000, 900)
    outcomes = journal.table("outcomes")
    tracemalloc.start()
    try:
        assert outcomes.count(where("data").n >= 0) == len(outcomes) == sum(1 for _ in outcomes) == 3000
        assert outcomes.get(where("data").n == 2999) is not None
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_one_outcome_is_looked_up_and_not_searched_for(monkeypatch: pytest.MonkeyPatch) -> None:
    journal, _ = made(1000, 900)
    reads: list[int] = []
    read = MemoryFiles.read

    def counted(self: MemoryFiles, path: str, offset: int, length: int) -> bytes:
        data = read(self, path, offset, length)
        reads.append(len(data))
        return data

    monkeypatch.setattr(MemoryFiles, "read", counted)
    assert journal.table("outcomes").get(doc_id=900)["data"]["n"] == 899  # type: ignore[index]
    assert 0 < sum(reads) <= 250_000


def test_who_reads_holds_nobody_up_and_reads_on_when_segments_go() -> None:
    journal, _ = made(1000, 900)
    rows = iter(journal.table("outcomes"))
    assert next(rows).doc_id == 1
    other = threading.Thread(target=lambda: (journal.append([outcome(1000)]), journal.commit()))
    other.start()
    other.join(10)
    assert not other.is_alive()
    assert len(list(rows)) >= 999
