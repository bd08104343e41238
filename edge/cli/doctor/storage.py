"""Where the journal lies: room, kind of file system, and how long it takes until a record is really on the disk."""

from __future__ import annotations

import os
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path

from edge.cli.doctor.findings import Finding, Machine
from edge.clock import Clock
from edge.config.models import JournalSection
from edge.config.units import show_size

_GONE_AT_REBOOT = frozenset({"tmpfs", "ramfs", "overlay"})
_WEAK = frozenset({"vfat", "exfat", "nfs", "nfs4", "cifs", "fuseblk", "9p"})
_ROUNDS = 20
_SLOW = 0.05  # seconds: a good SD card needs 2 to 10 ms
_FLOOR = 64_000_000  # bytes a system needs for itself


def examine_storage(machine: Machine, journal: JournalSection, clock: Clock) -> Iterator[Finding]:
    """Writes a small file beside the journal, and removes it."""
    wanted = Path(journal.path)
    folder = next(path for path in (wanted, *wanted.parents) if path.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        remedy = f"sudo install -d -o $USER {wanted}, or set journal.path to a folder of your own"
        yield Finding("fail", "journal", f"{folder} is not writable, so {wanted} cannot be kept", remedy)
        return
    yield _room(folder, journal)
    kind = file_system(machine.text("/proc/self/mountinfo") or "", folder.resolve())
    if kind in _GONE_AT_REBOOT:
        yield Finding("warn", "journal", f"{folder} is on {kind}: gone after a reboot", "move journal.path to a disk")
    elif kind in _WEAK:
        remedy = "move journal.path to ext4, btrfs, xfs or f2fs"
        yield Finding("warn", "journal", f"{folder} is on {kind}, which promises little at a power cut", remedy)
    else:
        yield Finding("ok", "journal", f"{folder} is on {kind or 'an unknown file system'}")
    yield _latency(folder, clock)


def _room(folder: Path, journal: JournalSection) -> Finding:
    state = os.statvfs(folder)
    free = state.f_bavail * state.f_frsize
    text = f"{_megabytes(free)} free in {folder}, journal.max_size is {show_size(journal.max_size)}"
    if free < _FLOOR:
        return Finding("fail", "disk", text, "free some space: the journal sheds telemetry when it cannot grow")
    if free < journal.max_size + _FLOOR:
        return Finding("warn", "disk", text, "lower journal.max_size, or free some space")
    return Finding("ok", "disk", text)


def _latency(folder: Path, clock: Clock) -> Finding:
    times = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(_ROUNDS):
            os.write(file.fileno(), b"\xa5" * 512)
            before = clock.monotonic()
            os.fdatasync(file.fileno())
            times.append(clock.monotonic() - before)
    median, worst = statistics.median(times), max(times)
    text = f"fdatasync takes {median * 1e3:.2f} ms (worst of {_ROUNDS}: {worst * 1e3:.2f} ms)"
    if median > _SLOW:
        return Finding("warn", "disk", text, "use a better SD card or an SSD; it is also the latency of an outcome")
    return Finding("ok", "disk", text)


def file_system(mountinfo: str, path: Path) -> str:
    """The type of the file system that `path` is on, from the text of /proc/self/mountinfo; "" when unknown."""
    best, kind = -1, ""
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        if len(left.split()) < 5 or not right.split():
            continue
        mount = left.split()[4].replace(r"\040", " ")
        # a later line of the same place covers the earlier one
        if path.is_relative_to(mount) and len(mount) >= best:
            best, kind = len(mount), right.split()[0]
    return kind


def _megabytes(count: int) -> str:
    return f"{count / 1e9:.1f}GB" if count >= 1e9 else f"{count / 1e6:.0f}MB"
