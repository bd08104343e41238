"""Rotten files: any byte flipped, cut off, or taken from another segment. It opens, loses only what was hit, and the
counts still add up."""

from __future__ import annotations

import copy
import functools
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.journal import Journal, JournalError, JournalFormat, Limits, open_journal, read_journal
from edge.model import Delivery, Record, RecordClass, RecordKind, Stored, Verdict
from edge.testing.clock import VirtualClock
from edge.testing.files import MemoryFiles

FOLDER = "/journal"
LIMITS = Limits(segment=1 << 14)
AGAIN = (60, 61, 70, 71)  # delivered after they had been refused; the first sixty were delivered at once


def record(number: int) -> Record:
    name = f"box:{number:026d}"
    klass = RecordClass.ALARM if number % 9 == 0 else RecordClass.TELEMETRY
    return Record(RecordKind.OUTCOME, klass, name, b'{"id":"' + name.encode() + b'"}' + bytes(number % 400))


def open_it(files: MemoryFiles) -> Journal:
    return open_journal(FOLDER, clock=VirtualClock(), files=files, upstreams=("cloud",), limits=LIMITS)


def made() -> MemoryFiles:
    return copy.deepcopy(_made())


@functools.cache
def _made() -> MemoryFiles:
    """Seven segments, four of them sealed: two delivered in part, two of dead letters, some of those requeued, half of
    them before the checkpoint."""
    files = MemoryFiles()
    journal = open_it(files)
    for number in range(200):
        journal.append([record(number)], Delivery("paho", number + 1, number + 1))
        if number % 10 == 9:
            journal.commit()
    delivered = [stored.sequence for stored in journal.pending("cloud", limit=60)]
    journal.settle("cloud", delivered, Verdict.DELIVERED)
    refuse(journal, 40)
    journal.close()
    journal = open_it(files)
    refuse(journal, 60)
    journal.table("memory").insert({"n": 1})
    journal.commit()
    files.crash(power=False)
    return files


def refuse(journal: Journal, count: int) -> None:
    """That many become dead letters; of all that are, the oldest ten are pending again and the first two delivered."""
    refused = [stored.sequence for stored in journal.pending("cloud", limit=count)]
    journal.settle("cloud", refused, Verdict.DEAD, "no")
    letters = [stored.sequence for stored, _ in journal.dead_letters("cloud")[:10]]
    journal.requeue("cloud", letters)
    journal.settle("cloud", letters[:2], Verdict.DELIVERED)


def drain(journal: Journal) -> list[Stored]:
    found: list[Stored] = []
    after = None
    while page := journal.pending("cloud", limit=50, after=after):
        found += page
        after = page[-1].sequence
    return found


def check(files: MemoryFiles, hit: str) -> None:
    before = {name: files.read(f"{FOLDER}/{name}", 0, 10**7) for name in files.names(FOLDER)}
    try:
        reader = read_journal(FOLDER, files=files)
        reader.verify()
        list(reader.records(None))
        reader.stats()
        journal = open_it(files)
    except JournalFormat:
        assert hit.endswith(".log")  # a flipped version: refused, nothing touched
        assert before == {name: files.read(f"{FOLDER}/{name}", 0, 10**7) for name in files.names(FOLDER)}
        return
    except JournalError:
        assert len(before) <= 2  # nothing left to look at
        return
    found = {stored.record for stored in drain(journal)}
    stats = journal.stats()
    cloud = stats["upstreams"]["cloud"]
    letters = [stored.record for stored, _ in journal.dead_letters("cloud")]
    lost = sum(cloud["dropped"].values())

    assert stats["accepted"] == cloud["delivered"] + cloud["pending"] + lost + cloud["dead"]
    assert min(cloud["delivered"], cloud["dead"], *cloud["dropped"].values(), 0) == 0
    assert cloud["pending"] == len(found)
    assert len(letters) <= cloud["dead"]
    assert {*found, *letters} <= {record(number) for number in range(200)}
    gone = lost + cloud["dead"] - len(letters)  # of a dead letter that rots the count stays
    for number in range(60, 200):
        known = record(number) in found or record(number) in letters or number in AGAIN
        assert known or gone or hit.startswith("dead"), f"{number} is gone and not counted"
    if hit.startswith("state"):
        assert gone == 0
    sequence = journal.append([record(500)]).sequence
    journal.commit()
    assert journal.durable >= sequence
    assert record(500) in {stored.record for stored in drain(journal)}
    journal.close()
    assert read_journal(FOLDER, files=files).stats()["accepted"] == stats["accepted"] + 1


def logs(files: MemoryFiles) -> list[str]:
    return [name for name in files.names(FOLDER) if name.endswith(".log")]


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 2**32))
def test_a_flipped_byte_anywhere_costs_at_most_its_frame(seed: int) -> None:
    dice = random.Random(seed)
    files = made()
    name = dice.choice(logs(files))
    at = dice.randrange(files.size(f"{FOLDER}/{name}"))
    if dice.random() < 0.3:
        at = dice.randrange(min(600, files.size(f"{FOLDER}/{name}")))  # headers are where it hurts
    byte = files.read(f"{FOLDER}/{name}", at, 1)[0]
    files.damage(f"{FOLDER}/{name}", at, bytes((byte ^ (1 << dice.randrange(8)),)))
    check(files, name)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_a_file_cut_short_anywhere_opens(seed: int) -> None:
    dice = random.Random(seed)
    files = made()
    name = dice.choice(logs(files))
    files.truncate(f"{FOLDER}/{name}", dice.randrange(files.size(f"{FOLDER}/{name}")))
    check(files, name)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_bytes_of_one_segment_in_another_are_never_taken_for_its_own(seed: int) -> None:
    dice = random.Random(seed)
    files = made()
    source, target = dice.choice(logs(files)), dice.choice(logs(files))
    at = dice.randrange(files.size(f"{FOLDER}/{source}"))
    data = files.read(f"{FOLDER}/{source}", at, dice.randrange(1, 4000))
    files.damage(f"{FOLDER}/{target}", dice.randrange(files.size(f"{FOLDER}/{target}")), data)
    check(files, target)
