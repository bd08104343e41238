"""The state log: when what it says is durable, what it costs, and what it takes on the disk."""

from __future__ import annotations

import copy

from edge.journal import Journal, open_journal
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
