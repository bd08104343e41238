"""Recovery and repair that do not survive either: the power goes again at any of their own calls, and again."""

from __future__ import annotations

import contextlib
import copy
import random

import pytest

from edge.journal import Journal, JournalError, read_journal
from edge.model import Record
from edge.testing.files import PowerCut
from tests.crash.rings import KeyedFiles, both
from tests.crash.test_rot import AGAIN, FOLDER, drain, made, open_it, record

OWED = {record(number) for number in range(60, 200) if number not in AGAIN}


def crashed(seed: int, encrypted: bool) -> KeyedFiles:
    """A journal that the power left in the middle of a group, with acknowledgements on their way."""
    files = made(encrypted)
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


def rotten(encrypted: bool) -> KeyedFiles:
    """A journal with flipped bytes in two places of sealed segments, where records are waited for."""
    files = made(encrypted)
    for number in (165, 185):
        files.damage(*files.place(FOLDER, record(number)), b"rotten")
    return files


def opened_after(files: KeyedFiles, cut: int, seed: int) -> KeyedFiles:
    """The files as a recovery leaves them that was cut off at its call number `cut`."""
    files = copy.deepcopy(files)
    files.cut_at = files.steps + cut
    with contextlib.suppress(PowerCut):
        open_it(files)
    files.crash(seed)
    return files


def calls(files: KeyedFiles) -> int:
    """How many calls that change a file a recovery makes."""
    files = copy.deepcopy(files)
    before = files.steps
    open_it(files)
    return files.steps - before


def waiting(journal: Journal) -> tuple[list[Record], list[Record]]:
    """What is pending, and what was refused. Damage in sealed segments is met, and counted, by reading."""
    pending = [stored.record for stored in drain(journal)]
    return pending, [stored.record for stored, _ in journal.dead_letters("cloud")]


def left_of(files: KeyedFiles) -> set[Record]:
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


def interrupt(files: KeyedFiles, owed: set[Record], *, stride: int) -> None:
    """Cut the recovery at every call; then the second one at every `stride`th, and a third one in its middle."""
    for first in range(calls(files)):
        once = opened_after(files, first, first)
        for second in range(first % stride, calls(once), stride):
            twice = opened_after(once, second, second)
            check(open_it(opened_after(twice, calls(twice) // 2, second)), owed)
            check(open_it(twice), owed)


@pytest.mark.parametrize(("seed", "encrypted"), [(0, False), (1, False), (2, False), (0, True)])
def test_a_recovery_that_is_cut_off_anywhere_loses_nothing(seed: int, encrypted: bool) -> None:
    files = crashed(seed, encrypted)
    owed = OWED | {record(number) for number in range(200, 240)}
    check(open_it(copy.deepcopy(files)), owed)
    interrupt(files, owed, stride=2)


@pytest.mark.slow
@pytest.mark.timeout(900)
@both
@pytest.mark.parametrize("seed", range(12))
def test_two_recoveries_that_are_cut_off_anywhere_lose_nothing(seed: int, encrypted: bool) -> None:
    interrupt(crashed(seed, encrypted), OWED, stride=1)


@both
def test_a_recovery_of_rotten_files_that_is_cut_off_anywhere_loses_no_more(encrypted: bool) -> None:
    files = rotten(encrypted)
    left = left_of(files)
    assert len(OWED - left) == 2
    interrupt(files, left, stride=5)


def mend(files: KeyedFiles) -> int:
    damages = read_journal(FOLDER, files=files, keys=files.keys).verify()
    with open_it(files) as journal:
        return journal.mend(damages)


def interrupt_repair(encrypted: bool, *, stride: int) -> None:
    whole = rotten(encrypted)
    before = copy.deepcopy(whole)
    left = left_of(whole)
    mend(whole)
    assert read_journal(FOLDER, files=whole, keys=whole.keys).verify() == []
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
            assert read_journal(FOLDER, files=one, keys=one.keys).verify() == []
            with open_it(one) as journal:
                check(journal, left)
                assert sum(journal.stats()["upstreams"]["cloud"]["dropped"].values()) == 2


@both
def test_a_repair_that_is_cut_off_can_be_done_again(encrypted: bool) -> None:
    interrupt_repair(encrypted, stride=7)


@pytest.mark.slow
@pytest.mark.timeout(900)
@both
def test_a_repair_that_is_cut_off_anywhere_can_be_done_again(encrypted: bool) -> None:
    interrupt_repair(encrypted, stride=1)
