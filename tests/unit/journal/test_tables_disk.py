"""What a table holds when the disk refuses a change."""

from __future__ import annotations

import errno

import pytest
from tinydb import TinyDB

from edge.journal import JournalError, open_database
from edge.testing.clock import VirtualClock
from edge.testing.files import MemoryFiles


def opened(files: MemoryFiles) -> TinyDB:
    return open_database("/db", files=files, clock=VirtualClock())


def test_a_change_that_could_not_be_written_did_not_happen() -> None:
    files = MemoryFiles()
    db = opened(files)
    db.insert({"n": 1})
    files.fail("write", errno.ENOSPC, name="state")
    with pytest.raises(JournalError, match=r"'_default' cannot be changed \(No space left.*Free space"):
        db.insert_multiple([{"n": 2}, {"n": 3}])
    assert db.all() == [{"n": 1}]
    assert db.insert({"n": 4}) == 2
    files.crash()
    assert opened(files).all() == [{"n": 1}, {"n": 4}]


@pytest.mark.parametrize("seed", range(8))
def test_a_change_that_could_not_be_synced_stands_and_is_whole_or_gone_after_a_power_cut(seed: int) -> None:
    files = MemoryFiles()
    db = opened(files)
    db.insert({"n": 1})
    files.fail("sync", errno.EIO, times=2)  # the log, and the new one that would have taken its place
    with pytest.raises(JournalError, match="cannot write the journal"):
        db.insert_multiple([{"n": 2}, {"n": 3}])
    assert db.all() == [{"n": 1}, {"n": 2}, {"n": 3}]
    files.crash(seed)
    assert opened(files).all() in ([{"n": 1}], [{"n": 1}, {"n": 2}, {"n": 3}])


def test_the_next_change_makes_durable_what_could_not_be_synced() -> None:
    for change in (lambda db: db.insert({"n": 4}), lambda db: db.update({"x": 1}, doc_ids=[99])):
        files = MemoryFiles()
        db = opened(files)
        files.fail("sync", errno.EIO, times=2)
        with pytest.raises(JournalError):
            db.insert_multiple([{"n": 2}, {"n": 3}])
        change(db)
        expected = db.all()
        files.crash()
        assert expected[:2] == [{"n": 2}, {"n": 3}]
        assert opened(files).all() == expected
