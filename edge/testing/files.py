"""Files in memory that can lose power, run full and fail, the same way for the same seed.

What was written is in the page cache until it is synced; a name is in the folder's cache until the folder is synced.
`crash` decides by its seed what of that survives, as a disk may leave it:

- Each sector holds what it held after any of the writes since the last sync, whatever its neighbours hold: a later
  write may be there without an earlier one. One write may be torn at any byte.
- The length is that after any of those writes, whatever the bytes: a longer file has zeros where nothing arrived.
- A failed sync leaves its pages clean: what was to be synced may be on the disk or not, sector by sector, although
  processes still read it and a later sync of the same file succeeds.
- Each creation, renaming and removal since the folder was synced is there or not, independently of the others.
"""

from __future__ import annotations

import errno
import os
import random
from dataclasses import dataclass, field
from enum import Enum

from edge.journal.errors import JournalLocked

_SECTOR = 512


class PowerCut(Exception):
    """The power went at a chosen call. Everything fails until `crash` has been called."""


@dataclass(slots=True)
class Fault:
    """Calls to `operation` on a path containing `name` raise `error`: `times` of them, after letting `skip` pass."""

    operation: str
    error: OSError
    name: str = ""
    times: int = 1
    skip: int = 0


class _Place(Enum):
    """Where a change is."""

    CACHE = "not synced"
    DISK = "synced"
    DOUBT = "its sync failed"


@dataclass(slots=True)
class _Change:
    """Bytes written at `offset`; without `data`, the file was cut there."""

    offset: int
    data: bytes | None
    place: _Place = _Place.CACHE

    @property
    def end(self) -> int:
        return self.offset + len(self.data or b"")

    def apply(self, image: bytearray) -> None:
        if self.data is None:
            del image[self.offset :]
        else:
            image.extend(bytes(max(0, self.offset - len(image))))
            image[self.offset : self.end] = self.data


@dataclass(slots=True, eq=False)
class _Node:
    """A file: `data` as processes see it, `safe` as the medium has it for sure, `changes` since then."""

    data: bytearray = field(default_factory=bytearray)
    safe: bytearray = field(default_factory=bytearray)
    changes: list[_Change] = field(default_factory=list)

    def put(self, offset: int, data: bytes) -> None:
        self._change(_Change(offset, bytes(data)))

    def cut(self, size: int) -> None:
        self._change(_Change(size, None))

    def _change(self, change: _Change) -> None:
        self.changes.append(change)
        change.apply(self.data)

    def sync(self, *, fails: bool = False) -> None:
        """Every change so far is on the medium; or with `fails`, may be, and is never tried again."""
        for change in self.changes:
            if change.place is _Place.CACHE:
                change.place = _Place.DOUBT if fails else _Place.DISK
        while self.changes and self.changes[0].place is _Place.DISK:
            self.changes.pop(0).apply(self.safe)

    def lose(self, dice: random.Random) -> None:
        """The power goes: what is not on the medium for sure is there or not."""
        loss = _Loss(dice, self)
        image, size = bytearray(self.safe), len(self.safe)
        image.extend(bytes(max([0, *(change.end - size for change in self.changes)])))
        for number, change in enumerate(self.changes):
            if loss.resizes(number, change):
                size = change.offset if change.data is None else max(size, change.end)
                if change.data is None:
                    image[size:] = bytes(len(image) - size)
            for at, data in loss.kept(number, change):
                image[at : at + len(data)] = data
        self.data, self.safe = image[:size], image[:size]
        self.changes.clear()


class _Loss:
    """What one power cut takes from one file."""

    def __init__(self, dice: random.Random, node: _Node) -> None:
        self._dice = dice
        self._changes = len(node.changes)
        self._fate = dice.choice(("lost", "kept", "torn", "zeros", "mixed"))
        begin = min((change.offset for change in node.changes), default=0)
        self._tear = dice.randint(begin, max((change.end for change in node.changes), default=0))
        self._length = dice.randint(0, self._changes)
        self._sectors: dict[int, int] = {}  # how many of the changes reached each

    def resizes(self, number: int, change: _Change) -> bool:
        """Whether the file's length is as the change left it."""
        if change.place is not _Place.CACHE:
            return change.place is _Place.DISK or self._dice.random() < 0.5
        return {"lost": False, "mixed": number < self._length}.get(self._fate, True)

    def kept(self, number: int, change: _Change) -> list[tuple[int, bytes]]:
        """What of the bytes is there: offset and bytes."""
        data = change.data or b""
        if change.place is _Place.DISK:
            return [(change.offset, data)]
        if change.place is _Place.CACHE and self._fate != "mixed":
            reached = {"kept": len(data), "torn": max(0, self._tear - change.offset)}.get(self._fate, 0)
            return [(change.offset, data[:reached])]
        edges = [change.offset, *range((change.offset // _SECTOR + 1) * _SECTOR, change.end, _SECTOR)]
        pieces = [(at, data[at - change.offset :][: _SECTOR - at % _SECTOR]) for at in edges]
        return [piece for piece in pieces if self._reached(number, change, piece[0] // _SECTOR)]

    def _reached(self, number: int, change: _Change, sector: int) -> bool:
        if change.place is _Place.DOUBT:
            return self._dice.random() < 0.5
        if sector not in self._sectors:
            self._sectors[sector] = self._dice.choice((0, self._changes, self._dice.randint(0, self._changes)))
        return number < self._sectors[sector]


class _MemoryFile:
    def __init__(self, files: MemoryFiles, path: str, node: _Node) -> None:
        self._files = files
        self._path = path
        self._node = node
        self._end = len(node.data)

    def reserve(self, size: int) -> None:
        """A disk without the room may make the file longer all the same: posix_fallocate(3) leaves that open."""
        end, room = len(self._node.data), self._files.room
        missing = max(0, size - end)
        fits = missing if room is None else min(missing, room)
        try:
            self._files.step("reserve", self._path)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                self._node.put(end, bytes(fits // 2))
            raise
        self._node.put(end, bytes(fits))
        if fits < missing:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def write(self, data: bytes) -> None:
        alive = self._files.alive
        fits = len(data)
        if self._files.room is not None:
            fits = self._files.room + len(self._node.data) - self._end
        try:
            self._files.step("write", self._path)
            if len(data) > fits:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except (PowerCut, OSError) as error:
            if alive and (not isinstance(error, OSError) or error.errno != errno.EROFS):
                self._node.put(self._end, data[: min(len(data) // 2, fits)])
            raise
        self._node.put(self._end, data)
        self._end += len(data)
        self._files.written += len(data)

    def sync(self) -> None:
        self._files.sync(self._path, self._node)

    def close(self) -> None:
        """Closing says nothing about durability."""


class _MemoryLock:
    def __init__(self, files: MemoryFiles, path: str) -> None:
        self._files = files
        self._path = path

    def release(self) -> None:
        self._files.locks.discard(self._path)


class MemoryFiles:
    """The files seam without a disk. `steps` counts the calls that change something: the places to cut the power.

    `cut_at`: the step at which the power goes, before it takes effect (a write: half way). `capacity`: bytes that
    the disk holds. `faults`: errors to raise. `bad`: path, start and end of bytes that cannot be read.
    """

    def __init__(self) -> None:
        self.steps = 0
        self.cut_at: int | None = None
        self.capacity: int | None = None
        self.faults: list[Fault] = []
        self.bad: list[tuple[str, int, int]] = []
        self.locks: set[str] = set()
        self.written = 0
        self._names: dict[str, _Node] = {}
        self._safe_names: dict[str, _Node] = {}
        self._changes: list[tuple[str, str, _Node]] = []  # of names, not yet synced: old name, new name, node
        self.alive = True  # the power is on

    # -- the protocol ---------------------------------------------------------------------------------------------

    def make_folder(self, folder: str) -> None:
        """Every folder is there."""

    def names(self, folder: str) -> list[str]:
        self._alive()
        start = len(folder) + 1
        return sorted(path[start:] for path in self._names if path.startswith(f"{folder}/") and "/" not in path[start:])

    def append(self, path: str) -> _MemoryFile:
        node = self._names.get(path)
        if node is None:
            self.step("create", path)
            node = self._names[path] = _Node()
            self._changes.append(("", path, node))
        self._alive()
        return _MemoryFile(self, path, node)

    append_private = append  # nobody else is here

    def read(self, path: str, offset: int, length: int) -> bytes:
        self._alive()
        self._fail("read", path)
        for bad, start, end in self.bad:
            if bad == path and start < offset + length and offset < end:
                raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        return bytes(self._node(path).data[offset : offset + length])

    def size(self, path: str) -> int:
        self._alive()
        return len(self._node(path).data)

    def truncate(self, path: str, size: int) -> None:
        self.step("truncate", path)
        node = self._node(path)
        node.cut(size)
        self.sync(path, node)

    def rename(self, old: str, new: str) -> None:
        self.step("rename", old)
        node = self._names.pop(old)
        self._names[new] = node
        self._changes.append((old, new, node))

    def remove(self, path: str) -> None:
        self.step("remove", path)
        self._node(path)
        self._changes.append((path, "", self._names.pop(path)))

    def sync_folder(self, folder: str) -> None:
        self.step("sync_folder", folder)
        self._safe_names = dict(self._names)
        self._changes.clear()

    def free(self, folder: str) -> int:
        return self.room if self.room is not None else 1 << 40

    def lock(self, path: str) -> _MemoryLock:
        self._alive()
        if path in self.locks:
            raise JournalLocked(path.rpartition("/")[0], os.getpid())
        self.locks.add(path)
        self._names.setdefault(path, _Node()).data[:] = str(os.getpid()).encode()  # for people: nothing depends on it
        return _MemoryLock(self, path)

    # -- what tests do to it --------------------------------------------------------------------------------------

    @property
    def room(self) -> int | None:
        """Bytes that still fit; None without a capacity."""
        if self.capacity is None:
            return None
        return max(0, self.capacity - sum(len(node.data) for node in self._names.values()))

    @property
    def doubtful(self) -> list[str]:
        """Files with bytes that can be read and may not be on the medium, because their sync failed."""
        return [path for path, node in self._names.items() if any(one.place is _Place.DOUBT for one in node.changes)]

    def fail(self, operation: str, code: int, *, name: str = "", times: int = 1, skip: int = 0) -> None:
        """Let calls fail with an errno. Operations: write sync create reserve truncate
        rename remove sync_folder read."""
        self.faults.append(Fault(operation, OSError(code, os.strerror(code)), name, times, skip))

    def crash(self, seed: int = 0, *, power: bool = True) -> None:
        """The machine loses power, or with `power=False` the process is killed: then everything written stays."""
        dice = random.Random(seed)
        if power:
            for old, new, node in self._changes:
                if dice.random() < 0.5:
                    if old and self._safe_names.get(old) is node:
                        del self._safe_names[old]
                    if new:
                        self._safe_names[new] = node
            self._names = dict(self._safe_names)
            self._changes.clear()
            for node in self._names.values():
                node.lose(dice)
        self.locks.clear()
        self.cut_at = None
        self.alive = True

    def damage(self, path: str, offset: int, data: bytes) -> None:
        """Overwrite bytes as rotten flash would: durably and silently."""
        node = self._node(path)
        node.put(offset, data)
        node.sync()

    def sync(self, path: str, node: _Node) -> None:
        """What both ways to sync a file do."""
        try:
            self.step("sync", path)
        except OSError:
            node.sync(fails=True)
            raise
        node.sync()

    def step(self, operation: str, path: str) -> None:
        """One call that changes something. Raises `PowerCut` or the scripted error."""
        self._alive()
        if self.cut_at is not None and self.steps >= self.cut_at:
            self.alive = False
            raise PowerCut(f"{operation} {path}")
        self.steps += 1
        self._fail(operation, path)

    def _fail(self, operation: str, path: str) -> None:
        for fault in self.faults:
            if fault.operation == operation and fault.name in path:
                if fault.skip:
                    fault.skip -= 1
                elif fault.times:
                    fault.times -= 1
                    raise fault.error

    def _alive(self) -> None:
        if not self.alive:
            raise PowerCut("the power is off")

    def _node(self, path: str) -> _Node:
        try:
            return self._names[path]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path) from None
