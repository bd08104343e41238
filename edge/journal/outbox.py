"""Reading what an upstream has not done with: oldest first, from the segments, in memory that does not grow."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from itertools import chain, dropwhile, takewhile
from operator import itemgetter

from edge.journal.books import Books, Stream
from edge.journal.files import Files
from edge.journal.frames import Frame, Gap, records_of, walk
from edge.journal.marks import Marks
from edge.journal.segments import STREAMS, Segment, kind_for
from edge.model import RecordKind, Stored

_Found = tuple[int, Segment, int, Stored]  # sequence, segment, ordinal, record


class Outbox:
    """Not thread-safe: the journal's books lock guards it."""

    def __init__(self, files: Files, folder: str, books: Books) -> None:
        self._files = files
        self._folder = folder
        self._books = books
        self._gaps: set[tuple[Segment, Gap]] = set()
        self.damaged: list[Segment] = []  # not reckoned with yet

    def frames(self, segment: Segment, place: tuple[int, int] | None = None) -> Iterator[Frame]:
        """The intact durable frames of a segment, from a place on that its index gave. One with a gap that was not
        met before is put on `damaged`."""
        for frame in self._walk(segment, place):
            if isinstance(frame, Frame):
                yield frame
            elif (segment, frame) not in self._gaps:
                self._gaps.add((segment, frame))
                if segment not in self.damaged:
                    self.damaged.append(segment)

    def seek(self, segment: Segment, **wanted: int | None) -> Iterator[Frame]:
        """The frames of a segment from near the first one on that is wanted, see `Index.seek`. What the index lacks,
        as that of a segment of format 1 does, it learns on the way."""
        frames = self.frames(segment, segment.index.seek(**wanted))
        return frames if segment.index.due >= segment.size else self._charted(segment, frames)

    def _charted(self, segment: Segment, frames: Iterator[Frame]) -> Iterator[Frame]:
        for frame in frames:
            segment.enter(frame.sequence, frame.outcomes, frame.publishes, frame.offset)
            yield frame

    def _walk(self, segment: Segment, place: tuple[int, int] | None) -> Iterator[Frame | Gap]:
        path = f"{self._folder}/{segment.name}"
        after, below = segment.header.first - 1, segment.last + 1

        def read(at: int, length: int) -> bytes:
            return self._files.read(path, at, length)

        if place is not None:
            offset, sequence = place
            found = walk(read, offset, segment.size, segment.key, after=sequence - 1, below=below)
            first = next(found, None)
            if isinstance(first, Frame) and first.sequence == sequence:
                return chain((first,), found)
        return walk(read, segment.body, segment.size, segment.key, after=after, below=below)

    def frame(self, segment: Segment, sequence: int) -> Frame | None:
        """The frame of a segment that holds the record of that number; None where there is none intact."""
        for frame in self.seek(segment, sequence=sequence):
            if sequence < frame.sequence + frame.number:
                return frame if sequence >= frame.sequence else None
        return None

    def record(self, sequence: int) -> Stored | None:
        """See `Journal.record`."""
        for name in STREAMS:
            for segment in self._books.streams[name].segments:
                if segment.header.first <= sequence <= segment.last:
                    frame = self.frame(segment, sequence)
                    if frame is not None:
                        return Stored(sequence, records_of(frame)[sequence - frame.sequence], frame.wall)
        return None

    def records(self, kind: RecordKind | None) -> Iterator[Stored]:
        """Every record kept, oldest first, without the copies that dead letters are. The one method here that needs no
        lock once it has begun: segments that are deleted meanwhile are passed over."""
        lanes = [self._stream(list(self._books.streams[name].segments)) for name in STREAMS]
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
        for sequence, segment, ordinal, stored in heapq.merge(*lanes, key=itemgetter(0)):
            size += len(stored.record.body)
            if taken and (len(taken) >= limit or size > max_bytes):
                break
            taken.append(stored)
            self._books.hand(upstream, sequence, segment, ordinal)
        return taken

    def _lane(self, upstream: str, stream: Stream, after: int | None) -> Iterator[_Found]:
        """Unsettled records of one stream behind `after`."""
        beyond = -1 if after is None else after
        for segment in list(stream.segments):
            if segment.last > beyond and segment.pending(upstream):
                yield from self._unsettled(upstream, segment, beyond)

    def _unsettled(self, upstream: str, segment: Segment, after: int) -> Iterator[_Found]:
        kind = kind_for(upstream)
        marks, revived = segment.marks.setdefault(upstream, Marks()), segment.revived.get(upstream)
        first = segment.first_waiting(upstream)
        ordinals = {"publishes" if kind is RecordKind.PUBLISH else "outcomes": first}
        frames = self.seek(segment, sequence=after + 1, **ordinals)
        for frame in dropwhile(lambda frame: frame.sequence + frame.number <= after + 1, frames):
            ordinal = segment.ordinal(frame, kind)
            for sequence, record in enumerate(records_of(frame), frame.sequence):
                if record.kind is not kind:
                    continue
                if sequence > after and ordinal not in marks and (revived is None or ordinal in revived):
                    yield sequence, segment, ordinal, Stored(sequence, record, frame.wall)
                ordinal += 1

    def until(self, upstream: str, segment: Segment, sequence: int) -> list[int]:
        """Ordinals of what waits for `upstream` in the segment, up to that sequence number."""
        if segment.last <= sequence:
            marks = segment.marks.get(upstream, Marks())
            return [ordinal for ordinal in segment.places(upstream) if ordinal not in marks]
        found = self._unsettled(upstream, segment, -1)
        return [ordinal for _, _, ordinal, _ in takewhile(lambda one: one[0] <= sequence, found)]

    def waiting(self, upstream: str, sequence: int) -> tuple[Segment, int] | None:
        """Where a record stands that the upstream has not done with."""
        place = self._books.take(upstream, sequence) or self.find(upstream, sequence)
        if place is None:
            return None
        marks = place[0].marks.get(upstream)
        return place if marks is None or place[1] not in marks else None

    def find(self, upstream: str, sequence: int) -> tuple[Segment, int] | None:
        """Where a record for that upstream stands, done with or not, by reading the segment that may hold it."""
        for segment in self._books.segments():
            if not segment.header.first <= sequence <= segment.last or not segment.total(upstream):
                continue
            frame = self.frame(segment, sequence)
            for number, ordinal, record in segment.entries(frame) if frame is not None else ():
                if number == sequence and record.kind is kind_for(upstream) and segment.owes(upstream, ordinal):
                    return segment, ordinal
        return None

    def forget(self, segment: Segment) -> None:
        """The segment is deleted or written anew: what was found in it means nothing now."""
        self._gaps = {(where, gap) for where, gap in self._gaps if where is not segment}
        if segment in self.damaged:
            self.damaged.remove(segment)


def stored_of(frame: Frame) -> Iterator[Stored]:
    """Every record of a frame with its own sequence number."""
    for sequence, record in enumerate(records_of(frame), frame.sequence):
        yield Stored(sequence, record, frame.wall)
