"""A table, the number of tables and all together have limits; over them a change is refused and nothing is lost."""

from __future__ import annotations

from typing import Any

import pytest
from tinydb import TinyDB, where

from edge.journal import JournalError, Limits, open_database
from edge.journal.store import Change, Store
from edge.testing.clock import VirtualClock
from edge.testing.files import MemoryFiles


def opened(files: MemoryFiles, **limits: Any) -> TinyDB:
    return open_database("/db", limits=Limits(**limits), files=files, clock=VirtualClock())


def test_a_full_table_refuses_says_how_full_and_keeps_what_it_has() -> None:
    files = MemoryFiles()
    db = opened(files, table_size=1000)
    table = db.table("memory")
    table.insert_multiple([{"text": "x" * 81}] * 10)
    with pytest.raises(
        JournalError,
        match=r"^table 'memory' may take 1,000 bytes \(table_size\) and would take 1,069; nothing was changed. "
        "Remove documents, or allow more$",
    ):
        table.insert({"text": "x" * 81})
    assert len(table) == 10
    for change in (
        lambda: table.insert_multiple([{"text": "x" * 50}] * 2),
        lambda: table.update({"more": "x" * 50}),
        lambda: table.upsert({"key": 1, "text": "x" * 80}, where("key") == 1),
    ):
        with pytest.raises(JournalError, match="memory"):
            change()
    assert table.all() == [{"text": "x" * 81}] * 10
    files.crash()
    assert opened(files).table("memory").all() == [{"text": "x" * 81}] * 10


def test_a_full_table_takes_again_what_fits() -> None:
    db = opened(MemoryFiles(), table_size=1000)
    db.insert_multiple([{"text": "x" * 80}] * 10)
    db.update({"text": "y" * 80})  # as long as before
    db.update({"text": "z" * 70})
    db.remove(doc_ids=[1])
    assert db.insert({"text": "x" * 80}) == 11
    db.truncate()
    db.insert_multiple([{"text": "x" * 80}] * 10)
    db.drop_tables()
    db.insert_multiple([{"text": "x" * 80}] * 10)


def test_a_limit_counts_the_same_after_reopening() -> None:
    files = MemoryFiles()
    with opened(files, table_size=1000) as db:
        db.insert_multiple([{"text": "x" * 80}] * 10)
        db.update({"text": "y" * 79}, doc_ids=[3])
    for _ in range(2):  # from the changes first, from a checkpoint then
        db = opened(files, table_size=1000)
        with pytest.raises(JournalError, match="table_size"):
            db.insert({"text": "x" * 80})
        files.crash(power=False)


def test_over_a_limit_that_was_lowered_everything_opens_and_may_shrink() -> None:
    files = MemoryFiles()
    with opened(files) as db:
        db.insert_multiple([{"n": n, "text": "x" * 80} for n in range(20)])
        db.table("other").insert({})
    db = opened(files, table_size=500, tables=1)
    assert len(db) == 20
    with pytest.raises(JournalError, match="table_size"):
        db.insert({})
    with pytest.raises(JournalError, match="at most 1 state tables"):
        db.table("third").insert({})
    db.update({"text": ""}, where("n") < 10)
    db.table("other").insert({"n": 1})
    db.remove(where("n") >= 10)
    assert db.insert({"n": 20}) == 21


def test_there_are_only_so_many_tables() -> None:
    db = opened(MemoryFiles(), tables=3)
    for name in "abc":
        db.table(name).insert({})
    with pytest.raises(JournalError, match=r"'d': the journal keeps at most 3 state tables \(tables\)"):
        db.table("d").insert({})
    assert db.tables() == {"a", "b", "c"}
    db.drop_table("b")
    assert db.table("d").insert({}) == 1


def test_all_tables_together_leave_the_journal_its_room() -> None:
    db = opened(MemoryFiles(), max_size=80_000)
    for name in "abcdefghi":
        db.table(name).insert({"text": "x" * 1000})
    with pytest.raises(JournalError, match="'j': all state tables may take 10,000 bytes, a part of max_size"):
        db.table("j").insert({"text": "x" * 1000})
    assert len(db.tables()) == 9


def test_a_change_too_long_for_one_frame_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.journal.store._LONGEST", 10_000)
    db = opened(MemoryFiles())
    with pytest.raises(JournalError, match=r"may take 10,000 bytes, not 10,[0-9]+; nothing was changed"):
        db.insert({"text": "x" * 10_000})
    assert not db.tables()


def test_a_checkpoint_is_in_frames_that_can_be_read_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.journal.store._LONGEST", 10_000)
    store = Store()
    for number in range(1, 40):
        _, changes = store.admit([Change(table="t", put={number: {"text": "x" * 900}}, next=number + 1)], Limits())
        store.apply(changes)
    store.apply(store.admit([Change(table="empty", next=7)], Limits())[1])
    notes = list(store.dump())
    assert max(map(len, notes)) <= 10_000

    again = Store()
    for note in notes:
        again.replay(note)
    assert {name: (table.docs, table.next, table.size) for name, table in again.tables.items()} == {
        name: (table.docs, table.next, table.size) for name, table in store.tables.items()
    }
    assert again.size == store.size
