"""What real disks do that a journal must know of, one habit a test. Most were found by the model or a small ext4."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest

from edge.journal import Journal, JournalError, Limits, open_journal, read_journal
from edge.model import Record, RecordClass, RecordKind, Verdict
from edge.testing.clock import VirtualClock
from edge.testing.files import MemoryFiles, PowerCut

FOLDER = "/journal"
Opener = Callable[[], Journal]


@pytest.fixture
def files() -> MemoryFiles:
    return MemoryFiles()


@pytest.fixture
def opened(files: MemoryFiles) -> Opener:
    limits = Limits(segment=1 << 14, keep_delivered=0)
    return lambda: open_journal(FOLDER, clock=VirtualClock(), files=files, upstreams=("cloud",), limits=limits)


def outcome(number: int, klass: RecordClass = RecordClass.TELEMETRY, size: int = 10) -> Record:
    return Record(RecordKind.OUTCOME, klass, f"box:{number}", b"x" * size)


def pending(journal: Journal) -> list[str]:
    return [stored.record.id for stored in journal.pending("cloud", limit=1000)]


def test_what_a_killed_process_wrote_is_synced_before_it_counts(files: MemoryFiles, opened: Opener) -> None:
    """Its pages are in the cache, whole, so nothing looks torn; the next power cut would take them."""
    journal = opened()
    files.fail("reserve", errno.EOPNOTSUPP, times=100)  # as on a file system that cannot: nothing to cut off at a start
    journal.append([outcome(1)])
    journal.commit()
    journal.append([outcome(2)])
    files.cut_at = files.steps + 2  # written, and killed in the sync
    with pytest.raises(PowerCut):
        journal.commit()
    files.crash(power=False)
    again = opened()
    assert again.durable == 2
    assert pending(again) == ["box:1", "box:2"]
    for seed in range(20):
        files.crash(seed)
        assert pending(opened()) == ["box:1", "box:2"]


def test_records_count_as_durable_though_the_state_log_failed_after_them(files: MemoryFiles, opened: Opener) -> None:
    journal = opened()
    journal.append([outcome(1)])
    journal.commit()
    journal.forget_deliveries("paho")
    journal.append([outcome(2)])
    files.fail("sync", errno.EIO, name="state")
    files.fail("remove", errno.EIO, name="state")  # the new log stands, the old one does not go
    with pytest.raises(JournalError):
        journal.commit()
    assert journal.commit() == 2, "no further record must be needed for the last one to be confirmed"


def test_a_failed_reservation_may_leave_a_longer_file(files: MemoryFiles, opened: Opener) -> None:
    journal = opened()
    journal.append([outcome(0)])
    journal.commit()
    files.fail("reserve", errno.ENOSPC, name="telemetry")
    for number in range(1, 20):
        journal.append([outcome(number, size=1000)])
        journal.commit()
    journal.close()
    assert read_journal(FOLDER, files=files).verify() == []


def test_a_file_whose_sync_failed_is_left_also_when_no_room_can_be_made(files: MemoryFiles, opened: Opener) -> None:
    journal = opened()
    for number in range(20):  # a sealed segment that may go
        journal.append([outcome(number, size=1000)])
        journal.commit()
    newest = files.names(FOLDER)[-1]
    journal.append([outcome(20)])
    files.fail("sync", errno.ENOSPC, name="telemetry")
    files.fail("create", errno.EIO, name="state.tmp")  # so the checkpoint that would let the sealed one go fails
    with pytest.raises(JournalError):
        journal.commit()
    journal.commit()
    assert files.names(FOLDER)[-1] > newest, "its pages are clean and lost: it must not be synced again"
    for seed in range(20):
        files.crash(seed)
        assert "box:20" in pending(opened())


def test_a_journal_closes_on_a_disk_without_room_for_a_checkpoint(files: MemoryFiles, opened: Opener) -> None:
    journal = opened()
    journal.append([outcome(1), outcome(2)])
    journal.commit()
    journal.settle("cloud", [1], Verdict.DELIVERED)
    files.fail("write", errno.ENOSPC, name="state.tmp")
    journal.close()
    for seed in range(20):
        files.crash(seed)
        assert pending(opened()) == ["box:2"]


def test_a_damaged_header_behind_an_unsealed_segment_costs_nothing_in_it(files: MemoryFiles, opened: Opener) -> None:
    journal = opened()
    for number in range(3):
        journal.append([outcome(number)])
        journal.commit()
    files.fail("sync", errno.EIO, name="telemetry")  # the segment is left without a footer
    journal.append([outcome(3)])
    journal.commit()
    files.crash(power=False)
    first, second = (name for name in files.names(FOLDER) if name.startswith("telemetry"))
    assert first < second
    files.damage(f"{FOLDER}/{second}", 20, b"rotten")
    assert pending(opened()) == ["box:0", "box:1", "box:2", "box:3"]


def test_what_a_failed_sync_left_in_the_cache_is_not_believed_by_the_next_process(
    files: MemoryFiles, opened: Opener
) -> None:
    """The pages are clean, so a sync succeeds and writes nothing: only writing the frames again helps."""
    journal = opened()
    journal.append([outcome(1)])
    journal.commit()
    journal.append([outcome(2)])
    files.fail("sync", errno.EIO, name="telemetry")
    files.fail("truncate", errno.EIO, name="telemetry")
    files.fail("create", errno.EIO, name="telemetry", times=3)
    with pytest.raises(JournalError):
        journal.commit()
    files.crash(power=False)
    files.faults.clear()
    again = opened()
    assert again.durable == 2
    for seed in range(20):
        files.crash(seed)
        assert pending(opened()) == ["box:1", "box:2"]
