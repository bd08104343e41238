"""What gives way when space runs out, in which order, and how it is counted.

1. What everybody has done with and retention no longer wants, by age or by count: at any time.
2. When `max_size`, the free-space floor or the disk itself presses: what everybody has done with, oldest first; then
   dead letters that nobody requeued.
3. What somebody waits for, oldest first: publishes, then telemetry, requeued dead letters, alarms last. What is worth
   more than the record that wants room never goes; nor does what lies in a stream whose policy is `block`; what lies
   in one with `drop_newest` goes only for what is worth more. For a dead letter all but that may go. Where telemetry
   has `thin`, all but every n-th frame of each of its segments goes first, once.
4. Where nothing may go, the record itself does: with `drop_newest` it is accepted and dropped (`edge.journal.voids`).
   With `block` nothing more of its class should have been begun (`Journal.takes`), and what was begun is written:
   streams that keep what they have stop growing a segment or two before `max_size`.

Every record that somebody waited for is counted as dropped, by reason and class, and lies under a tombstone.
A segment past retention of which less than a twentieth lives is written anew with that.
A promised run in a segment that goes is carried forward: its `accepted` record is written again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable

from edge.journal.files import Files
from edge.journal.frames import Frame, records_of
from edge.journal.ledger import Ledger
from edge.journal.limits import Limits
from edge.journal.rewrite import rewrite
from edge.journal.segments import DEAD, PUBLISHES, Segment
from edge.journal.tombstones import Tombstone
from edge.model import Record, RecordClass, RecordKind

_SPARSE = 0.05
_CHEAPEST_FIRST = (RecordClass.PUBLISH.value, RecordClass.TELEMETRY.value, DEAD, RecordClass.ALARM.value)
_LETTERS = 0.1  # of `keep_dead`: how long a segment of dead letters gathers, so that the oldest of them can go in time


class Space:
    """Guarded by the journal's books lock; only the committing thread calls."""

    def __init__(self, files: Files, folder: str, ledger: Ledger, limits: Limits) -> None:
        self._files = files
        self._folder = folder
        self._ledger = ledger
        self._limits = limits

    def spent(self) -> list[Segment]:
        """Sealed segments that nobody waits for and retention no longer wants."""
        age = self._ledger.age()
        delivered, dead = age - self._limits.keep_delivered, age - self._limits.keep_dead
        done = [segment for segment in self._ledger.books.segments() if _done(segment)]
        letters = [segment for segment in done if self._refused(segment) and segment.age <= dead]
        others = [segment for segment in done if not self._refused(segment)]
        beyond = self._beyond_count(others)
        return letters + [segment for segment in others if segment.age <= delivered or segment in beyond]

    def stale(self, segment: Segment | None) -> bool:
        """Whether an open segment of dead letters is to end, however few there are."""
        if segment is None or not segment.is_dead:
            return False
        return segment.header.age <= self._ledger.age() - _LETTERS * self._limits.keep_dead

    def _refused(self, segment: Segment) -> bool:
        """Whether it holds dead letters; of a journal that format 1 wrote, any segment may for a while."""
        return bool(segment.dead) or segment.name in self._ledger.state.dead

    def _beyond_count(self, done: list[Segment]) -> list[Segment]:
        """Those after which enough delivered outcomes came."""
        most = self._limits.keep_delivered_count
        if most is None:
            return []
        newer, found = 0, []
        for segment in sorted(done, key=lambda segment: segment.header.first, reverse=True):
            if newer >= most:
                found.append(segment)
            newer += segment.outcomes
        return found

    def sparse(self) -> list[Segment]:
        """Sealed segments past retention in which hardly anything lives."""
        before = self._ledger.age() - self._limits.keep_delivered
        return [
            segment
            for segment in self._ledger.books.segments()
            if segment.sealed
            and not self._refused(segment)
            and segment.age <= before
            and not segment.rewritten
            and not segment.settled
            and _living(segment) < _SPARSE
        ]

    def victims(self, stream: str) -> list[Segment]:
        """What goes when a record of that stream finds no room, in this order."""
        streams = self._ledger.books.streams
        done = sorted(
            filter(_done, self._ledger.books.segments()),
            key=lambda segment: (self._refused(segment), segment.header.first),
        )
        waiting = [
            segment
            for klass in _CHEAPEST_FIRST
            if self._gives_way(klass, stream)
            for segment in streams[klass].segments
            if segment.sealed and not segment.settled
        ]
        return done + sorted(waiting, key=lambda segment: not self.may_thin(segment))

    def _gives_way(self, klass: str, stream: str) -> bool:
        """Whether what waits in the stream `klass` may go for a record of `stream`. Requeued dead letters have the
        policy of telemetry, which nearly all of them are."""
        dearest = len(_CHEAPEST_FIRST)
        dearer = (dearest if stream == DEAD else _CHEAPEST_FIRST.index(stream)) - _CHEAPEST_FIRST.index(klass)
        policy = self._limits.policy(RecordClass.TELEMETRY if klass == DEAD else klass)
        return dearer > 0 if policy == "drop_newest" else dearer >= 0 and policy != "block"

    def may_thin(self, segment: Segment) -> bool:
        """Whether thinning comes before dropping for this one."""
        thins = self._limits.policy(segment.header.stream) == "thin"
        return thins and not segment.thinned and not segment.settled

    def thin(self, segment: Segment) -> Callable[[Frame], bool]:
        """Count all but every n-th frame of the segment as dropped; returns which frames stay."""
        places: dict[int, None] = {}
        gone: list[Frame] = []
        for number, frame in enumerate(self._ledger.outbox.frames(segment)):
            if number % self._limits.thin_to == 0 or self._promised(frame):
                places[frame.offset] = None
            else:
                gone.append(frame)
        before = [other for other in self._stream(segment) if other.header.number < segment.header.number]
        self._lose(segment, gone, "thinned", joins=all(other.thinned for other in before[-1:]))
        segment.thinned = True
        return lambda frame: frame.offset in places

    def _stream(self, segment: Segment) -> list[Segment]:
        return self._ledger.books.streams[segment.header.stream].segments

    def lives(self, segment: Segment) -> Callable[[Frame], bool]:
        """Which frames of a sparse segment stay: those that somebody waits for or that are promised."""

        def keep(frame: Frame) -> bool:
            return self._promised(frame) or any(
                self._waiting(segment, record, ordinal) for _, ordinal, record in segment.entries(frame)
            )

        return keep

    def _promised(self, frame: Frame) -> bool:
        unfinished = self._ledger.state.unfinished
        return any(
            record.kind is RecordKind.ACCEPTED and unfinished.get(record.id) == sequence
            for sequence, record in enumerate(records_of(frame), frame.sequence)
        )

    def rewrite(self, segment: Segment, keep: Callable[[Frame], bool], wall: float) -> None:
        """Write it anew with those frames. Raises OSError; then the old file stands, and fits the books."""
        self._ledger.written += rewrite(self._files, self._folder, self._ledger.outbox, segment, keep, wall)

    def drop(self, segment: Segment, reason: str) -> None:
        """Count what somebody waited for in it as dropped."""
        joins = self._stream(segment)[0] is segment
        if not segment.settled:
            self._lose(segment, self._ledger.outbox.frames(segment), reason, joins=joins)
        # What a damaged part of it held is not seen here: it still must not stay pending.
        first, last, stream = segment.header.first, segment.last, segment.header.stream
        for upstream in (*segment.upstreams, PUBLISHES):
            rest = segment.pending(upstream)
            if rest:
                wall = self._ledger.wall()
                self._ledger.books.lose(Tombstone(first, last, stream, "damaged", (upstream,), rest, wall))

    def _lose(self, segment: Segment, frames: Iterable[Frame], reason: str, *, joins: bool) -> None:
        """Everybody who waits for what is in these frames waits in vain."""
        lost: dict[tuple[str, tuple[str, ...]], list[int]] = {}
        done: dict[str, list[int]] = {}
        for frame in frames:
            for sequence, ordinal, record in segment.entries(frame):
                names = self._waiting(segment, record, ordinal)
                if names:
                    lost.setdefault((record.klass.value, names), []).append(sequence)
                for name in names:
                    done.setdefault(name, []).append(ordinal)
        books, wall = self._ledger.books, self._ledger.wall()
        for name, places in done.items():
            books.mark(name, segment, places)
        for (klass, names), sequences in lost.items():
            stone = Tombstone(sequences[0], sequences[-1], klass, reason, names, len(sequences), wall)
            books.lose(stone, joins=joins)

    def _waiting(self, segment: Segment, record: Record, ordinal: int) -> tuple[str, ...]:
        """Who has not done with that record."""
        names = (PUBLISHES,) if record.kind is RecordKind.PUBLISH else segment.upstreams
        return tuple(name for name in names if segment.waits(name, ordinal))

    def promises(self, segment: Segment) -> list[Record]:
        """Accepted records in it whose runs are not done."""
        unfinished = self._ledger.state.unfinished
        inside = [sequence for sequence in unfinished.values() if segment.header.first <= sequence <= segment.last]
        if not inside:
            return []
        return [
            record
            for frame in self._ledger.outbox.frames(segment)
            for sequence, record in enumerate(records_of(frame), frame.sequence)
            if record.kind is RecordKind.ACCEPTED and unfinished.get(record.id) == sequence
        ]

    def strike(self, segments: list[Segment]) -> None:
        """Take them out of the books; the next snapshot names them as gone."""
        for segment in segments:
            self._ledger.books.strike(segment)
            self._ledger.outbox.forget(segment)
            self._ledger.gone.append(segment.name)

    def delete(self) -> None:
        """Remove the files of what the last snapshot names as gone. Raises OSError."""
        if not self._ledger.gone:
            return
        for name in self._ledger.gone:
            with contextlib.suppress(FileNotFoundError):
                self._files.remove(f"{self._folder}/{name}")
        self._files.sync_folder(self._folder)
        self._ledger.gone.clear()


def _done(segment: Segment) -> bool:
    return segment.sealed and segment.settled


def _living(segment: Segment) -> float:
    total = segment.outcomes + segment.publishes
    pending = sum(segment.pending(name) for name in (*segment.upstreams, PUBLISHES))
    return pending / total if total else 1.0
