"""The ledger: state, books and state log held together, so that memory and log never disagree.

Everything here is guarded by the journal's books lock.
"""

from __future__ import annotations

import contextlib
import logging
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict
from typing import Any

import orjson

from edge.clock import Clock
from edge.journal.books import Stream
from edge.journal.files import Files
from edge.journal.frames import note_of
from edge.journal.keys import Keyring
from edge.journal.letters import Letters
from edge.journal.marks import Marks, ranges
from edge.journal.outbox import Outbox
from edge.journal.recovery import Survey
from edge.journal.segments import DEAD, PUBLISHES, STREAMS, Header, Segment, described, kind_for
from edge.journal.statelog import (
    DELIVERED,
    DELIVERIES,
    PROMISED,
    READY,
    SALT,
    SETTLED,
    SNAPSHOT,
    TABLE,
    StateLog,
    log_key,
)
from edge.journal.tombstones import Tombstone
from edge.journal.voids import VOID, Void
from edge.journal.writer import Group
from edge.model import RecordKind, Stored, Verdict

log = logging.getLogger(__name__)


class Ledger:
    """A survey that goes on living. `degraded` lists what was found or went wrong and stays so until the next start, in
    words for people; `troubles` what is wrong only now."""

    def __init__(self, files: Files, folder: str, clock: Clock, found: Survey, keys: Keyring) -> None:
        self._clock = clock
        self._opened = clock.monotonic()
        self.keys = keys
        self.state = found.state
        self.books = found.books
        self.outbox = Outbox(files, folder, found.books)
        self.letters = Letters(found.books, self.outbox, found.state.letters)
        self.log = StateLog(files, folder)
        if found.read is not None:
            self.log.number, self.log.size, self.log.length = found.read.number, found.read.size, found.read.length
        self.degraded: dict[str, None] = {}
        self.troubles: dict[str, str] = {}
        newest = (segment.age for segment in found.books.segments())
        self._age = max(found.state.age, found.state.ages.latest, *newest, 0.0)
        self.gone: list[str] = []
        self._salt = ""  # of the running state log
        self.written = 0

    def age(self) -> float:
        """The journal's own clock: seconds it was open, over all boots. A wall clock that steps does not move it."""
        return self._age + self._clock.monotonic() - self._opened

    def wall(self) -> float:
        """The wall clock: data, nothing hangs on it."""
        return self._clock.wall()

    def degrade(self, reason: str) -> None:
        """From now on the journal reports this."""
        self.degraded[reason] = None

    def trouble(self, name: str, reason: str) -> None:
        """Until `well` the journal reports this."""
        if self.troubles.get(name) != reason:
            log.warning("journal: %s", reason, extra={"action": "journal_trouble"})
        self.troubles[name] = reason

    def well(self, name: str) -> None:
        """That trouble is over."""
        reason = self.troubles.pop(name, None)
        if reason is not None:
            log.info("journal: over: %s", reason, extra={"action": "journal_well"})

    def begin(self, stream: Stream, number: int, first: int) -> Segment:
        """The stream's next segment, with a salt of its own where it is to be encrypted."""
        header = Header(
            seed=self.state.seed,
            stream=stream.name,
            number=number,
            first=first,
            outcomes=stream.outcomes,
            publishes=stream.publishes,
            upstreams=self.owed(stream),
            counts=dict(stream.counts),
            totals={name: asdict(totals) for name, totals in self.books.totals.items()},
            letters=self.letters.last,
            age=self.age(),
            wall=self._clock.wall(),
            salt=self.keys.salt(),
            key=self.keys.current,
        )
        return described(self.keys, header)

    def announce(self, segment: Segment) -> None:
        """A segment has begun: its salt stands in the log too, because without it nothing in the segment opens."""
        header = segment.header
        if header.salt:
            with contextlib.suppress(OSError):  # a second copy; the next checkpoint has it
                self.note(SALT, orjson.dumps({"s": segment.name, "salt": header.salt, "key": header.key}), urgent=False)

    def owed(self, stream: Stream) -> tuple[str, ...]:
        """Whom outcomes of that stream are for from now on."""
        return () if stream.name == DEAD else self.books.upstreams

    def follow(self, group: Group) -> None:
        """The group is durable: what it promises, ends and delivers counts now."""
        unfinished, deliveries = self.state.unfinished, self.state.deliveries
        if group.plain and not unfinished:
            return
        for first, records, delivery in group.frames:
            last = first
            for last, record in enumerate(records, first):
                if record.kind is RecordKind.OUTCOME:
                    unfinished.pop(record.id, None)
                elif record.kind is RecordKind.ACCEPTED:
                    unfinished[record.id] = last
            if delivery is not None:
                deliveries.note(delivery, last)

    def dead_letters(self, upstream: str) -> Iterator[tuple[Stored, str]]:
        """See `Journal.dead_letters`; also those of format 1 that are no letters yet."""
        for letter, stored in self.state.dead.letters(self.books, self.outbox):
            if letter.upstream == upstream:
                yield stored, letter.reason
        for stored, reason, _, _ in self.letters.dead(upstream):
            yield stored, reason

    @property
    def size(self) -> int:
        """What segments and state log take on disk."""
        return sum(segment.length for segment in self.books.segments()) + self.log.length

    def stats(self) -> dict[str, Any]:
        """See `Journal.stats`. `age`: seconds the journal was open, in which `bytes_written` were. `segments`: how many
        are plain, and how many encrypted with each key."""
        return {
            **self.books.stats(),
            "volatile": 0,
            "unfinished": len(self.state.unfinished),
            "bytes": self.size,
            "bytes_written": self.state.written + self.written,
            "age": self.age(),
            "segments": dict(Counter(segment.header.key or "plain" for segment in self.books.segments())),
            "degraded": [*self.degraded, *self.troubles.values()],
        }

    def note(self, kind: int, body: bytes, *, urgent: bool) -> None:
        """Write a change to the state log, at once; `urgent`: the next commit syncs it. Raises OSError; then the
        change must not be made."""
        self.written += self.log.write(kind, body, self._clock.wall())
        self.log.urgent = self.log.urgent or urgent

    def settle(
        self, upstream: str, places: Mapping[str, tuple[Segment, Collection[int]]], verdict: Verdict, reason: str = ""
    ) -> None:
        """`upstream` has done with these ordinals of segments, by the segment's name; written at once. Raises OSError;
        then nothing changed."""
        classes: dict[str, int] = {}
        for segment, ordinals in places.values():
            stream = segment.header.stream
            classes[stream] = classes.get(stream, 0) + len(ordinals)
        marked = {name: ranges(ordinals) for name, (_, ordinals) in places.items()}
        body = {"u": upstream, "v": verdict.value, "r": reason, "k": classes, "s": marked}
        self.note(SETTLED, orjson.dumps(body), urgent=False)
        self.log.settled += sum(classes.values())
        totals = self.books.of(upstream)
        for klass, number in classes.items():
            totals.add(verdict, number, reason, klass)
        for segment, ordinals in places.values():
            self.books.mark(upstream, segment, ordinals)

    def checkpoint(self, sequence: int) -> None:
        """Everything as it is now, in a new state log. `sequence`: the last durable one. Raises OSError."""
        self.state.sequence = sequence
        salt, number = self.keys.salt(), self.log.number + 1
        key = log_key(self.keys, number, salt, self.keys.current)
        self.written += self.log.replace(number, self._notes(salt), self._clock.wall(), key)
        self._salt = salt
        self.state.deliveries.saved()

    def snapshot(self, sequence: int) -> None:
        """Counts, and which segments are gone, as they are now, at the end of the running state log, durably. State
        tables stand in it already. Raises OSError; where `log.lost`, only `checkpoint` helps then."""
        self.state.sequence = sequence
        notes = [(DELIVERED, body) for body in self.state.deliveries.changes()]
        notes.append((PROMISED, orjson.dumps(self.state.unfinished)))
        for kind, body in [*notes, (SNAPSHOT, self._snapshot(self._salt, len(notes)))]:
            self.note(kind, body, urgent=False)
        self.log.sync()
        self.state.deliveries.saved()

    def _notes(self, salt: str) -> Iterator[tuple[int, bytes]]:
        yield SNAPSHOT, self._snapshot(salt)
        yield PROMISED, orjson.dumps(self.state.unfinished)
        for body in self.state.store.dump():
            yield TABLE, body
        for body in self.state.deliveries.dump():
            yield DELIVERIES, body
        yield READY, b""

    def _snapshot(self, salt: str, notes: int = 0) -> bytes:
        state, books = self.state, self.books
        left = {name: {"dead": marks} for name, marks in state.dead.dump().items()}
        snapshot = {
            "sequence": state.sequence,
            "letters": self.letters.last,
            "seed": state.seed,
            "age": self.age(),
            "written": state.written + self.written,
            "gone": self.gone,
            "upstreams": books.upstreams,
            "salt": salt,
            "key": self.keys.current,
            "with": notes,
            "totals": {name: asdict(totals) for name, totals in books.totals.items()},
            "tombstones": books.tombstones.dump(),
            "ages": state.ages.dump(),
            "streams": {
                name: {
                    "number": stream.number,
                    "outcomes": stream.outcomes,
                    "publishes": stream.publishes,
                    "counts": stream.counts,
                }
                for name, stream in books.streams.items()
            },
            "segments": {segment.name: _summary(segment) | left.get(segment.name, {}) for segment in books.segments()},
        }
        return orjson.dumps(snapshot)

    def reckon(self, segment: Segment) -> int:
        """Count what a damaged segment lost as dropped, for everyone who waited for it; returns the records lost."""
        seen: dict[RecordKind, set[int]] = {RecordKind.OUTCOME: set(), RecordKind.PUBLISH: set()}
        for frame in self.outbox.frames(segment):
            for kind, ordinal in segment.ordinals(frame):
                seen[kind].add(ordinal)
            if frame.is_note and not frame.closed and note_of(frame)[0] == VOID:  # a closed one says so itself
                void = Void.load(note_of(frame)[1])
                seen[RecordKind.OUTCOME].update(void.ordinals(RecordKind.OUTCOME, segment.header.outcomes))
                seen[RecordKind.PUBLISH].update(void.ordinals(RecordKind.PUBLISH, segment.header.publishes))
        lost = segment.outcomes - len(seen[RecordKind.OUTCOME]) + segment.publishes - len(seen[RecordKind.PUBLISH])
        for upstream in (*segment.upstreams, PUBLISHES):
            kept = seen[kind_for(upstream)]
            count = self.books.mark(upstream, segment, [one for one in segment.places(upstream) if one not in kept])
            self._drop_damaged(upstream, count, segment.header.stream, segment.header.first, segment.last)
        if lost:
            self.degrade(f"{segment.name} is damaged: {lost} {'dead letters' if segment.is_dead else 'records'} lost")
        if segment in self.outbox.damaged:
            self.outbox.damaged.remove(segment)
        return lost

    def balance(self) -> None:
        """Make totals agree with the segments there are: what is owed and nowhere to be found is lost."""
        for upstream in (*self.books.names(), PUBLISHES):
            self._forgive(upstream)
            pending = sum(segment.pending(upstream) for segment in self.books.segments())
            lost = self.books.backlog(upstream) - pending
            if lost > 0:
                self._drop_damaged(upstream, lost, "unknown", 1, self.state.sequence)
                self.degrade(f"{lost} records for {upstream} were lost with their files")
            elif lost < 0:
                # Their acknowledgements are lost: they are sent again, so they are not done with yet.
                self.books.of(upstream).take_back(-lost)
                self.degrade(f"{-lost} acknowledgements of {upstream} were lost; those records are sent again")

    def adopt(self, upstream: str, former: str) -> None:
        """`upstream` takes over what is pending for the name it had before. Once: then nothing is pending there."""
        self.letters.adopt(upstream, former)
        for stream in (self.books.streams[name] for name in STREAMS):
            for segment in stream.segments:
                pending = segment.pending(former)
                if not pending or segment.total(upstream):
                    continue
                marks = segment.marks.setdefault(former, Marks())
                segment.adopted.append(upstream)
                segment.marks[upstream] = marks.copy()
                marks.add_all(range(segment.outcomes))
                stream.counts[upstream] = stream.counts.get(upstream, 0) + pending
                self.books.of(former).add(Verdict.DROPPED, pending, f"moved to {upstream}", stream.name)

    def _forgive(self, upstream: str) -> None:
        """A letter that was requeued and whose frame is lost, before a checkpoint knew it, never said that its record
        is dead: that is pending where it stood."""
        totals = self.books.of(upstream)
        if totals.dead < 0:
            dropped = totals.dropped.get("damaged", {})
            if dropped.get(DEAD):
                dropped[DEAD] = max(0, dropped[DEAD] + totals.dead)
            totals.dead = 0

    def _drop_damaged(self, upstream: str, count: int, klass: str, first: int, last: int) -> None:
        if count:
            self.books.lose(Tombstone(first, max(first, last), klass, "damaged", (upstream,), count, self.wall()))


def _summary(segment: Segment) -> dict[str, Any]:
    return {
        "outcomes": segment.outcomes,
        "publishes": segment.publishes,
        "last": segment.last,
        "first": segment.header.first,
        "before": [segment.header.outcomes, segment.header.publishes],
        "upstreams": segment.header.upstreams,
        "counts": segment.header.counts,
        "salt": segment.header.salt,
        "key": segment.header.key,
        "adopted": segment.adopted,
        "thinned": segment.thinned,
        "revived": {upstream: marks.dump() for upstream, marks in segment.revived.items() if marks.count},
        "marks": {upstream: marks.dump() for upstream, marks in segment.marks.items() if marks.count},
    }
