"""Reading what an upstream has not done with: oldest first, from the segments, in memory that does not grow."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from itertools import takewhile

from edge.journal.books import Books, Stream
from edge.journal.files import Files
from edge.journal.frames import Frame, Gap, records_of, walk
from edge.journal.marks import Marks
from edge.journal.segments import PUBLISHES, Segment
from edge.model import RecordKind, Stored

_Found = tuple[int, Segment, int, int, Stored]  # sequence, segment, ordinal, offset of its frame, record


class Outbox:
    """Not thread-safe: the journal's books lock guards it."""

    def __init__(self, files: Files, folder: str, books: Books) -> None:
        self._files = files
        self._folder = folder
        self._books = books
        self._resume: dict[tuple[str, str], tuple[int, int, int]] = {}
        self._gaps: set[tuple[Segment, Gap]] = set()
        self.damaged: list[Segment] = []  # not reckoned with yet

    def frames(self, segment: Segment, start: int = 0) -> Iterator[Frame]:
        """The intact durable frames of a segment. One with a gap that was not met before is put on `damaged`."""
        path = f"{self._folder}/{segment.name}"

        def read(at: int, length: int) -> bytes:
            return self._files.read(path, at, length)

        first, last = segment.header.first, segment.last
        for frame in walk(read, start or segment.body, segment.size, segment.seed, after=first - 1, below=last + 1):
            if isinstance(frame, Frame):
                yield frame
            elif (segment, frame) not in self._gaps:
                self._gaps.add((segment, frame))
                if segment not in self.damaged:
                    self.damaged.append(segment)

    def records(self, kind: RecordKind | None) -> Iterator[Stored]:
        """Every record kept, oldest first. The one method here that needs no lock once it has begun: segments that
        are deleted meanwhile are passed over."""
        lanes = [self._stream(list(stream.segments)) for stream in self._books.streams.values()]
        for stored in heapq.merge(*lanes, key=lambda stored: stored.sequence):
            if kind is None or stored.record.kind is kind:
                yield stored

    def _stream(self, segments: list[Segment]) -> Iterator[Stored]:
        for segment in segments:
            try:
                for frame in self.frames(segment):
                    yield from stored_of(frame)
            except FileNotFoundError:
                continue

    def pending(self, upstream: str, limit: int, max_bytes: int, after: int | None) -> list[Stored]:
        """See `Journal.pending`."""
        lanes = [self._lane(upstream, stream, after) for stream in self._books.streams.values()]
        taken: list[Stored] = []
        size = 0
        for sequence, segment, ordinal, offset, stored in heapq.merge(*lanes, key=lambda found: found[0]):
            size += len(stored.record.body)
            if taken and (len(taken) >= limit or size > max_bytes):
                break
            taken.append(stored)
            self._books.hand(upstream, sequence, segment, ordinal)
            self._resume[upstream, segment.header.stream] = sequence, segment.header.number, offset
        return taken

    def _lane(self, upstream: str, stream: Stream, after: int | None) -> Iterator[_Found]:
        """Unsettled records of one stream behind `after`, resuming where the last call stopped if that fits."""
        number = offset = 0
        beyond = -1 if after is None else after
        resume = self._resume.get((upstream, stream.name))
        if resume is not None and resume[0] <= beyond:
            _, number, offset = resume
        for segment in list(stream.segments):
            if segment.header.number < number or segment.last <= beyond or not segment.pending(upstream):
                continue
            start = offset if segment.header.number == number else 0
            yield from self._unsettled(upstream, segment, start, beyond)

    def _unsettled(self, upstream: str, segment: Segment, start: int, after: int) -> Iterator[_Found]:
        kind = RecordKind.PUBLISH if upstream == PUBLISHES else RecordKind.OUTCOME
        marks = segment.marks.setdefault(upstream, Marks())
        start = max(start, marks.start)
        prefix = start in (0, marks.start)  # all before is settled, as long as nothing unsettled was seen
        for frame in self.frames(segment, start):
            ordinal = segment.ordinal(frame, kind)
            for sequence, record in enumerate(records_of(frame), frame.sequence):
                if record.kind is not kind:
                    continue
                if ordinal not in marks:
                    prefix = False
                    if sequence > after:
                        stored = Stored(sequence, record, frame.wall)
                        yield sequence, segment, ordinal, frame.offset, stored
                ordinal += 1
            if prefix:
                marks.start = frame.end

    def until(self, upstream: str, segment: Segment, sequence: int) -> list[int]:
        """Ordinals of what waits for `upstream` in the segment, up to that sequence number."""
        if segment.last <= sequence:
            marks = segment.marks.get(upstream, Marks())
            return [ordinal for ordinal in range(segment.total(upstream)) if ordinal not in marks]
        found = self._unsettled(upstream, segment, 0, -1)
        return [ordinal for _, _, ordinal, _, _ in takewhile(lambda one: one[0] <= sequence, found)]

    def dead(self, upstream: str) -> Iterator[tuple[Stored, str, Segment, int]]:
        """Every record kept that `upstream` refused for good, the reason, and where it stands."""
        kind = RecordKind.PUBLISH if upstream == PUBLISHES else RecordKind.OUTCOME
        for segment in list(self._books.segments()):
            reasons = segment.dead.get(upstream, {})
            if not any(marks.count for marks in reasons.values()):
                continue
            for frame in self.frames(segment):
                ordinal = segment.ordinal(frame, kind)
                for stored in stored_of(frame):
                    if stored.record.kind is not kind:
                        continue
                    for reason, marks in reasons.items():
                        if ordinal in marks:
                            yield stored, reason, segment, ordinal
                    ordinal += 1

    def find(self, upstream: str, sequence: int) -> tuple[Segment, int] | None:
        """Where a record for that upstream stands, by reading the segments that may hold it."""
        kind = RecordKind.PUBLISH if upstream == PUBLISHES else RecordKind.OUTCOME
        for segment in self._books.segments():
            if not segment.header.first <= sequence <= segment.last or not segment.total(upstream):
                continue
            for frame in self.frames(segment):
                if not frame.sequence <= sequence < frame.sequence + frame.number:
                    continue
                kinds = [record.kind for record in records_of(frame)]
                place = sequence - frame.sequence
                if kinds[place] is kind:
                    return segment, segment.ordinal(frame, kind) + kinds[:place].count(kind)
        return None

    def forget(self, segment: Segment) -> None:
        """The segment is deleted: positions in it mean nothing now."""
        self._resume = {lane: at for lane, at in self._resume.items() if at[1] != segment.header.number}
        self._gaps = {(where, gap) for where, gap in self._gaps if where is not segment}
        if segment in self.damaged:
            self.damaged.remove(segment)


def stored_of(frame: Frame) -> Iterator[Stored]:
    """Every record of a frame with its own sequence number."""
    for sequence, record in enumerate(records_of(frame), frame.sequence):
        yield Stored(sequence, record, frame.wall)
