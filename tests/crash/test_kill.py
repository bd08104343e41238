"""A real process on a real disk, killed with SIGKILL at random moments, over and over on the same journal."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from edge.journal import read_journal
from edge.journal.journal import open_journal
from edge.testing.clock import VirtualClock
from tests.crash.victim import outcome


class Promises:
    """What all the victims so far have said."""

    def __init__(self) -> None:
        self.confirmed: set[int] = set()
        self.start = 0
        self.settled: set[int] = set()
        self.rounds = 0
        self.busy = threading.Event()

    def hear(self, line: str) -> None:
        kind, _, rest = line.partition(" ")
        if kind == "D":
            self.confirmed.update(range(max(self.start, int(rest) - 50_000), int(rest) + 1))
            self.busy.set()
        elif kind == "S":
            self.settled.update(map(int, rest.split()))


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
        ear = threading.Thread(target=listen)
        ear.start()
        assert promises.busy.wait(30), "the victim never confirmed anything"
        threading.Event().wait(pause)
        victim.kill()
        ear.join()


def check(path: Path, promises: Promises) -> None:
    """Everything that was said is true."""
    journal = open_journal(str(path), clock=VirtualClock(), upstreams=("cloud",))
    pending = {}
    after = None
    while found := journal.pending("cloud", limit=1000, after=after):
        after = found[-1].sequence
        pending.update({int(stored.record.id[4:]): stored.record for stored in found})
    stats = journal.stats()
    cloud = stats["upstreams"]["cloud"]
    deliveries = journal.deliveries("paho")
    journal.close()

    assert not promises.settled & pending.keys(), "an acknowledgement was forgotten"
    assert all(record == outcome(number) for number, record in pending.items()), "invented or changed"
    assert list(pending) == sorted(pending), "out of order"
    assert len(promises.confirmed) <= stats["accepted"] == cloud["delivered"] + cloud["pending"]
    assert len(pending) == cloud["pending"]
    # Settled, and killed before it could say so: at most what one call settles.
    unsaid = promises.confirmed - pending.keys() - promises.settled
    assert len(unsaid) <= 50 * promises.rounds
    assert cloud["delivered"] >= len(promises.settled | unsaid)
    assert stats["degraded"] == []
    newest = max(promises.confirmed)
    assert deliveries[newest % 65_535 + 1] == newest + 1
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
