"""Reading a journal back, whatever state its files are in. Changes nothing: the journal mends, a reader only looks.

Order: the newest state log that has a whole checkpoint; then every segment by header and footer; then, frame by
frame, what is younger than the checkpoint. Work is bounded by the data since the last checkpoint, not by the backlog.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import itemgetter
from zlib import crc32

from edge.journal.books import Books
from edge.journal.files import Files
from edge.journal.frames import Frame, Gap, counts_of, delivery_of, note_of, records_of, walk
from edge.journal.keys import Keyring
from edge.journal.letters import Letter, post
from edge.journal.marks import Marks
from edge.journal.rebuild import has_frames, rebuild
from edge.journal.segments import PUBLISHES, Segment, kind_for, parse_name, read_footer, read_header
from edge.journal.statelog import Read, State, read_state, state_name, state_number
from edge.journal.voids import VOID, Void
from edge.model import RecordKind


@dataclass(frozen=True, slots=True)
class Damage:
    """One thing that is not as it was written. `torn`: the unconfirmed end of a write, which is no loss."""

    name: str
    offset: int
    end: int
    what: str
    torn: bool = False


@dataclass(slots=True)
class Survey:
    """A journal as its files tell it."""

    state: State
    read: Read | None
    books: Books
    damages: list[Damage] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    stillborn: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    damaged: list[Segment] = field(default_factory=list)
    letters: list[tuple[int, Letter, Segment, int]] = field(default_factory=list)  # number, letter, where it stands
    needs: dict[str, list[str]] = field(default_factory=dict)  # ids of missing keys, and what each would open
    ended: list[str] = field(default_factory=list)  # promised runs whose outcome found no room
    sequence: int = 0
    counted: int = 0  # voids up to that number are in the totals

    def note(self, name: str, gap: Gap, what: str, *, torn: bool = False) -> None:
        self.damages.append(Damage(name, gap.offset, gap.end, what, torn))

    def miss(self, key: str, name: str) -> None:
        """That file needs a key which is not given, if any."""
        if key:
            self.needs.setdefault(key, []).append(name)


def survey(files: Files, folder: str, keys: Keyring) -> Survey:
    """Read everything; what a key is missing for, as far as it can be read without. Raises `JournalFormat` for a newer
    format, FileNotFoundError for a missing folder."""
    names = files.names(folder)
    read, skipped = _newest_state(files, folder, names, keys)
    found = Survey(read.state if read is not None else State(), read, Books())
    for name in skipped:
        found.damages.append(Damage(name, 0, files.size(f"{folder}/{name}"), "no whole checkpoint"))
    if read is not None:
        for gap in read.gaps:
            found.note(state_name(read.number), gap, "no note", torn=gap.offset >= read.size)
        found.miss(read.needs, state_name(read.number))
    _find_segments(files, folder, names, found, keys)
    found.books.totals, found.books.tombstones = found.state.totals, found.state.tombstones
    found.counted = found.state.sequence
    if read is None:
        _restore_totals(found)
    _scan(files, folder, found)
    _post(found)
    _count(found)
    return found


def _newest_state(files: Files, folder: str, names: list[str], keys: Keyring) -> tuple[Read | None, list[str]]:
    numbers = sorted((number for name in names if (number := state_number(name)) is not None), reverse=True)
    skipped: list[str] = []
    best: Read | None = None
    for number in numbers:
        read = read_state(files, folder, number, keys)
        if read is not None and read.ready:
            return read, skipped
        skipped.append(state_name(number))
        if best is None:
            best = read
    return best, skipped


def _find_segments(files: Files, folder: str, names: list[str], found: Survey, keys: Keyring) -> None:
    present = set()
    for name in sorted(names):
        place = parse_name(name)
        if place is None or name in found.state.gone:
            continue
        stream = found.books.streams[place[0]]
        stream.number = max(stream.number, place[1])
        segment = read_header(files, folder, name, keys)
        if segment is None:
            segment = rebuild(files, folder, name, found.state, stream.segments[-1] if stream.segments else None, keys)
            if segment is None:
                kept = name in found.state.segments or has_frames(files, folder, name, found.state)
                (found.unreadable if kept else found.stillborn).append(name)
                continue
            found.damages.append(Damage(name, 0, segment.body, "no readable header"))
            found.damaged.append(segment)
        present.add(name)
        read_footer(files, folder, segment)
        segment.marks = found.state.marks.get(name, {})
        segment.revived = found.state.revived.get(name, {})
        known = found.state.segments.get(name, {})
        segment.adopted, segment.thinned = known.get("adopted", []), known.get("thinned", False)
        if segment.header.seed != found.state.seed and found.state.seed:
            found.damages.append(Damage(name, 0, segment.length, "belongs to another journal"))
            found.unreadable.append(name)
            continue
        found.miss(segment.key.needs, name)
        found.state.seed = segment.header.seed
        stream.segments.append(segment)
    found.missing = [name for name in found.state.segments if name not in present and name not in found.state.gone]


def _scan(files: Files, folder: str, found: Survey) -> None:
    """Frames younger than the checkpoint, over all streams in order of sequence, into what they mean."""
    lanes = []
    for stream in found.books.streams.values():
        for index, segment in enumerate(stream.segments):
            rest = stream.segments[index + 1 :]
            if not segment.sealed or segment.last > found.state.sequence:
                lanes.append(_frames(files, folder, segment, rest[0] if rest else None, found))
    unfinished, deliveries = found.state.unfinished, found.state.deliveries
    for frame in heapq.merge(*lanes, key=lambda frame: frame.sequence):
        if frame.is_letter or frame.needs or frame.sequence <= found.state.sequence:
            continue
        for sequence, record in enumerate(records_of(frame), frame.sequence):
            if record.kind is RecordKind.ACCEPTED:
                unfinished[record.id] = sequence
            elif record.kind is RecordKind.OUTCOME:
                unfinished.pop(record.id, None)
        delivery = delivery_of(frame)
        if delivery is not None:
            deliveries.note(delivery, frame.sequence + frame.number - 1)
    for name in found.ended:  # last: the promise may lie in another stream
        unfinished.pop(name, None)


def _frames(files: Files, folder: str, segment: Segment, following: Segment | None, found: Survey) -> Iterator[Frame]:
    """The intact frames of a segment; completes an unsealed one's counts. A frame written again after a failed sync
    stands in the following segment too: the older copy is ignored."""
    path = f"{folder}/{segment.name}"
    sealed = segment.sealed
    end = segment.size if sealed else segment.length
    below = following.header.first if following is not None else 1 << 63
    tail: Gap | None = None
    seen: set[tuple[RecordKind, int]] = set()

    def read(at: int, length: int) -> bytes:
        return files.read(path, at, length)

    for frame in walk(read, segment.body, end, segment.key, after=segment.header.first - 1, below=below):
        if isinstance(frame, Gap):
            tail = frame if frame.end == end else None
            if tail is None or sealed:
                found.note(segment.name, frame, "no frame")
                found.damaged.append(segment)
            continue
        if frame.is_note:
            if not _leave_out(segment, frame, found):  # a footer whose end was lost: all before it is whole
                break
            continue
        if not sealed:
            segment.size, segment.last = frame.end, frame.sequence + max(frame.number, 1) - 1
            segment.enter(frame.sequence, frame.outcomes, frame.publishes, frame.offset)
            _count_frame(segment, frame)
        if found.read is None:
            seen.update(segment.ordinals(frame))
        _collect(segment, frame, found)
        yield frame
    if not sealed:
        segment.crc = crc32(files.read(path, 0, segment.size))
        _complete(segment, following, found)
    elif found.read is None and segment not in found.damaged:
        _mark_left_out(segment, seen)
    if tail is not None and not sealed and files.read(path, tail.offset, end - tail.offset).strip(b"\0"):
        lost = following is not None and segment in found.damaged
        found.note(segment.name, tail, "an unfinished write", torn=not lost)


def _mark_left_out(segment: Segment, seen: set[tuple[RecordKind, int]]) -> None:
    """What a segment that was written anew lacks had been settled; without a state log, only that tells."""
    for upstream in (*segment.upstreams, PUBLISHES):
        left_out = [one for one in segment.places(upstream) if (kind_for(upstream), one) not in seen]
        segment.marks.setdefault(upstream, Marks()).add_all(left_out)


def _collect(segment: Segment, frame: Frame, found: Survey) -> None:
    if frame.is_letter and not frame.needs:
        letter = Letter.of(frame)
        found.letters.append((frame.sequence, letter, segment, segment.ordinal(frame, letter.kind)))


def _leave_out(segment: Segment, frame: Frame, found: Survey) -> bool:
    """Records that were accepted and dropped, which a void alone says; whether the note is one. Without the key for it
    only the head tells how many there were."""
    if frame.needs:
        if not segment.sealed:
            segment.size, segment.last = frame.end, frame.sequence
            _count_frame(segment, frame)
        return True
    kind, body = note_of(frame)
    if kind != VOID:
        return False
    void = Void.load(body)
    if not segment.sealed:
        segment.size, segment.last = frame.end, void.last
        segment.outcomes = void.outcomes + void.left_out - segment.header.outcomes
        segment.publishes = void.publishes + void.published - segment.header.publishes
    if void.last > found.counted:
        found.books.leave_out(segment, void, frame.wall)
    else:
        found.books.pass_over(segment, void)
    found.ended += void.ended
    return True


def _count_frame(segment: Segment, frame: Frame) -> None:
    """Counts go by what the frame says stood before it, so frames lost in a gap are counted as accepted."""
    outcomes, publishes = counts_of(frame)
    segment.outcomes = segment.ordinal(frame, RecordKind.OUTCOME) + outcomes
    segment.publishes = segment.ordinal(frame, RecordKind.PUBLISH) + publishes


def _complete(segment: Segment, following: Segment | None, found: Survey) -> None:
    """Confirmed records at the end of a segment may be lost; the next header and the checkpoint know how many."""
    outcomes, publishes = segment.outcomes, segment.publishes
    if following is not None:
        outcomes = following.header.outcomes - segment.header.outcomes
        publishes = following.header.publishes - segment.header.publishes
    known = found.state.segments.get(segment.name)
    if known is not None:
        outcomes, publishes = max(outcomes, known["outcomes"]), max(publishes, known["publishes"])
        segment.last = max(segment.last, known["last"])
    for upstream, marks in (segment.revived if segment.is_dead else segment.marks).items():
        if upstream == PUBLISHES:
            publishes = max(publishes, marks.mask.bit_length())
        elif upstream in segment.upstreams:
            outcomes = max(outcomes, marks.mask.bit_length())
    if (outcomes, publishes) != (segment.outcomes, segment.publishes):
        segment.outcomes, segment.publishes = max(outcomes, segment.outcomes), max(publishes, segment.publishes)
        found.damaged.append(segment)


def _restore_totals(found: Survey) -> None:
    """Without a state log, the newest header knows best what had become of records."""
    newest = max(found.books.segments(), key=lambda segment: segment.header.first, default=None)
    if newest is not None:
        found.state.restore_totals(newest.header.totals)
        found.state.letters = newest.header.letters
        found.counted = newest.header.first - 1


def _post(found: Survey) -> None:
    """What dead letters say that the checkpoint does not know: the notes behind it were applied before, and a mark is
    the same whoever sets it first."""
    books, state = found.books, found.state
    for number, letter, home, ordinal in sorted(found.letters, key=itemgetter(0)):
        original = books.find(letter.segment)
        if original is not None and not original.sealed:
            _cover(original, letter, found)
        if number > state.letters:
            if original is None and not _is_gone(letter.segment, found):
                books.of(letter.upstream).dead += 1  # the record's file is lost, its copy is not
            else:
                post(books, letter, home, ordinal, original)
        if found.read is None:
            _mark_again(books, letter)
        state.letters = max(state.letters, number)
    if found.read is None:
        _count_again(found)


def _mark_again(books: Books, letter: Letter) -> None:
    """Without a state log no mark is known; totals are those of a header."""
    dead = books.of(letter.upstream).dead
    for name, ordinal in ((letter.segment, letter.ordinal), letter.first):
        segment = books.find(name)
        if segment is not None:
            books.mark(letter.upstream, segment, [ordinal])
    books.of(letter.upstream).dead = dead


def _count_again(found: Survey) -> None:
    """Without a state log it is not known what was requeued: every letter is dead again, but those with a newer one."""
    alive: dict[str, int] = {}
    for _, letter, home, ordinal in found.letters:
        if ordinal not in home.revived.get(letter.upstream, ()):
            alive[letter.upstream] = alive.get(letter.upstream, 0) + 1
    for upstream, count in alive.items():
        found.books.of(upstream).dead = max(found.books.of(upstream).dead, count)


def _cover(original: Segment, letter: Letter, found: Survey) -> None:
    """The letter survived and its record did not, which was written with less durability: it was accepted all the
    same."""
    kind = "publishes" if letter.kind is RecordKind.PUBLISH else "outcomes"
    if letter.ordinal >= getattr(original, kind):
        setattr(original, kind, letter.ordinal + 1)
        found.damaged.append(original)


def _is_gone(name: str, found: Survey) -> bool:
    """Whether the segment was deleted, and what waited in it counted, before the checkpoint."""
    if found.read is None:
        return False
    stream, number = parse_name(name) or ("", 0)
    known = found.state.streams.get(stream)
    return name in found.state.gone or (
        name not in found.state.segments and (known is None or number <= known["number"])
    )


def _count(found: Survey) -> None:
    """Streams' counts from their newest segment and from the checkpoint, whichever knows more."""
    found.sequence = found.state.sequence
    for name, stream in found.books.streams.items():
        for segment in stream.segments:
            found.sequence = max(found.sequence, segment.last, segment.header.first - 1)
        if stream.segments:
            newest = stream.segments[-1]
            header = newest.header
            counts = dict(header.counts)
            for upstream in header.upstreams:
                counts[upstream] = counts.get(upstream, 0) + newest.outcomes
            stream.raise_to(header.outcomes + newest.outcomes, header.publishes + newest.publishes, counts)
        known = found.state.streams.get(name)
        if known is not None:
            stream.number = max(stream.number, known["number"])
            stream.raise_to(known["outcomes"], known["publishes"], known["counts"])
