"""Writing one stream: the frames of the next group, and the file that they go to.

Invariants
- A group goes into one segment with one write; nothing of it counts before its sync has returned.
- After a failed write or sync the file is never written again: the group goes, whole, to a new segment.
- A new segment counts only when its folder is synced too.
- Frames are closed here, once for every file that they go to: what moves to a new segment is closed under its key.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from zlib import crc32

from edge.journal.books import Stream
from edge.journal.files import File, Files, reserve_ahead
from edge.journal.frames import close
from edge.journal.keys import FileKey
from edge.journal.segments import Segment
from edge.model import Delivery, Record, RecordKind


@dataclass(slots=True)
class Group:
    """Frames that gather while the last group is being synced; the journal's short lock guards it.

    `pieces` holds two byte strings a frame, `size` is the bytes of all.
    """

    pieces: list[bytes] = field(default_factory=list)
    frames: list[tuple[int, Sequence[Record], Delivery | None]] = field(default_factory=list)
    size: int = 0
    outcomes: int = 0
    publishes: int = 0
    plain: bool = True  # nothing promised in it, nothing delivered: only outcomes and publishes

    def stored(self, key: FileKey) -> bytes:
        """Its frames as they stand in a file with that key."""
        if key.cipher is None:
            return b"".join(self.pieces)
        halves = zip(self.pieces[::2], self.pieces[1::2], self.frames, strict=True)
        return b"".join(close(front, body, records, key) for front, body, (_, records, _) in halves)

    def split(self, size: int) -> tuple[Group, Group | None]:
        """A part of about that size from the front, and the rest."""
        if self.size <= size:
            return self, None
        taken = at = 0
        while at < len(self.frames) and taken < size:
            taken += len(self.pieces[2 * at]) + len(self.pieces[2 * at + 1])
            at += 1
        if at == len(self.frames):
            return self, None
        kinds = [record.kind for _, records, _ in self.frames[:at] for record in records]
        outcomes, publishes = kinds.count(RecordKind.OUTCOME), kinds.count(RecordKind.PUBLISH)
        front = Group(self.pieces[: 2 * at], self.frames[:at], taken, outcomes, publishes, self.plain)
        outcomes, publishes = self.outcomes - outcomes, self.publishes - publishes
        rest = Group(self.pieces[2 * at :], self.frames[at:], self.size - taken, outcomes, publishes, self.plain)
        return front, rest

    def before(self, later: Group) -> Group:
        """One group of both: what could not be written stays ahead of what came since."""
        return Group(
            self.pieces + later.pieces,
            self.frames + later.frames,
            self.size + later.size,
            self.outcomes + later.outcomes,
            self.publishes + later.publishes,
            self.plain and later.plain,
        )


class Writer:
    """One stream's newest segment. Only the committing thread calls, one at a time."""

    def __init__(
        self, files: Files, folder: str, stream: Stream, begin: Callable[[Stream, int, int], Segment], step: int
    ) -> None:
        """`step`: bytes of the file to reserve at a time."""
        self._files = files
        self._folder = folder
        self._new = begin
        self._file: File | None = None
        self._fresh = False
        self._chunk = b""
        self._reserved = 0
        self._step = step
        self.stream = stream
        self.segment: Segment | None = None

    def resume(self, segment: Segment) -> None:
        """Go on in a segment of the stream that has no footer and ends with a whole frame."""
        self.segment = segment
        self._file = self._files.append(f"{self._folder}/{segment.name}")
        self._reserved = segment.length

    def write(self, group: Group) -> int:
        """Hand the group to the operating system; returns the bytes. Raises OSError: then `abandon`."""
        if self._file is None or self.segment is None:
            self._begin(group.frames[0][0])
        file, segment = self._file, self.segment
        assert file is not None
        assert segment is not None
        self._chunk = group.stored(segment.key)
        begin = segment.header.dump() if self._fresh else b""
        self._reserve(file, segment.size + len(begin) + len(self._chunk))
        file.write(begin + self._chunk if begin else self._chunk)
        if begin:
            segment.body = segment.size = len(begin)
            segment.crc = crc32(begin)
        return len(begin) + len(self._chunk)

    def _reserve(self, file: File, size: int) -> None:
        if size <= self._reserved:
            return
        assert self.segment is not None
        path = f"{self._folder}/{self.segment.name}"
        self._reserved = reserve_ahead(self._files, path, file, size, self._step)

    def _begin(self, first: int) -> None:
        self.stream.number += 1
        segment = self._new(self.stream, self.stream.number, first)
        self._file = self._files.append(f"{self._folder}/{segment.name}")
        self.segment = segment
        self._fresh = True
        self._reserved = 0

    def sync(self, *, durable: bool) -> None:
        """Make the last write durable. Raises OSError: then `abandon`."""
        assert self._file is not None
        if durable:
            self._file.sync()
            if self._fresh:
                self._files.sync_folder(self._folder)

    def confirm(self, group: Group, last: int, age: float) -> Segment | None:
        """The group is as durable as it was asked to be: count it. Returns the segment if that began with it."""
        segment, fresh = self.segment, self._fresh
        assert segment is not None
        if fresh:
            self.stream.segments.append(segment)
            self._fresh = False
        segment.crc = crc32(self._chunk, segment.crc)
        segment.chart(self._chunk)
        segment.size += len(self._chunk)
        segment.length = max(segment.size, self._reserved)
        segment.last, segment.age = last, age
        self.stream.count(segment, group.outcomes, group.publishes)
        self._chunk = b""
        return segment if fresh else None

    def full(self, size: int) -> bool:
        """Whether the segment has reached that size."""
        return self.segment is not None and self.segment.size >= size

    def abandon(self) -> None:
        """Leave the file as it is, for ever: what its last write left in it is unknown. Its confirmed part stays."""
        file, segment = self._file, self.segment
        self._file, self.segment = None, None
        if file is not None:
            file.close()
        if segment is None:
            return
        with contextlib.suppress(OSError):  # a leftover without confirmed frames; recovery ignores it
            if self._fresh:
                self._files.remove(f"{self._folder}/{segment.name}")
            else:
                segment.length = self._files.size(f"{self._folder}/{segment.name}")
                self._files.truncate(f"{self._folder}/{segment.name}", segment.size)
                segment.length = segment.size
        segment.sealed = True
        self._fresh = False

    def seal(self, wall: float, *, durable: bool) -> int:
        """End the segment with its footer; the next group begins a new one. Returns the bytes. Raises OSError."""
        segment, file = self.segment, self._file
        if segment is None or file is None:
            return 0
        footer = segment.footer(wall)
        try:
            file.write(footer)
            if self._reserved > segment.size + len(footer):
                self._files.truncate(f"{self._folder}/{segment.name}", segment.size + len(footer))
            elif durable:
                file.sync()
        except OSError:
            self.abandon()
            raise
        segment.sealed = True
        segment.length = segment.size + len(footer)
        file.close()
        self._file, self.segment = None, None
        return len(footer)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
