"""Dead letters as format 1 had them: marks by reason, on the record's own segment. They become letters when a journal
is opened for writing.

A power cut in the middle leaves letters that are void, because their records are settled already, and they are written
again. Where the disk has no room for them, a checkpoint of format 2 carries the marks to the next start.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any

from edge.journal.books import Books, Stream
from edge.journal.files import Files
from edge.journal.frames import close
from edge.journal.letters import Letter
from edge.journal.marks import Marks
from edge.journal.outbox import Outbox
from edge.journal.rewrite import write_whole
from edge.journal.segments import DEAD, STREAMS, Segment, kind_for
from edge.model import RecordKind, Stored

if TYPE_CHECKING:
    from edge.journal.ledger import Ledger

_SEGMENT = 1 << 23


class DeadMarks:
    """What upstreams refused, by segment, upstream and reason. Its records are marked as settled and counted."""

    def __init__(self, data: dict[str, Any] | None = None) -> None:
        """`data`: from `dump`."""
        self._marks: dict[str, dict[str, dict[str, Marks]]] = {
            segment: {
                upstream: {reason: Marks.load(dumped) for reason, dumped in reasons.items()}
                for upstream, reasons in upstreams.items()
            }
            for segment, upstreams in (data or {}).items()
        }

    def __bool__(self) -> bool:
        return any(marks.count for _, _, _, marks in self._all())

    def __contains__(self, segment: str) -> bool:
        return any(name == segment and marks.count for name, _, _, marks in self._all())

    def _all(self) -> Iterator[tuple[str, str, str, Marks]]:
        for segment, upstreams in self._marks.items():
            for upstream, reasons in upstreams.items():
                for reason, marks in reasons.items():
                    yield segment, upstream, reason, marks

    def dump(self) -> dict[str, Any]:
        """Plain data for a checkpoint."""
        data: dict[str, Any] = {}
        for segment, upstream, reason, marks in self._all():
            if marks.count:
                data.setdefault(segment, {}).setdefault(upstream, {})[reason] = marks.dump()
        return data

    def add(self, segment: str, upstream: str, reason: str, ordinals: Iterable[int]) -> None:
        """These were refused."""
        self._marks.setdefault(segment, {}).setdefault(upstream, {}).setdefault(reason, Marks()).add_all(ordinals)

    def remove(self, segment: str, upstream: str, ordinals: Iterable[int]) -> list[int]:
        """These are dead letters no longer, or not here; returns those that were."""
        reasons = self._marks.get(segment, {}).get(upstream, {})
        return [ordinal for ordinal in ordinals if any(marks.remove(ordinal) for marks in reasons.values())]

    def letters(self, books: Books, outbox: Outbox) -> Iterator[tuple[Letter, Stored]]:
        """Each as a letter with its record, in the order in which they were accepted."""
        lanes = [self._lane(books.streams[name], outbox) for name in STREAMS]
        yield from heapq.merge(*lanes, key=lambda found: found[1].sequence)

    def _lane(self, stream: Stream, outbox: Outbox) -> Iterator[tuple[Letter, Stored]]:
        for segment in list(stream.segments):
            wanted = [found for found in self._all() if found[0] == segment.name and found[3].count]
            if not wanted:
                continue
            for frame in outbox.frames(segment):
                for sequence, ordinal, record in segment.entries(frame):
                    for name, upstream, reason, marks in wanted:
                        if kind_for(upstream) is record.kind and ordinal in marks:
                            owed, first = segment.upstreams, (name, ordinal)
                            letter = Letter(upstream, reason, name, ordinal, sequence, owed, frame.wall, first)
                            yield letter, Stored(sequence, record, frame.wall)


def convert(files: Files, folder: str, ledger: Ledger, sequence: int, wall: float) -> int:
    """Write the letters, numbered from `sequence` on; returns the last number. Raises OSError; then what was written
    stays."""
    stream = ledger.books.streams[DEAD]
    rest = ledger.state.dead.letters(ledger.books, ledger.outbox)
    while (first := next(rest, None)) is not None:
        stream.number += 1
        segment = ledger.begin(stream, stream.number, sequence + 1)
        header = segment.header
        written: list[Letter] = []
        write_whole(files, folder, segment, _frames(segment, chain((first,), rest), written), wall)
        files.sync_folder(folder)
        for letter in written:
            ledger.state.dead.remove(letter.segment, letter.upstream, [letter.ordinal])
        stream.segments.append(segment)
        stream.raise_to(header.outcomes + segment.outcomes, header.publishes + segment.publishes, {})
        sequence = ledger.letters.last = segment.last
    ledger.state.dead = DeadMarks()  # without what stood in segments that are lost
    return sequence


def _frames(segment: Segment, letters: Iterable[tuple[Letter, Stored]], written: list[Letter]) -> Iterator[bytes]:
    """Letters until the segment is full, counted in it and noted as written."""
    before, size = segment.header, 0
    for letter, stored in letters:
        segment.last += 1
        outcomes, publishes = before.outcomes + segment.outcomes, before.publishes + segment.publishes
        frame = letter.frame(stored, segment.last, outcomes, publishes, segment.key.seed)
        frame = close(frame, b"", (stored.record,), segment.key)
        size += len(frame)
        yield frame
        written.append(letter)
        if letter.kind is RecordKind.PUBLISH:
            segment.publishes += 1
        else:
            segment.outcomes += 1
        if size >= _SEGMENT:
            return
