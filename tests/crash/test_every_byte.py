"""Every byte of a small journal, one after the other: flipped, or the file's last; and whole files in wrong places.

Whatever it is, opening and looking raise only what they say they raise, read a bounded amount, lose no record of an
undamaged segment, and of a damaged one only what was hit.
"""

from __future__ import annotations

import copy
import functools
import random

import pytest

from edge.journal import Journal, JournalError, JournalFormat, Limits, open_journal, read_journal
from edge.model import Delivery, Record, RecordClass, RecordKind, Verdict
from edge.testing.clock import VirtualClock
from edge.testing.files import MemoryFiles

FOLDER = "/journal"
LIMITS = Limits(segment=900, keep_delivered=1e9)
SETTLED = range(6)
WORK = 150  # times the journal's size: what one look at it may read at most


class Counting(MemoryFiles):
    """Files that know how much was read."""

    amount = 0

    def read(self, path: str, offset: int, length: int) -> bytes:
        data = super().read(path, offset, length)
        self.amount += len(data)
        return data


def record(number: int) -> Record:
    name = f"box:{number:026d}"
    klass = RecordClass.ALARM if number % 5 == 0 else RecordClass.TELEMETRY
    return Record(RecordKind.OUTCOME, klass, name, b'{"id":"' + name.encode() + b'"}')


def open_it(files: MemoryFiles) -> Journal:
    return open_journal(FOLDER, clock=VirtualClock(), files=files, upstreams=("cloud",), limits=LIMITS)


@functools.cache
def small() -> Counting:
    """Sealed and unsealed segments of two streams, dead letters, and changes in the state log behind its checkpoint."""
    files = Counting()
    journal = open_it(files)
    for number in range(24):
        journal.append([record(number)], Delivery("paho", 1, 7) if number == 3 else None)
        journal.commit()
        if number == 9:
            journal.settle("cloud", [stored.sequence for stored in journal.pending("cloud", limit=4)], Verdict.DEAD)
    journal.settle("cloud", [5, 6], Verdict.DELIVERED)
    journal.table("memory").insert({"n": 1})
    files.crash(power=False)
    return files


@functools.cache
def inside() -> dict[str, set[Record]]:
    """Which records stand in which file."""
    files = small()
    return {
        name: {record(number) for number in range(24) if record(number).body in content(files, name)}
        for name in files.names(FOLDER)
    }


def content(files: MemoryFiles, name: str) -> bytes:
    return files.read(f"{FOLDER}/{name}", 0, 1 << 20)


def replace(files: MemoryFiles, name: str, data: bytes) -> None:
    """The file is what somebody else wrote there."""
    files.append(f"{FOLDER}/{name}")
    files.truncate(f"{FOLDER}/{name}", 0)
    files.damage(f"{FOLDER}/{name}", 0, data)


def check(files: Counting, *hit: str, lost: int | None = None) -> None:
    """Files named in `hit` are not what they were; `lost`: how many records that may cost at most."""
    before = {name: content(files, name) for name in files.names(FOLDER)}
    files.amount = 0
    try:
        reader = read_journal(FOLDER, files=files)
        reader.verify()
        seen = {stored.record for stored in reader.records(None)}
        seen |= {stored.record for stored, _ in reader.dead_letters("cloud")}
        reader.stats()
        assert files.amount <= WORK * sum(map(len, before.values()))
        files.amount = 0
        journal = open_it(files)
        assert files.amount <= WORK * sum(map(len, before.values()))
    except JournalFormat:
        assert before == {name: content(files, name) for name in files.names(FOLDER)}, "touched"
        return
    except JournalError:
        assert not any(name.endswith(".log") for name in before)
        return
    found = {stored.record for stored in journal.records(None)}
    found |= {stored.record for stored, _ in journal.dead_letters("cloud")}
    everything = {record(number) for number in range(24)}
    safe = set().union(*(records for name, records in inside().items() if name not in hit))
    assert seen <= everything
    assert found <= everything, "invented"
    assert safe <= found, "lost from an undamaged file"
    assert safe <= seen, "not seen in an undamaged file"
    if lost is not None:
        assert len(everything - found) <= lost
    waiting = journal.pending("cloud", limit=100)
    cloud = journal.stats()["upstreams"]["cloud"]
    gone = sum(cloud["dropped"].values())
    assert journal.stats()["accepted"] == cloud["delivered"] + cloud["dead"] + cloud["pending"] + gone
    assert cloud["pending"] == len(waiting)
    journal.append([record(100)])
    journal.commit()
    assert record(100) in {stored.record for stored in journal.pending("cloud", limit=100)}
    journal.close()
    assert read_journal(FOLDER, files=files).stats()["accepted"] == journal.stats()["accepted"]


def flip(name: str, at: int, bit: int) -> None:
    files = copy.deepcopy(small())
    (byte,) = files.read(f"{FOLDER}/{name}", at, 1)
    files.damage(f"{FOLDER}/{name}", at, bytes((byte ^ 1 << bit,)))
    check(files, name, lost=1)


def cut(name: str, size: int) -> None:
    files = copy.deepcopy(small())
    files.truncate(f"{FOLDER}/{name}", size)
    check(files, name)


def places(stride: int) -> list[tuple[str, int]]:
    files = small()
    every = [(name, at) for name in files.names(FOLDER) for at in range(files.size(f"{FOLDER}/{name}"))]
    return every[::stride]


def test_the_small_journal_has_every_kind_of_file() -> None:
    names = small().names(FOLDER)
    assert {name.partition("-")[0] for name in names} == {"alarm", "telemetry", "dead", "state", "lock"}
    sealed = {segment for segment, records in inside().items() if records and b'"crc":' in content(small(), segment)}
    unsealed = {segment for segment, records in inside().items() if records} - sealed
    assert len(sealed) == 3
    assert len(unsealed) == 2


def test_a_sample_of_the_bytes_flipped() -> None:
    for name, at in places(41):
        flip(name, at, at % 8)


def test_a_sample_of_the_lengths() -> None:
    for name, at in places(41):
        cut(name, at)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_byte_flipped() -> None:
    dice = random.Random(8)
    for name, at in places(1):
        flip(name, at, dice.randrange(8))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_length() -> None:
    for name, at in places(1):
        cut(name, at)


def logs() -> list[str]:
    return [name for name in small().names(FOLDER) if name.endswith(".log")]


@pytest.mark.parametrize("name", logs())
def test_a_file_is_missing(name: str) -> None:
    files = copy.deepcopy(small())
    files.remove(f"{FOLDER}/{name}")
    check(files, name)


@pytest.mark.parametrize("name", logs())
@pytest.mark.parametrize(
    "what", [b"", b"\0" * 4096, b"\xff" * 4096, b"\xd7J" * 2048], ids=["empty", "0", "ff", "heads"]
)
def test_a_file_holds_something_else(name: str, what: bytes) -> None:
    files = copy.deepcopy(small())
    replace(files, name, what)
    check(files, name)


@pytest.mark.parametrize("source", logs())
def test_a_file_appears_again_under_every_other_name(source: str) -> None:
    data = content(small(), source)
    others = ["telemetry-0000000009.log", "alarm-0000000009.log", "publish-0000000001.log", "telemetry-0.log"]
    for name in [*others, *(name for name in logs() if name != source)]:
        files = copy.deepcopy(small())
        replace(files, name, data)
        check(files, name)


@pytest.mark.parametrize("one", logs())
def test_two_files_have_changed_places(one: str) -> None:
    for other in logs():
        if other < one:
            files = copy.deepcopy(small())
            data = content(files, one), content(files, other)
            replace(files, other, data[0])
            replace(files, one, data[1])
            check(files, one, other)


@pytest.mark.parametrize("source", logs())
def test_a_part_of_one_file_stands_in_another(source: str) -> None:
    dice = random.Random(source)
    for target in logs():
        for _ in range(3):
            files = copy.deepcopy(small())
            data = content(files, source)
            begin = dice.randrange(len(data))
            part = data[begin : begin + dice.randrange(1, 900)]
            files.damage(f"{FOLDER}/{target}", dice.randrange(files.size(f"{FOLDER}/{target}")), part)
            check(files, target)
