"""What the runtime asks of its tables beyond TinyDB: one frame for what goes and what comes, and what is promised."""

from __future__ import annotations

import pytest

from edge.journal import Journal, JournalError, open_journal
from edge.model import Record, RecordClass, RecordKind
from edge.testing.clock import VirtualClock
from edge.testing.files import MemoryFiles


@pytest.fixture
def files() -> MemoryFiles:
    return MemoryFiles()


@pytest.fixture
def journal(files: MemoryFiles) -> Journal:
    return open_journal("/journal", clock=VirtualClock(), files=files)


def record(kind: RecordKind, name: str) -> Record:
    return Record(kind, RecordClass.TELEMETRY, name, b"{}")


def test_exchange_removes_and_inserts_in_one_durable_frame(journal: Journal, files: MemoryFiles) -> None:
    table = journal.table("notes")
    assert table.exchange([], [{"n": 1}, {"n": 2}]) == [1, 2]
    before = journal.store._changes
    assert table.exchange([1, 77], [{"n": 3}]) == [3]
    assert journal.store._changes == before + 1

    files.crash(0)
    again = open_journal("/journal", clock=VirtualClock(), files=files).table("notes")
    assert [(document.doc_id, document["n"]) for document in again] == [(2, 2), (3, 3)]
    assert again.exchange([2, 3], []) == []
    assert again.all() == []


def test_outcomes_are_not_exchanged(journal: Journal) -> None:
    with pytest.raises(JournalError, match="outcomes are what happened"):
        journal.table("outcomes").exchange([1], [])


def test_a_dropped_table_is_gone_and_may_come_again(journal: Journal, files: MemoryFiles) -> None:
    journal.table("notes").insert({"n": 1})
    assert journal.tables() == {"notes"}
    journal.drop_table("notes")
    files.crash(0)
    journal = open_journal("/journal", clock=VirtualClock(), files=files)

    assert journal.tables() == set()
    assert journal.table("notes").insert({"n": 2}) == 1


def test_it_owes_what_is_durably_promised_until_the_outcome_is_durable(journal: Journal) -> None:
    journal.append([record(RecordKind.ACCEPTED, "run")])
    assert not journal.owes("run")
    journal.commit()
    assert journal.owes("run")

    journal.append([record(RecordKind.OUTCOME, "run")])
    assert journal.owes("run")
    journal.commit()
    assert not journal.owes("run")
