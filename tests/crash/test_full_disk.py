"""A real file system that runs full, and gives way."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.clock import SystemClock
from edge.journal import JournalError, Limits, open_journal, read_journal
from tests.crash.victim import outcome


def free(path: Path) -> int:
    return os.statvfs(path).f_bavail


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """Two megabytes of tmpfs."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(tmp_path)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system needs root")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_full_disk_drops_the_oldest_telemetry_and_goes_on(small: Path) -> None:
    path = str(small / "journal")
    limits = Limits(segment=100_000)
    with open_journal(path, clock=SystemClock(), upstreams=("cloud",), limits=limits) as journal:
        for number in range(1, 20_000):
            journal.append([outcome(number * 10 + 1)])
            if number % 50 == 0:
                journal.commit()
        stats = journal.stats()
        cloud = stats["upstreams"]["cloud"]
        newest = journal.pending("cloud", limit=10**6, max_bytes=10**9)[-1].record

        assert cloud["dropped"]["full"] > 0
        assert stats["accepted"] == cloud["pending"] + cloud["dropped"]["full"]
        assert newest == outcome(19_950 * 10 + 1)
    assert read_journal(path).verify() == []


def test_what_others_fill_up_is_waited_for_and_nothing_is_lost(small: Path) -> None:
    path = str(small / "journal")
    with open_journal(path, clock=SystemClock(), upstreams=("cloud",)) as journal:
        journal.append([outcome(1)])
        journal.commit()
        hog = small / "hog"
        with hog.open("wb", buffering=0) as file:
            while file.write(bytes(4096)) == 4096 and free(small):
                pass
        last = journal.append([outcome(number) for number in range(2, 2000)]).sequence
        with pytest.raises(JournalError, match="No space left"):
            journal.commit()
        assert journal.durable < last
        hog.unlink()

        assert journal.commit() == last
        assert journal.backlog("cloud") == 1999
