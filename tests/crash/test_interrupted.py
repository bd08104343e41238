"""Recovery and repair that do not survive either: the power goes again at any of their own calls, and again."""

from __future__ import annotations

import contextlib
import copy
import random

import pytest

from edge.journal import Journal, JournalError, read_journal
from edge.model import Record
from edge.testing.files import MemoryFiles, PowerCut
from tests.crash.test_rot import AGAIN, FOLDER, drain, made, open_it, record

OWED = {record(number) for number in range(60, 200) if number not in AGAIN}


def crashed(seed: int) -> MemoryFiles:
    """A journal that the power left in the middle of a group, with acknowledgements on their way."""
    files = made()
    journal = open_it(files)
    for number in range(200, 240):
        journal.append([record(number)])
    journal.table("memory").insert({"n": 2})  # commits
    for number in range(240, 250):
        journal.append([record(number)])
    files.fail("sync", 5, name="telemetry", skip=0)
    files.cut_at = files.steps + 6
    with contextlib.suppress(PowerCut, JournalError):
        journal.commit()
        journal.commit()
    files.crash(seed)
    return files


def rotten() -> MemoryFiles:
    """A journal with flipped bytes in two places of a sealed segment, where records are waited for."""
    files = made()
    path = f"{FOLDER}/telemetry-0000000002.log"
    data = files.read(path, 0, files.size(path))
    for number in (165, 185):
        files.damage(path, data.index(record(number).body), b"rotten")
    return files


def opened_after(files: MemoryFiles, cut: int, seed: int) -> MemoryFiles:
    """The files as a recovery leaves them that was cut off at its call number `cut`."""
    files = copy.deepcopy(files)
    files.cut_at = files.steps + cut
    with contextlib.suppress(PowerCut):
        open_it(files)
    files.crash(seed)
    return files


def calls(files: MemoryFiles) -> int:
    """How many calls that change a file a recovery makes."""
    files = copy.deepcopy(files)
    before = files.steps
    open_it(files)
    return files.steps - before


def waiting(journal: Journal) -> tuple[list[Record], list[Record]]:
    """What is pending, and what was refused. Damage in sealed segments is met, and counted, by reading."""
    pending = [stored.record for stored in drain(journal)]
    return pending, [stored.record for stored, _ in journal.dead_letters("cloud")]


def left_of(files: MemoryFiles) -> set[Record]:
    """What a look at a copy of the files finds."""
    pending, letters = waiting(open_it(copy.deepcopy(files)))
    return {*pending, *letters}


def check(journal: Journal, owed: set[Record]) -> None:
    pending, letters = waiting(journal)
    stats = journal.stats()
    cloud = stats["upstreams"]["cloud"]
    assert owed <= {*pending, *letters}, "lost"
    assert len(pending) == len(set(pending)) == cloud["pending"], "given twice"
    assert len(letters) == len(set(letters)) == cloud["dead"], "refused twice"
    gone = cloud["dead"] + sum(cloud["dropped"].values())
    assert stats["accepted"] == cloud["delivered"] + cloud["pending"] + gone
    assert {"n": 1} in journal.table("memory").all()


def interrupt(files: MemoryFiles, owed: set[Record], *, stride: int) -> None:
    """Cut the recovery at every call; then the second one at every `stride`th, and a third one in its middle."""
    for first in range(calls(files)):
        once = opened_after(files, first, first)
        for second in range(first % stride, calls(once), stride):
            twice = opened_after(once, second, second)
            check(open_it(opened_after(twice, calls(twice) // 2, second)), owed)
            check(open_it(twice), owed)


@pytest.mark.parametrize("seed", range(3))
def test_a_recovery_that_is_cut_off_anywhere_loses_nothing(seed: int) -> None:
    files = crashed(seed)
    owed = OWED | {record(number) for number in range(200, 240)}
    check(open_it(copy.deepcopy(files)), owed)
    interrupt(files, owed, stride=2)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(12))
def test_two_recoveries_that_are_cut_off_anywhere_lose_nothing(seed: int) -> None:
    interrupt(crashed(seed), OWED, stride=1)


def test_a_recovery_of_rotten_files_that_is_cut_off_anywhere_loses_no_more() -> None:
    files = rotten()
    left = left_of(files)
    assert len(OWED - left) == 2
    interrupt(files, left, stride=5)


def mend(files: MemoryFiles) -> int:
    damages = read_journal(FOLDER, files=files).verify()
    with open_it(files) as journal:
        return journal.mend(damages)


def interrupt_repair(*, stride: int) -> None:
    whole = rotten()
    before = copy.deepcopy(whole)
    left = left_of(whole)
    mend(whole)
    assert read_journal(FOLDER, files=whole).verify() == []
    dice = random.Random(1)
    for cut in range(0, whole.steps - before.steps, stride):
        files = copy.deepcopy(before)
        files.cut_at = files.steps + cut
        with contextlib.suppress(PowerCut):
            mend(files)
        files.crash(dice.randrange(1 << 30))
        again = copy.deepcopy(files)
        again.cut_at = again.steps + dice.randrange(60)
        with contextlib.suppress(PowerCut):
            mend(again)
        again.crash(cut)
        for one in (files, again):
            check(open_it(copy.deepcopy(one)), left)
            mend(one)
            assert read_journal(FOLDER, files=one).verify() == []
            with open_it(one) as journal:
                check(journal, left)
                assert sum(journal.stats()["upstreams"]["cloud"]["dropped"].values()) == 2


def test_a_repair_that_is_cut_off_can_be_done_again() -> None:
    interrupt_repair(stride=7)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_repair_that_is_cut_off_anywhere_can_be_done_again() -> None:
    interrupt_repair(stride=1)
