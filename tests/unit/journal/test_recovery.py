"""Whatever happened to its files, the journal opens, keeps every intact record, and says what is wrong."""

from __future__ import annotations

import errno

import pytest

from edge.journal import Journal, JournalError, JournalFormat, JournalLocked, read_journal
from edge.model import Delivery, RecordClass, RecordKind, Verdict
from edge.testing.files import MemoryFiles

from .conftest import FOLDER, Opener, record
from .test_outbox import drain, fill


def law(journal: Journal) -> bool:
    stats = journal.stats()
    return all(
        stats["accepted"]
        == up["local"] + up["delivered"] + up["pending"] + sum(up["dropped"].values()) + up["expired"] + up["dead"]
        for up in stats["upstreams"].values()
    )


def newest(files: MemoryFiles, stream: str = "telemetry") -> str:
    return max(f"{FOLDER}/{name}" for name in files.names(FOLDER) if name.startswith(stream))


def test_a_second_owner_is_refused_with_the_pid_of_the_first(opened: Opener) -> None:
    opened()

    with pytest.raises(JournalLocked, match=r"in use by process \d+"):
        opened()


def test_a_closed_journal_can_be_opened_again_and_refuses_appends(opened: Opener) -> None:
    journal = opened()
    journal.close()
    journal.close()

    with pytest.raises(JournalError, match="closed"):
        journal.append([record(1)])
    opened()


def test_sequence_numbers_go_on_after_a_restart(opened: Opener) -> None:
    with opened() as journal:
        last = journal.append([record(1)]).sequence
    with opened() as journal:
        assert journal.append([record(2)]).sequence > last


def test_a_torn_tail_is_cut_off_and_is_no_damage(opened: Opener, files: MemoryFiles) -> None:
    journal = opened()
    fill(journal, 5)
    file = files.append(newest(files))
    file.write(b"\xd7J half a frame")
    file.sync()
    files.crash(power=False)
    journal = opened()

    assert len(drain(journal)) == 5
    assert journal.stats()["degraded"] == []


@pytest.mark.parametrize("sealed", [False, True])
def test_a_flipped_bit_costs_one_frame_is_counted_and_set_aside(
    opened: Opener, files: MemoryFiles, sealed: bool
) -> None:
    journal = opened(segment=1 << 14)
    fill(journal, 10)
    path = newest(files)
    if sealed:
        fill(journal, 200, start=10)
    data = files.read(path, 0, 10_000)
    at = data.index(record(4).body[-3:])
    files.damage(path, at, b"\xff")
    files.crash(power=False)
    journal = opened(segment=1 << 14)
    found = {stored.record for stored in drain(journal)}
    total = 210 if sealed else 10

    assert found == {record(number) for number in range(total) if number != 4}
    assert journal.stats()["upstreams"]["cloud"]["dropped"] == {"damaged": 1}
    assert law(journal)
    assert journal.stats()["degraded"]
    assert sealed or [name for name in files.names(FOLDER) if name.startswith("quarantine-")]


def test_damage_to_what_was_delivered_already_is_no_loss(opened: Opener, files: MemoryFiles) -> None:
    journal = opened()
    fill(journal, 10)
    journal.settle("cloud", [stored.sequence for stored in journal.pending("cloud", limit=5)], Verdict.DELIVERED)
    path = newest(files)
    files.damage(path, files.read(path, 0, 10_000).index(record(2).body[-3:]), b"\xff")
    files.crash(power=False)
    journal = opened()

    assert journal.stats()["upstreams"]["cloud"]["dropped"] == {}
    assert journal.backlog("cloud") == 5
    assert law(journal)


@pytest.mark.parametrize("how", ["missing", "empty", "garbage"])
def test_a_lost_segment_is_counted_and_the_rest_lives(opened: Opener, files: MemoryFiles, how: str) -> None:
    journal = opened(segment=1 << 14)
    fill(journal, 60)
    victim = newest(files)
    fill(journal, 300, start=60)
    journal.close()
    if how == "missing":
        files.remove(victim)
        files.sync_folder(FOLDER)
    elif how == "empty":
        files.truncate(victim, 0)
    else:
        files.damage(victim, 0, b"\x00" * files.size(victim))
    journal = opened(segment=1 << 14)
    dropped = journal.stats()["upstreams"]["cloud"]["dropped"]["damaged"]

    assert dropped >= 60
    assert len(drain(journal)) == 360 - dropped == journal.backlog("cloud")
    assert law(journal)
    assert journal.stats()["degraded"]


@pytest.mark.parametrize("keep", [0, 86_400.0])
def test_without_its_state_log_it_sends_again_rather_than_lose(opened: Opener, files: MemoryFiles, keep: float) -> None:
    journal = opened(segment=1 << 14, keep_delivered=keep)
    for start in range(0, 300, 50):
        fill(journal, 50, start=start)
        if start < 200:
            found = journal.pending("cloud", limit=50)
            journal.settle("cloud", [stored.sequence for stored in found], Verdict.DELIVERED)
    journal.commit()
    journal.close()
    for name in files.names(FOLDER):
        if name.startswith("state-"):
            files.remove(f"{FOLDER}/{name}")
    journal = opened(segment=1 << 14, keep_delivered=keep)

    assert {record(number) for number in range(200, 300)} <= {stored.record for stored in drain(journal)}
    assert journal.stats()["accepted"] == 300
    assert journal.stats()["upstreams"]["cloud"]["dropped"] == {}
    assert law(journal)
    assert "state log is lost" in journal.stats()["degraded"][0]


def test_a_newer_format_is_refused_and_not_touched(opened: Opener, files: MemoryFiles) -> None:
    opened().close()
    file = files.append(f"{FOLDER}/telemetry-0000000009.log")
    file.write(b"edge journal 3\n and more")
    before = {name: files.read(f"{FOLDER}/{name}", 0, 10**6) for name in files.names(FOLDER)}

    with pytest.raises(JournalFormat, match="newer version"):
        opened()
    assert before == {name: files.read(f"{FOLDER}/{name}", 0, 10**6) for name in files.names(FOLDER)}


def test_unfinished_runs_come_back_in_order_and_an_outcome_closes_them(opened: Opener, files: MemoryFiles) -> None:
    journal = opened(segment=1 << 14)
    for number in range(100):
        klass = RecordClass.ALARM if number % 3 == 0 else RecordClass.TELEMETRY
        journal.append([record(number, RecordKind.ACCEPTED, klass, size=500)])
    for number in range(0, 100, 2):
        journal.append([record(number)])
    journal.commit()
    files.crash()
    journal = opened(segment=1 << 14)

    assert [int(stored.record.id[4:]) for stored in journal.unfinished()] == list(range(1, 100, 2))


def test_deliveries_survive_restart_and_the_deletion_of_their_segments(opened: Opener, files: MemoryFiles) -> None:
    journal = opened(segment=1 << 14, keep_delivered=0)
    for number in range(1, 401):
        journal.append([record(number)], Delivery("paho", number % 300 + 1, number))
    journal.commit()
    drained = [stored.sequence for stored in drain(journal)]
    journal.settle("cloud", drained, Verdict.DELIVERED)
    journal.commit()
    expected = {number % 300 + 1: number for number in range(1, 401)}

    assert dict(journal.deliveries("paho")) == expected
    files.crash()
    assert dict(opened(keep_delivered=0).deliveries("paho")) == expected
    assert dict(opened_names(files)) == {}


def opened_names(files: MemoryFiles) -> dict[str, str]:
    """Segments that hold the first deliveries: they are gone."""
    return {name: name for name in files.names(FOLDER) if name.endswith("-0000000001.log") and "state" not in name}


def test_a_session_reset_forgets_the_deliveries_before_it_durably(opened: Opener, files: MemoryFiles) -> None:
    journal = opened()
    journal.append([record(1)], Delivery("paho", 1, 11))
    journal.forget_deliveries("paho")
    journal.append([record(2)], Delivery("paho", 2, 22))
    journal.commit()

    assert dict(journal.deliveries("paho")) == {2: 22}
    files.crash()
    assert dict(opened().deliveries("paho")) == {2: 22}


@pytest.mark.parametrize("operation", ["write", "sync", "sync_folder", "create"])
@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
def test_a_disk_error_confirms_nothing_and_loses_nothing(
    opened: Opener, files: MemoryFiles, operation: str, code: int
) -> None:
    """A failed sync is never tried again on the same file: the frames go to a new segment."""
    journal = opened()
    if operation in ("write", "sync"):
        fill(journal, 3)
    files.fail(operation, code, times=1)
    for number in range(3, 6):
        journal.append([record(number)])
    if code == errno.ENOSPC:
        with pytest.raises(JournalError, match="No space left"):
            journal.commit()
        assert journal.pending("cloud", after=3) == []
    journal.commit()
    files.crash(seed=1)
    journal = opened()

    expected = range(6) if operation in ("write", "sync") else range(3, 6)
    assert [stored.record for stored in drain(journal)] == [record(number) for number in expected]
    assert law(journal)


def test_while_the_disk_refuses_appends_wait_in_memory_up_to_the_bound(opened: Opener, files: MemoryFiles) -> None:
    journal = opened(buffer=2000)
    files.fail("write", errno.EIO, times=10**6)
    taken = 0

    def fill_up() -> None:
        nonlocal taken
        for taken in range(1, 101):
            journal.append([record(taken - 1)])

    with pytest.raises(JournalError, match="cannot write the journal"):
        fill_up()
    files.faults.clear()
    journal.commit()

    assert len(drain(journal)) == taken - 1  # the one that was refused was not taken
    assert journal.stats()["degraded"]


def test_a_reader_looks_while_the_owner_writes(opened: Opener, files: MemoryFiles) -> None:
    journal = opened(segment=1 << 14)
    fill(journal, 200)
    journal.append([record(900, RecordKind.ACCEPTED)])
    journal.commit()
    journal.settle("cloud", [stored.sequence for stored in journal.pending("cloud", limit=30)], Verdict.DELIVERED)
    names = files.names(FOLDER)
    reader = read_journal(FOLDER, files=files)

    assert [stored.record for stored in reader.records()] == [record(number) for number in range(200)]
    assert [stored.record.kind for stored in reader.show(record(900).id)] == [RecordKind.ACCEPTED]
    assert reader.stats()["upstreams"] == journal.stats()["upstreams"]
    assert reader.verify() == []
    assert files.names(FOLDER) == names


def test_verify_says_which_bytes_are_damaged_and_changes_nothing(opened: Opener, files: MemoryFiles) -> None:
    journal = opened(segment=1 << 14)
    fill(journal, 60)
    path = newest(files)
    fill(journal, 200, start=60)
    at = files.read(path, 0, 20_000).index(record(7).body[-3:])
    files.damage(path, at, b"\x00")
    [damage] = read_journal(FOLDER, files=files).verify()

    assert path.endswith(damage.name)
    assert damage.offset < at < damage.end


def test_reading_where_there_is_no_journal_says_so(files: MemoryFiles) -> None:
    with pytest.raises(JournalError, match="there is no journal here"):
        read_journal("/elsewhere", files=files)


def test_a_place_that_cannot_be_read_costs_its_frames_and_no_more(opened: Opener, files: MemoryFiles) -> None:
    journal = opened(segment=1 << 14)
    fill(journal, 300)
    files.crash(power=False)
    files.bad.append((f"{FOLDER}/telemetry-0000000002.log", 5000, 5600))
    journal = opened(segment=1 << 14)
    found = drain(journal)
    dropped = journal.stats()["upstreams"]["cloud"]["dropped"]["damaged"]

    assert 300 - 2 * 4096 // 180 < len(found) == 300 - dropped < 300
    assert law(journal)
    assert journal.stats()["degraded"]


def test_on_a_read_only_disk_it_opens_for_reading_and_says_so(opened: Opener, files: MemoryFiles) -> None:
    journal = opened()
    fill(journal, 10)
    files.crash(power=False)
    for operation in ("write", "create", "truncate", "rename", "remove", "reserve"):
        files.fail(operation, errno.EROFS, times=10**6)
    journal = opened()

    assert len(drain(journal)) == 10
    assert "Read-only file system" in journal.stats()["degraded"][0]
    with pytest.raises(JournalError):
        journal.settle("cloud", [drain(journal)[0].sequence], Verdict.DELIVERED)
    assert journal.backlog("cloud") == 10
    journal.append([record(10)])
    with pytest.raises(JournalError, match="Read-only"):
        journal.commit()
    files.faults.clear()
    journal.commit()
    assert len(drain(journal)) == 11
