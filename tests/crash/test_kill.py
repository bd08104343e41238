"""A real process on a real disk, killed with SIGKILL at random moments, over and over on the same journal."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from edge.journal import open_journal, read_journal
from edge.model import Stored
from edge.testing.clock import VirtualClock
from tests.crash.victim import UPSTREAMS, outcome


class Promises:
    """What all the victims so far have said."""

    def __init__(self) -> None:
        self.confirmed: set[int] = set()
        self.start = 0
        self.settled: set[int] = set()
        self.remembered = 0
        self.heard: frozenset[str] = frozenset()
        self.rounds = 0
        self.busy = threading.Event()

    def hear(self, line: str) -> None:
        kind, _, rest = line.partition(" ")
        numbers = [int(number) for number in rest.split()]
        if kind == "D":
            self.confirmed.update(numbers)
        elif kind == "S":
            self.settled.update(numbers)
        elif kind == "T":
            self.remembered = numbers[-1]
        self.heard |= {kind}
        if self.heard >= {"D", "S", "T"}:  # everybody is at work
            self.busy.set()


def kill_one(path: Path, promises: Promises, pause: float) -> None:
    command = [sys.executable, "-m", "tests.crash.victim", str(path), str(promises.start)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as victim:
        assert victim.stdout is not None
        lines = victim.stdout

        def listen() -> None:
            for line in lines:
                if line.endswith("\n"):  # the last one may be cut
                    promises.hear(line.strip())

        promises.busy.clear()
        promises.heard = frozenset()
        ear = threading.Thread(target=listen)
        ear.start()
        assert promises.busy.wait(30), "the victim was never at work"
        threading.Event().wait(pause)
        victim.kill()
        ear.join()


def check(path: Path, promises: Promises) -> None:
    """Everything that was said is true."""
    journal = open_journal(str(path), clock=VirtualClock(), upstreams=UPSTREAMS)
    found: list[Stored] = []
    while page := journal.pending("cloud", limit=1000, after=found[-1].sequence if found else None):
        found += page
    pending = {int(stored.record.id[4:]): stored.record for stored in found}
    stats = journal.stats()
    cloud = stats["upstreams"]["cloud"]
    deliveries = dict(journal.deliveries("paho"))
    remembered = sorted(doc["n"] for doc in journal.table("memory"))
    journal.close()

    assert len(pending) == len(found), "given twice"
    assert not promises.settled & pending.keys(), "an acknowledgement was forgotten"
    assert all(record == outcome(number) for number, record in pending.items()), "invented or changed"
    sequences = [stored.sequence for stored in found]
    assert sequences == sorted(sequences), "out of order"
    assert len(promises.confirmed) <= stats["accepted"]
    for upstream in stats["upstreams"].values():
        assert stats["accepted"] == upstream["delivered"] + upstream["pending"]
    assert len(pending) == cloud["pending"]
    # Settled, and killed before it could say so: at most what one call settles.
    unsaid = promises.confirmed - pending.keys() - promises.settled
    assert len(unsaid) <= 50 * promises.rounds
    assert cloud["delivered"] >= len(promises.settled | unsaid)
    assert stats["degraded"] == []
    newest = max(promises.confirmed)
    assert deliveries[newest % 65_535 + 1] == newest + 1
    # The document that was on its way may be there; those that went, went together.
    assert promises.remembered <= remembered[-1] <= promises.remembered + 1
    assert remembered == list(range(remembered[0], remembered[-1] + 1))
    assert remembered[0] % 50 == 1
    promises.start = max(newest, *pending, *promises.settled) + 1


def run(path: Path, rounds: int) -> None:
    promises = Promises()
    dice = random.Random(rounds)
    for number in range(rounds):
        promises.rounds = number + 1
        kill_one(path, promises, dice.uniform(0.0, 0.3))
        check(path, promises)
        assert read_journal(str(path)).verify() == []


def test_a_killed_process_loses_nothing_that_it_confirmed(tmp_path: Path) -> None:
    run(tmp_path / "journal", rounds=5)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_process_killed_two_hundred_times_loses_nothing_that_it_confirmed(tmp_path: Path) -> None:
    run(tmp_path / "journal", rounds=200)
