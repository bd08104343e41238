"""Sandbox sessions on disk: what a run goes on from is what this gateway saved for it, or the run is told why not."""

from __future__ import annotations

import contextlib
import stat
from pathlib import Path
from typing import Any

import pytest

from edge.errors import LimitExceeded, SnapshotRefused
from edge.journal import DiskFiles, Journal, open_journal
from edge.model import Record, RecordClass, RecordKind
from edge.runs.keyfile import KeyFile
from edge.runs.snapshots import Snapshots
from edge.testing.clock import VirtualClock
from edge.testing.files import MemoryFiles, PowerCut

FOLDER, NAME = "/journal", "snapshot-key"


class Bench:
    def __init__(self) -> None:
        self.files, self.clock = MemoryFiles(), VirtualClock()
        self.boot()

    def boot(self, version: str = "1.4.0") -> None:
        self.journal: Journal = open_journal(FOLDER, clock=self.clock, files=self.files)
        self.snapshots = Snapshots(self.journal, version, KeyFile(self.files, FOLDER, NAME))

    def crash(self, version: str = "1.4.0") -> None:
        self.files.crash(1)
        self.boot(version)

    def promise(self, name: str) -> str:
        self.journal.append([Record(RecordKind.ACCEPTED, RecordClass.TELEMETRY, name, b"{}")])
        self.journal.commit()
        return name

    def change(self, name: str, **fields: Any) -> None:
        """As somebody with the disk in hand would."""
        self.journal.table("snapshots").update(fields, lambda document: document["run"] == name)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_snapshot_comes_back_after_a_crash_byte_for_byte(bench: Bench) -> None:
    data = bytes(range(256)) * 1000
    bench.snapshots.save_snapshot(bench.promise("one"), b"before")
    bench.snapshots.save_snapshot("one", data)
    bench.crash()

    assert bench.snapshots.load_snapshot("one") == data
    assert bench.snapshots.load_snapshot("two") is None


def test_what_was_changed_is_refused(bench: Bench) -> None:
    bench.snapshots.save_snapshot(bench.promise("one"), b"data")
    good = dict(bench.journal.table("snapshots").all()[0])
    changes = [{"data": "ZGF0YQE="}, {"hmac": "00" * 32}, {"hmac": ""}, {"hmac": "no"}, {"hmac": None}]
    changes += [{"data": "%"}, {"data": None}, {"data": "ä"}]
    for change in changes:
        bench.change("one", **{**good, **change})
        with pytest.raises(SnapshotRefused, match="run one is not what this gateway saved for it"):
            bench.snapshots.load_snapshot("one")

    bench.change("one", **good)
    assert bench.snapshots.load_snapshot("one") == b"data"


def test_that_of_another_run_is_refused(bench: Bench) -> None:
    bench.snapshots.save_snapshot(bench.promise("one"), b"harmless")
    bench.snapshots.save_snapshot(bench.promise("two"), b"other")
    other = dict(bench.journal.table("snapshots").all()[0])
    bench.change("two", **{**other, "run": "two"})

    with pytest.raises(SnapshotRefused, match="belongs to another run"):
        bench.snapshots.load_snapshot("two")


def test_that_of_another_version_is_refused_also_when_it_says_otherwise(bench: Bench) -> None:
    bench.snapshots.save_snapshot(bench.promise("one"), b"data")
    bench.crash("2.0.0")
    with pytest.raises(SnapshotRefused, match=r"made by version 1\.4\.0 of the sandbox, and this is 2\.0\.0"):
        bench.snapshots.load_snapshot("one")

    bench.change("one", version="2.0.0")
    with pytest.raises(SnapshotRefused, match="is not what this gateway saved"):
        bench.snapshots.load_snapshot("one")


def test_one_is_256_kb_at_most_and_there_are_16(bench: Bench) -> None:
    with pytest.raises(LimitExceeded, match="snapshot: 256001 bytes, the limit is 256000"):
        bench.snapshots.save_snapshot(bench.promise("large"), bytes(256_001))
    for count in range(17):
        bench.snapshots.save_snapshot(bench.promise(f"run-{count}"), bytes(256_000))

    assert bench.snapshots.load_snapshot("run-0") is None
    assert bench.snapshots.load_snapshot("run-1") == bytes(256_000)


def test_the_key_is_32_bytes_beside_the_journal_and_in_none_of_its_files(bench: Bench) -> None:
    bench.snapshots.save_snapshot(bench.promise("one"), b"data")
    key = bench.files.read(f"{FOLDER}/{NAME}", 0, 100)

    assert len(key) == 32
    for name in bench.files.names(FOLDER):
        data = bench.files.read(f"{FOLDER}/{name}", 0, 10_000_000)
        assert name == NAME or (key not in data and key.hex().encode() not in data)


def test_the_key_is_made_when_it_is_needed_and_only_its_user_may_read_it(tmp_path: Path) -> None:
    key = KeyFile(DiskFiles(), str(tmp_path), NAME)
    assert list(tmp_path.iterdir()) == []

    made = key()
    assert made == key() == KeyFile(DiskFiles(), str(tmp_path), NAME)() == (tmp_path / NAME).read_bytes()
    assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_a_key_that_is_not_whole_is_replaced_and_what_it_signed_is_refused(bench: Bench) -> None:
    bench.snapshots.save_snapshot(bench.promise("one"), b"data")
    bench.files.truncate(f"{FOLDER}/{NAME}", 7)
    bench.crash()
    with pytest.raises(SnapshotRefused, match="its key was replaced"):
        bench.snapshots.load_snapshot("one")

    bench.snapshots.save_snapshot("one", b"again")
    bench.crash()
    assert bench.snapshots.load_snapshot("one") == b"again"


@pytest.mark.parametrize("power", [True, False])
@pytest.mark.parametrize("seed", range(8))
def test_a_crash_at_any_call_leaves_a_key_that_verifies_or_none(seed: int, power: bool) -> None:
    for cut in range(12):
        files, signed = MemoryFiles(), None
        files.cut_at = cut
        with contextlib.suppress(PowerCut):
            signed = KeyFile(files, FOLDER, NAME)()
        files.crash(seed, power=power)
        again = KeyFile(files, FOLDER, NAME)()
        files.crash(seed + 1)

        assert KeyFile(files, FOLDER, NAME)() == again
        assert signed in (None, again)
        assert len(again) == 32
