"""The state log: when what it says is durable, what it costs, and what it takes on the disk."""

from __future__ import annotations

import copy
import errno

from edge.journal import Journal, open_journal, read_journal
from edge.model import Verdict
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
