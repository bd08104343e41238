"""Room on the disk: which segments go, and in which order.

1. What everybody has done with and retention no longer wants.
2. When `max_size` presses: what everybody has done with, oldest first; then dead letters that nobody requeued.
3. `drop_oldest`: the oldest segment of publishes, then of telemetry, of requeued dead letters, alarms last; every
   record in it that somebody waited for is counted as dropped, by reason and class.

With `thin`, step 3 first leaves every n-th frame of each telemetry segment, once; with `block` there is no step 3.
A segment past retention of which less than a twentieth lives is written anew with that.

A promised run in a segment that goes is carried forward: its `accepted` record is written again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from edge.journal.files import Files
from edge.journal.frames import Frame, records_of
from edge.journal.ledger import Ledger
from edge.journal.limits import Limits
from edge.journal.rewrite import rewrite
from edge.journal.segments import DEAD, PUBLISHES, Segment, kind_for
from edge.model import Record, RecordClass, RecordKind, Verdict

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
        return [segment for segment in done if segment.age <= (dead if self._refused(segment) else delivered)]

    def stale(self, segment: Segment | None) -> bool:
        """Whether an open segment of dead letters is to end, however few there are."""
        if segment is None or not segment.is_dead:
            return False
        return segment.header.age <= self._ledger.age() - _LETTERS * self._limits.keep_dead

    def _refused(self, segment: Segment) -> bool:
        """Whether it holds dead letters; of a journal that format 1 wrote, any segment may for a while."""
        return bool(segment.dead) or segment.name in self._ledger.state.dead

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

    def victims(self) -> list[Segment]:
        """What goes when space is short, in this order."""
        streams = self._ledger.books.streams
        sealed = [segment for klass in _CHEAPEST_FIRST for segment in streams[klass].segments if segment.sealed]
        done = sorted(filter(_done, sealed), key=lambda segment: (self._refused(segment), segment.header.first))
        if self._limits.when_full == "block":
            return done
        waiting = [segment for segment in sealed if not segment.settled]
        return done + sorted(waiting, key=lambda segment: not self.may_thin(segment))

    def may_thin(self, segment: Segment) -> bool:
        """Whether thinning comes before dropping for this one."""
        telemetry = segment.header.stream == RecordClass.TELEMETRY
        return self._limits.when_full == "thin" and telemetry and not segment.thinned and not segment.settled

    def thin(self, segment: Segment) -> Callable[[Frame], bool]:
        """Count all but every n-th frame of the segment as dropped; returns which frames stay."""
        places: dict[int, None] = {}
        for number, frame in enumerate(self._ledger.outbox.frames(segment)):
            if number % self._limits.thin_to == 0 or self._promised(frame):
                places[frame.offset] = None
                continue
            for kind, names in ((RecordKind.OUTCOME, segment.upstreams), (RecordKind.PUBLISH, (PUBLISHES,))):
                first = segment.ordinal(frame, kind)
                records = [record for record in records_of(frame) if record.kind is kind]
                for name in names:
                    count = self._ledger.books.mark(name, segment, range(first, first + len(records)))
                    if count:
                        self._ledger.books.of(name).add(Verdict.DROPPED, count, "thinned", segment.header.stream)
        segment.thinned = True
        return lambda frame: frame.offset in places

    def lives(self, segment: Segment) -> Callable[[Frame], bool]:
        """Which frames of a sparse segment stay: those that somebody waits for or that are promised."""

        def keep(frame: Frame) -> bool:
            return self._promised(frame) or any(
                segment.waits(name, ordinal)
                for _, ordinal, record in segment.entries(frame)
                for name in ((PUBLISHES,) if record.kind is RecordKind.PUBLISH else segment.upstreams)
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
        counts: dict[tuple[str, str], int] = {}
        for upstream, record in self._waiting(segment):
            key = upstream, record.klass.value
            counts[key] = counts.get(key, 0) + 1
        for (upstream, klass), count in counts.items():
            self._ledger.books.of(upstream).add(Verdict.DROPPED, count, reason, klass)
        # What a damaged part of it held is not seen here: it still must not stay pending.
        for upstream in (*segment.upstreams, PUBLISHES):
            rest = segment.pending(upstream) - sum(n for (name, _), n in counts.items() if name == upstream)
            if rest:
                self._ledger.books.of(upstream).add(Verdict.DROPPED, rest, "damaged", segment.header.stream)

    def _waiting(self, segment: Segment) -> Iterator[tuple[str, Record]]:
        names = [name for name in (*segment.upstreams, PUBLISHES) if segment.pending(name)]
        if not names:
            return
        for frame in self._ledger.outbox.frames(segment):
            for _, ordinal, record in segment.entries(frame):
                for name in names:
                    if kind_for(name) is record.kind and segment.waits(name, ordinal):
                        yield name, record

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
        """Take them out of the books; the next checkpoint names them as gone."""
        for segment in segments:
            self._ledger.books.strike(segment)
            self._ledger.outbox.forget(segment)
            self._ledger.gone.append(segment.name)

    def delete(self) -> None:
        """Remove the files of what the last checkpoint names as gone. Raises OSError."""
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
