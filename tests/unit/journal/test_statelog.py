"""The state log: when what it says is durable, what it costs, and what it takes on the disk."""

from __future__ import annotations

import copy
import errno
from typing import Any

import pytest

from edge.journal import Journal, Keyring, open_journal, read_journal
from edge.model import Delivery, RecordKind, Verdict
from edge.testing.clock import VirtualClock
from edge.testing.files import MemoryFiles

from .conftest import FOLDER, Opener, record


def left(files: MemoryFiles) -> set[int]:
    """How many records wait after a power cut, over many that spare different things."""
    found = set()
    for seed in range(30):
        again = copy.deepcopy(files)
        again.crash(seed)
        found.add(open_journal(FOLDER, clock=VirtualClock(), files=again, upstreams=("cloud",)).backlog("cloud"))
    return found


def filled(opened: Opener, count: int) -> Journal:
    journal = opened()
    for number in range(count):
        journal.append([record(number, size=10)])
    journal.commit()
    return journal


def settle(journal: Journal, first: int, last: int) -> None:
    journal.settle("cloud", range(first, last + 1), Verdict.DELIVERED)
    journal.commit()


def test_acknowledgements_are_durable_after_ten_seconds(
    opened: Opener, files: MemoryFiles, clock: VirtualClock
) -> None:
    journal = filled(opened, 3)
    settle(journal, 1, 1)
    clock.advance(9.9)
    journal.commit()
    assert left(files) == {2, 3}
    clock.advance(0.1)
    journal.commit()
    assert left(files) == {2}


def test_or_after_a_thousand_records(opened: Opener, files: MemoryFiles) -> None:
    journal = filled(opened, 1_200)
    settle(journal, 1, 999)
    assert 1_200 in left(files)
    settle(journal, 1_000, 1_000)
    assert left(files) == {200}
    settle(journal, 1_001, 1_200)
    assert 200 in left(files)


def test_or_at_once_with_a_change_that_somebody_waits_for(opened: Opener, files: MemoryFiles) -> None:
    journal = filled(opened, 3)
    settle(journal, 1, 1)
    journal.table("memory").insert({"n": 1})
    journal.commit()
    assert left(files) == {2}


def log_of(files: MemoryFiles) -> str:
    [name] = [name for name in files.names(FOLDER) if name.startswith("state")]
    return f"{FOLDER}/{name}"


def end_of_notes(files: MemoryFiles) -> int:
    return len(files.read(log_of(files), 0, 1 << 20).rstrip(b"\0"))


def test_an_acknowledgement_changes_the_length_of_no_file(opened: Opener, files: MemoryFiles) -> None:
    """That is most of what its sync costs on a real disk."""
    journal = filled(opened, 50)
    settle(journal, 1, 1)
    length = files.size(log_of(files))
    for number in range(2, 51):
        settle(journal, number, number)
    assert files.size(log_of(files)) == length


def test_what_is_reserved_is_counted_and_is_no_damage(opened: Opener, files: MemoryFiles) -> None:
    journal = filled(opened, 3)
    settle(journal, 1, 1)
    assert files.read(log_of(files), 0, 1 << 20).endswith(bytes(1000))
    reader = read_journal(FOLDER, files=files)
    taken = sum(files.size(f"{FOLDER}/{name}") for name in files.names(FOLDER) if name.endswith(".log"))
    assert reader.stats()["bytes"] == journal.stats()["bytes"] == taken
    assert reader.verify() == []
    files.crash(power=False)
    assert opened().stats()["degraded"] == []


def test_a_disk_without_room_ahead_takes_what_fits(opened: Opener, files: MemoryFiles) -> None:
    journal = filled(opened, 3)
    files.fail("reserve", errno.ENOSPC, name="state", times=1000)
    settle(journal, 1, 2)
    files.crash(power=False)
    journal = opened()
    assert journal.backlog("cloud") == 1
    assert journal.stats()["degraded"] == []


def test_a_note_of_an_older_log_is_not_believed(opened: Opener, files: MemoryFiles) -> None:
    """A disk may bring back what a file held before that lay in the same place."""
    journal = filled(opened, 3)
    settle(journal, 1, 1)
    before = end_of_notes(files)
    settle(journal, 2, 2)
    stale = files.read(log_of(files), before, 1 << 20).rstrip(b"\0")
    files.crash(power=False)
    journal = opened()  # another log
    settle(journal, 3, 3)
    files.damage(log_of(files), end_of_notes(files), stale)
    files.crash(power=False)
    journal = opened()
    assert journal.stats()["upstreams"]["cloud"]["delivered"] == 3
    assert journal.stats()["degraded"] == []


def used(journal: Journal, start: int, count: int = 300) -> None:
    """Segments are filled, delivered and deleted."""
    for number in range(start, start + count):
        journal.append([record(number, size=300)])
        if number % 20 == 19:
            journal.commit()
            journal.settle("cloud", [stored.sequence for stored in journal.pending("cloud")], Verdict.DELIVERED)
            journal.commit()


SMALL: dict[str, Any] = {"segment": 1 << 14, "keep_delivered": 0}


def test_deleting_segments_writes_no_state_table_anew(opened: Opener, files: MemoryFiles) -> None:
    journal = opened(**SMALL)
    journal.table("memory").insert_multiple({"text": "x" * 1000} for _ in range(200))
    journal.commit()
    log, before = log_of(files), files.written
    used(journal, 0, 600)
    assert log_of(files) == log
    assert not any(name.startswith("telemetry") for name in files.names(FOLDER))
    assert files.written - before < 600 * 450 + 100_000
    for seed in range(20):
        again = copy.deepcopy(files)
        again.crash(seed)
        stats = open_journal(FOLDER, clock=VirtualClock(), files=again, upstreams=("cloud",)).stats()
        assert stats["accepted"] == 600
        assert stats["degraded"] == []


@pytest.mark.parametrize("encrypted", [False, True])
def test_what_deleted_segments_said_of_runs_and_deliveries_is_kept(
    opened: Opener, files: MemoryFiles, encrypted: bool
) -> None:
    keys = Keyring(bytes(32)) if encrypted else None
    journal = opened(**SMALL, keys=keys)
    for number in range(2):
        journal.append([record(number, RecordKind.ACCEPTED)], Delivery("secret client", number + 1, 70 + number))
    journal.close()
    journal = opened(**SMALL, keys=keys)
    journal.append([record(0)], Delivery("secret client", 1, 80))
    journal.append([record(2, RecordKind.ACCEPTED)], Delivery("secret client", 3, 72))
    used(journal, 10)
    files.crash(power=False)
    assert "telemetry-0000000002.log" not in files.names(FOLDER)
    log = files.read(log_of(files), 0, 1 << 20)
    assert (b"secret client" in log) is not encrypted
    journal = opened(**SMALL, keys=keys)
    unfinished = {stored.record.id for stored in journal.unfinished()}
    assert unfinished == {record(number, RecordKind.ACCEPTED).id for number in (1, 2)}
    assert dict(journal.deliveries("secret client")) == {1: 80, 2: 71, 3: 72}
    assert journal.stats()["degraded"] == []


@pytest.mark.parametrize("torn", ["promises", "counts"])
def test_half_a_snapshot_is_none(opened: Opener, files: MemoryFiles, torn: str) -> None:
    """A disk may have taken its end and not its beginning, as long as it is not synced."""
    journal = opened(**SMALL)
    journal.append([record(0, RecordKind.ACCEPTED)], Delivery("paho", 1, 7))
    for number in range(1, 3):
        journal.append([record(number)])
    journal.commit()
    settle(journal, 2, 2)
    journal.table("memory").insert({"n": 1})
    begin = end_of_notes(files)
    journal._ledger.snapshot(journal.durable)
    at = {"promises": begin + 60, "counts": end_of_notes(files) - 5}[torn]
    files.damage(log_of(files), at, b"rot")
    journal.table("memory").insert({"n": 2})
    files.crash(power=False)
    journal = opened(**SMALL)
    assert [stored.record for stored in journal.unfinished()] == [record(0, RecordKind.ACCEPTED)]
    assert dict(journal.deliveries("paho")) == {1: 7}
    assert [stored.record for stored in journal.pending("cloud")] == [record(2)]
    assert journal.stats()["upstreams"]["cloud"]["delivered"] == 1
    assert [doc["n"] for doc in journal.table("memory")] == [1, 2]
