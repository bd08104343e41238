"""A real file system that runs full, and gives way."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.clock import SystemClock
from edge.journal import DiskFiles, File, JournalError, Limits, open_journal, read_journal
from tests.crash.victim import outcome


def free(path: Path) -> int:
    return os.statvfs(path).f_bavail


TMPFS = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs"]


class Watched(DiskFiles):
    """The real disk, and which calls it had no room for."""

    def __init__(self) -> None:
        self.refused: Counter[str] = Counter()

    def append(self, path: str) -> File:
        return WatchedFile(super().append(path), self.refused)


class WatchedFile:
    def __init__(self, file: File, refused: Counter[str]) -> None:
        self._file = file
        self._refused = refused
        self.close = file.close

    def _watch(self, name: str, call: Callable[[], None]) -> None:
        try:
            call()
        except OSError as error:
            self._refused[name] += error.errno == errno.ENOSPC
            raise

    def reserve(self, size: int) -> None:
        self._watch("reserve", lambda: self._file.reserve(size))

    def write(self, data: bytes) -> None:
        self._watch("write", lambda: self._file.write(data))

    def sync(self) -> None:
        self._watch("sync", self._file.sync)


@pytest.fixture(params=["tmpfs", "ext4"])
def small(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A file system of two megabytes in memory, or of eight on a disk image."""
    folder = tmp_path / "disk"
    folder.mkdir()
    commands = [[*TMPFS, str(folder)]]
    if request.param == "ext4":
        image = str(tmp_path / "image")
        with Path(image).open("wb") as file:
            file.truncate(8 << 20)
        commands = [["mkfs.ext4", "-q", "-F", "-b", "4096", image], ["mount", "-o", "loop", image, str(folder)]]
    for command in commands:
        if shutil.which(command[0]) is None or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip(f"{command[0]} of a small {request.param} needs root, and a loop device for a disk image")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_drops_the_oldest_telemetry_and_goes_on(small: Path) -> None:
    path = str(small / "journal")
    limits = Limits(segment=100_000)
    files = Watched()
    with open_journal(path, clock=SystemClock(), files=files, upstreams=("cloud",), limits=limits) as journal:
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
    assert files.refused["reserve"], "no room to reserve was never met"
    assert files.refused["write"], "no room to write was never met"
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
