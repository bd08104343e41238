"""Files in memory that can lose power, run full and fail, the same way for the same seed.

What was written is in the page cache until it is synced; a name is in the folder's cache until the folder is synced.
`crash` decides by its seed what of that survives: nothing, all, a torn part, or the later half without the earlier.
"""

from __future__ import annotations

import errno
import os
import random
from dataclasses import dataclass, field

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


@dataclass(slots=True, eq=False)
class _Node:
    """A file: `data` as processes see it, `safe` as a power cut leaves it for sure, `touched` since the last sync."""

    data: bytearray = field(default_factory=bytearray)
    safe: bytearray = field(default_factory=bytearray)
    touched: int = 0
    holes: list[tuple[int, int]] = field(default_factory=list)  # what a failed sync may have lost for ever

    def put(self, offset: int, data: bytes) -> None:
        self.touched = min(self.touched, offset)
        self.data[offset : offset + len(data)] = data

    def settle(self) -> None:
        self.touched = min(self.touched, len(self.data))
        self.safe[self.touched :] = self.data[self.touched :]
        self.touched = len(self.data)
        for start, end in self.holes:
            self.safe[start:end] = bytes(len(self.safe[start:end]))

    def lose(self, dice: random.Random) -> None:
        """What was not synced is lost, kept, torn, or kept with sectors missing from its middle."""
        fate = dice.choice(("lost", "kept", "torn", "holed"))
        start = min(self.touched, len(self.safe))
        old, new = self.safe[start:], self.data[start:]
        if fate == "lost" or len(new) < len(old):
            new = old
        elif fate == "torn":
            cut = dice.randrange(len(new) + 1)
            new = new[:cut] + old[cut:]
        elif fate == "holed":
            for at in range(0, len(new), _SECTOR):
                if dice.random() < 0.5:
                    kept = old[at : at + _SECTOR]
                    new[at : at + _SECTOR] = kept + bytes(len(new[at : at + _SECTOR]) - len(kept))
        self.data = self.safe[:start] + new
        for begin, end in self.holes:
            self.data[begin:end] = bytes(len(self.data[begin:end]))
        self.holes.clear()
        self.touched = 0
        self.settle()


class _MemoryFile:
    def __init__(self, files: MemoryFiles, path: str, node: _Node) -> None:
        self._files = files
        self._path = path
        self._node = node
        self._end = len(node.data)

    def reserve(self, size: int) -> None:
        self._files.step("reserve", self._path)
        room = self._files.room
        missing = size - len(self._node.data)
        if room is not None and missing > room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._node.put(len(self._node.data), bytes(max(0, missing)))

    def write(self, data: bytes) -> None:
        fits = len(data)
        if self._files.room is not None:
            fits = self._files.room + len(self._node.data) - self._end
        try:
            self._files.step("write", self._path)
            if len(data) > fits:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except (PowerCut, OSError) as error:
            if not isinstance(error, OSError) or error.errno != errno.EROFS:
                self._node.put(self._end, data[: min(len(data) // 2, fits)])
            raise
        self._node.put(self._end, data)
        self._end += len(data)
        self._files.written += len(data)

    def sync(self) -> None:
        try:
            self._files.step("sync", self._path)
        except OSError:
            self._node.holes.append((self._node.touched, len(self._node.data)))
            raise
        self._node.settle()

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
        self._dead = False

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
        del node.data[size:]
        node.touched = min(node.touched, size)
        node.settle()

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
        return _MemoryLock(self, path)

    # -- what tests do to it --------------------------------------------------------------------------------------

    @property
    def room(self) -> int | None:
        """Bytes that still fit; None without a capacity."""
        if self.capacity is None:
            return None
        return max(0, self.capacity - sum(len(node.data) for node in self._names.values()))

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
            for node in self._names.values():
                node.lose(dice)
        self._safe_names = dict(self._names)
        self._changes.clear()
        self.locks.clear()
        self.cut_at = None
        self._dead = False

    def damage(self, path: str, offset: int, data: bytes) -> None:
        """Overwrite bytes as rotten flash would: durably and silently."""
        node = self._node(path)
        node.put(offset, data)
        node.settle()

    def step(self, operation: str, path: str) -> None:
        """One call that changes something. Raises `PowerCut` or the scripted error."""
        self._alive()
        if self.cut_at is not None and self.steps >= self.cut_at:
            self._dead = True
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
        if self._dead:
            raise PowerCut("the power is off")

    def _node(self, path: str) -> _Node:
        try:
            return self._names[path]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path) from None
