"""Dead letters: what an upstream refused for good, copied with the reason to a stream of their own.

Invariants
- A letter's frame is the one statement that its record was refused. When it is durable, memory marks the record that
  it copies and counts it as dead; recovery does the same with every letter that the checkpoint does not know.
- A letter whose record was settled otherwise meanwhile, or was dropped with its segment, says nothing: it is void.
- A letter is owed to nobody until it is requeued. Then it is pending under its own sequence number, and where it is
  refused again a new letter copies it.

    head of a letter = JSON {u: upstream, r: reason, s: segment, n: ordinal, q: sequence number, o: upstreams that the
                       record is for, t: when it was refused, f: [segment, ordinal]}
                       s, n, q: where the record stands that it copies, which may be a letter; f: where that stood first
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import orjson

from edge.journal.books import Books
from edge.journal.frames import Frame, enclose, head_of, records_of
from edge.journal.marks import Marks
from edge.journal.outbox import Outbox
from edge.journal.segments import DEAD, Segment, kind_for
from edge.model import RecordKind, Stored, Verdict

Found = tuple[Stored, str, Segment, int]
"""A letter as a record with the letter's own number, its reason, and where the letter stands."""


class Letter(NamedTuple):
    """What a letter says of the record that it copies. `owed`: for whom the record is; `refused`: wall clock; `first`:
    segment and ordinal of the record that was accepted, where this is a letter's letter."""

    upstream: str
    reason: str
    segment: str
    ordinal: int
    sequence: int
    owed: tuple[str, ...]
    refused: float
    first: tuple[str, int]

    @property
    def kind(self) -> RecordKind:
        return kind_for(self.upstream)

    def frame(self, stored: Stored, sequence: int, outcomes: int, publishes: int, seed: int) -> bytes:
        """Its frame, of that number, with what its stream holds before it."""
        head = orjson.dumps(dict(zip("ursnqotf", self, strict=True)))
        return enclose(head, stored.record, sequence, stored.accepted, outcomes, publishes, seed)

    @classmethod
    def of(cls, frame: Frame) -> Letter:
        """What an intact letter says."""
        values = orjson.loads(head_of(frame))
        return cls(*(values[key] for key in "ursnqotf"))._replace(owed=tuple(values["o"]), first=tuple(values["f"]))


def post(books: Books, letter: Letter, home: Segment, ordinal: int, original: Segment | None) -> None:
    """Make a durable letter count, which stands at `ordinal` of `home`. `original`: where its record stands."""
    if original is not None and books.mark(letter.upstream, original, [letter.ordinal]):
        books.of(letter.upstream).dead += 1
    else:
        home.revive(letter.upstream, [ordinal])
        home.marks.setdefault(letter.upstream, Marks()).add_all([ordinal])


class Letters:
    """The stream of dead letters, and those on their way to it; `last`: number of the last one that counts. Guarded by
    the journal's books lock."""

    def __init__(self, books: Books, outbox: Outbox, last: int) -> None:
        self.last = last
        self._books = books
        self._outbox = outbox
        self._sent: dict[int, Letter] = {}  # by their own numbers, not durable yet

    @property
    def under_way(self) -> bool:
        """Whether any are not durable yet."""
        return bool(self._sent)

    def write(self, upstream: str, sequence: int, reason: str, wall: float) -> tuple[Letter, Stored] | None:
        """A letter for that record, to be appended and told to `send`; None where the upstream does not wait for it
        or its letter is under way. Raises OSError where it cannot be read."""
        if any(letter.upstream == upstream and letter.sequence == sequence for letter in self._sent.values()):
            return None
        place = self._outbox.waiting(upstream, sequence)
        frame = self._outbox.frame(place[0], sequence) if place is not None else None
        if place is None or frame is None:
            return None
        segment, ordinal = place
        owed, first = segment.upstreams, (segment.name, ordinal)
        if frame.is_letter:
            owed, first = Letter.of(frame).owed, Letter.of(frame).first
        letter = Letter(upstream, reason, segment.name, ordinal, sequence, owed, wall, first)
        return letter, Stored(sequence, records_of(frame)[sequence - frame.sequence], frame.wall)

    def send(self, sequence: int, letter: Letter) -> None:
        """The letter was appended under that number."""
        self._sent[sequence] = letter

    def confirm(self, home: Segment, last: int) -> None:
        """The letters up to that number are durable, as the newest of `home`."""
        numbers = [number for number in self._sent if number <= last]
        letters = [self._sent.pop(number) for number in numbers]
        kinds = [letter.kind for letter in letters]
        ordinals = {
            RecordKind.OUTCOME: home.outcomes - kinds.count(RecordKind.OUTCOME),
            RecordKind.PUBLISH: home.publishes - kinds.count(RecordKind.PUBLISH),
        }
        for letter in letters:
            post(self._books, letter, home, ordinals[letter.kind], self._books.find(letter.segment))
            ordinals[letter.kind] += 1
        self.last = last

    def dead(self, upstream: str) -> Iterator[Found]:
        """What `upstream` refused for good and was not requeued, in the order of refusal."""
        for segment in list(self._books.streams[DEAD].segments):
            if not segment.dead:
                continue
            revived = segment.revived.get(upstream, Marks())
            for frame in self._outbox.frames(segment):
                letter = Letter.of(frame)
                ordinal = segment.ordinal(frame, letter.kind)
                if letter.upstream == upstream and ordinal not in revived:
                    yield Stored(frame.sequence, records_of(frame)[0], frame.wall), letter.reason, segment, ordinal

    def adopt(self, upstream: str, former: str) -> None:
        """`upstream` takes over the requeued letters that wait for its former name, but those whose records were for
        both from the beginning."""
        stream = self._books.streams[DEAD]
        for segment in stream.segments:
            if not segment.pending(former):
                continue
            moved = [
                ordinal
                for frame in self._outbox.frames(segment)
                if segment.waits(former, ordinal := segment.ordinal(frame, RecordKind.OUTCOME))
                and Letter.of(frame).kind is RecordKind.OUTCOME
                and upstream not in Letter.of(frame).owed
            ]
            count = segment.revive(upstream, moved)
            segment.marks.setdefault(former, Marks()).add_all(moved)
            stream.counts[upstream] = stream.counts.get(upstream, 0) + count
            self._books.of(former).add(Verdict.DROPPED, count, f"moved to {upstream}", DEAD)
