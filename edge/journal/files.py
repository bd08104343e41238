"""The files seam: everything the journal asks of a disk, and the real disk behind it.

The fake in `edge.testing.files` implements the same protocol and can lose power at any call.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from typing import Protocol

from edge.journal.errors import JournalLocked


class File(Protocol):
    """A file open for appending at the end of what was written to it."""

    def reserve(self, size: int) -> None:
        """Make the file `size` bytes long, zeros behind what was written: then a sync need not change its length,
        which is most of what a small sync costs. Raises OSError where the disk has no room or no such call."""
        ...

    def write(self, data: bytes) -> None:
        """Append all of `data`, or raise OSError; after an error any part of it may be there."""
        ...

    def sync(self) -> None:
        """Return once all that was written is on the medium (fdatasync), or raise OSError."""
        ...

    def close(self) -> None: ...


def reserve_ahead(files: Files, path: str, file: File, size: int, step: int) -> int:
    """Make the file at least `size` bytes long, and up to `step` more; returns its length. Without room for that, or
    such a call, the write itself says if it fits."""
    target = (size // step + 1) * step
    try:
        file.reserve(target)
    except OSError:
        return max(size, files.size(path))  # a part may be there
    return target


class Lock(Protocol):
    """An exclusive lock held until `release`, or until the process ends."""

    def release(self) -> None: ...


class Files(Protocol):
    """Paths are absolute strings. Any thread. Errors are OSError, as the operating system names them."""

    def make_folder(self, folder: str) -> None: ...

    def names(self, folder: str) -> list[str]:
        """The plain files in a folder; FileNotFoundError where there is none."""
        ...

    def append(self, path: str) -> File:
        """Open for appending at its end; creates it."""
        ...

    def append_private(self, path: str) -> File:
        """As `append`; a file that it creates is for its own user only, mode 0600."""
        ...

    def read(self, path: str, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`; fewer at the end."""
        ...

    def size(self, path: str) -> int: ...

    def truncate(self, path: str, size: int) -> None:
        """Cut to `size` bytes, durably."""
        ...

    def rename(self, old: str, new: str) -> None: ...

    def remove(self, path: str) -> None: ...

    def sync_folder(self, folder: str) -> None:
        """Make creations, renames and removals in `folder` durable."""
        ...

    def free(self, folder: str) -> int:
        """Bytes that this process may still write there."""
        ...

    def lock(self, path: str) -> Lock:
        """Take the lock of that file or raise `JournalLocked` with the owner's pid."""
        ...


class _DiskFile:
    def __init__(self, path: str, mode: int) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, mode)
        self._end = os.fstat(self._fd).st_size

    def reserve(self, size: int) -> None:
        os.posix_fallocate(self._fd, self._end, size - self._end)

    def write(self, data: bytes) -> None:
        done = os.pwrite(self._fd, data, self._end)
        while done < len(data):
            done += os.pwrite(self._fd, memoryview(data)[done:], self._end + done)
        self._end += done

    def sync(self) -> None:
        os.fdatasync(self._fd)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class _DiskLock:
    def __init__(self, fd: int) -> None:
        self._fd = fd

    def release(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class DiskFiles:
    """The real disk. Stateless, so one instance serves any number of journals."""

    def make_folder(self, folder: str) -> None:
        Path(folder).mkdir(mode=0o750, parents=True, exist_ok=True)

    def names(self, folder: str) -> list[str]:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_file(follow_symlinks=False))

    def append(self, path: str) -> File:
        return _DiskFile(path, 0o640)

    def append_private(self, path: str) -> File:
        return _DiskFile(path, 0o600)

    def read(self, path: str, offset: int, length: int) -> bytes:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            data = os.pread(fd, length, offset)
            while data and len(data) < length:
                more = os.pread(fd, length - len(data), offset + len(data))
                if not more:
                    break
                data += more
            return data
        finally:
            os.close(fd)

    def size(self, path: str) -> int:
        return Path(path).stat().st_size

    def truncate(self, path: str, size: int) -> None:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.ftruncate(fd, size)
            os.fsync(fd)
        finally:
            os.close(fd)

    def rename(self, old: str, new: str) -> None:
        Path(old).replace(new)

    def remove(self, path: str) -> None:
        Path(path).unlink()

    def sync_folder(self, folder: str) -> None:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def free(self, folder: str) -> int:
        room = os.statvfs(folder)
        return room.f_bavail * room.f_frsize

    def lock(self, path: str) -> Lock:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = 0
            with contextlib.suppress(ValueError):
                owner = int(os.pread(fd, 20, 0) or 0)
            os.close(fd)
            raise JournalLocked(str(Path(path).parent), owner) from None
        os.ftruncate(fd, 0)
        os.pwrite(fd, str(os.getpid()).encode(), 0)
        return _DiskLock(fd)
