"""Segments: the files of a stream.

Invariants
- A stream is a class of worth; a frame lies in the stream of its most valuable record, and never spans segments.
- Dead letters have a stream of their own, `dead`: what stands there is owed to nobody until it is requeued.
- A segment's header carries what was counted before it, so every count survives the deletion of older segments.
- Which upstreams a record is for is a property of its segment: it is fixed when the segment begins.
- A sealed segment ends with a footer; only the newest segment of a stream may lack one.

Format 2
    segment = magic "edge journal 2\\n" | header note (seed 0) | frame* | [footer note | footer's offset u64]
    header  = JSON {version, seed, stream, number, first, outcomes, publishes, upstreams, counts,
              totals, letters, age, wall, salt, key}
              letters: number of the last dead letter that `totals` count; salt: of the key that closes its frames,
              16 random bytes as hexadecimal digits; key: id of the master key; both empty where nothing is closed
    frame   = see `edge.journal.frames`; a note among them is a void, see `edge.journal.voids`
    footer  = JSON {outcomes, publishes, last, size, crc, age, index}
              crc: CRC-32 of the bytes before the footer; index: see `edge.journal.index`, [[sequence], [outcomes
              before], [publishes before], [offset]], each as a first value and the differences from there
    key     = HKDF-SHA256(master key, salt, info "edge journal segment " | stream), 32 bytes
Format 1 has the magic "edge journal 1\\n", and neither `letters`, `index` nor the stream `dead`: a dead letter was a
mark on the record's own segment, see `edge.journal.format1`. Its frames are the same; a segment of format 1 is not
written on, only written anew. A segment with a salt is written on by the process that began it, and by no other: what
a power cut took from its end may have been closed under numbers that come again.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any
from zlib import crc32

import orjson

from edge.journal.errors import JournalFormat
from edge.journal.files import Files
from edge.journal.frames import CHUNK, Frame, counts_of, note, note_of, records_of, skim, walk
from edge.journal.index import STEP, Index
from edge.journal.keys import PLAIN, FileKey, Keyring
from edge.journal.marks import Marks
from edge.model import Record, RecordClass, RecordKind

VERSION = 2
_MAGIC = b"edge journal "
_MAGICS = {version: b"%s%d\n" % (_MAGIC, version) for version in (1, VERSION)}
PUBLISHES = "@publish"
"""The name of the outbox of publish records; every other name is an upstream of outcomes."""

STREAMS = (RecordClass.ALARM.value, RecordClass.TELEMETRY.value, RecordClass.PUBLISH.value)
DEAD = "dead"
"""The stream of dead letters, which holds copies: nothing is accepted in it."""

HEADER, FOOTER = 16, 17
_TRAILER = struct.Struct("<Q")


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a segment says of itself. `counts` are the outcomes for each upstream in this stream before it, `totals`
    what had become of records at each upstream, over all streams, dead letters up to number `letters` counted; `age`
    is the journal's own clock in seconds: monotonic time it was open, summed over boots."""

    version: int = VERSION
    seed: int
    stream: str
    number: int
    first: int
    outcomes: int
    publishes: int
    upstreams: tuple[str, ...]
    counts: dict[str, int]
    totals: dict[str, dict[str, Any]]
    letters: int = 0
    age: float
    wall: float
    salt: str = ""
    key: str = ""

    def dump(self) -> bytes:
        """The first bytes of the file."""
        return _MAGICS[self.version] + note(HEADER, orjson.dumps(asdict(self)), self.first, self.wall, PLAIN)


@dataclass(slots=True, eq=False)
class Segment:
    """One file. `key` checks its frames, and opens closed ones. `size` is where its durable whole frames end, `length`
    what the file takes on disk. `marks`: what each upstream has done with; `revived`: dead letters that are or were
    pending again, of which `marks` are a part."""

    name: str
    header: Header
    key: FileKey
    body: int
    size: int
    length: int = 0
    last: int = 0
    outcomes: int = 0
    publishes: int = 0
    crc: int = 0
    age: float = 0.0
    sealed: bool = False
    marks: dict[str, Marks] = field(default_factory=dict)
    revived: dict[str, Marks] = field(default_factory=dict)
    adopted: list[str] = field(default_factory=list)
    thinned: bool = False
    rewritten: bool = False
    index: Index = field(default_factory=Index)

    @property
    def upstreams(self) -> tuple[str, ...]:
        """Whom its outcomes are for: those named in the header, and those that took over from one of them; of dead
        letters, those that have requeued any."""
        revived = [name for name in self.revived if name != PUBLISHES]
        return (*self.header.upstreams, *self.adopted, *revived)

    @property
    def is_dead(self) -> bool:
        """Whether it holds dead letters."""
        return self.header.stream == DEAD

    @property
    def dead(self) -> int:
        """How many dead letters in it were never requeued."""
        if not self.is_dead:
            return 0
        revived = 0
        for name in self.upstreams:  # who adopted a letter has it besides the one that it was for
            revived |= self.revived[name].mask
        publishes = self.revived.get(PUBLISHES, Marks())
        return self.outcomes - revived.bit_count() + self.publishes - publishes.count

    def places(self, upstream: str) -> Iterable[int]:
        """Which of its records are for that upstream, by ordinal."""
        if self.is_dead:
            return self.revived.get(upstream, Marks())
        return range(self.total(upstream))

    def total(self, upstream: str) -> int:
        """How many of its records are for that upstream."""
        if self.is_dead:
            return self.revived[upstream].count if upstream in self.revived else 0
        if upstream == PUBLISHES:
            return self.publishes
        return self.outcomes if upstream in self.upstreams else 0

    def pending(self, upstream: str) -> int:
        """How many of them the upstream has not done with."""
        marks = self.marks.get(upstream)
        return self.total(upstream) - (marks.count if marks is not None else 0)

    def owes(self, upstream: str, ordinal: int) -> bool:
        """Whether that one is for the upstream: one of the kind that goes there."""
        if self.is_dead:
            return upstream in self.revived and ordinal in self.revived[upstream]
        return upstream == PUBLISHES or upstream in self.upstreams

    def waits(self, upstream: str, ordinal: int) -> bool:
        """Whether the upstream has not done with that one."""
        marks = self.marks.get(upstream)
        return self.owes(upstream, ordinal) and (marks is None or ordinal not in marks)

    def first_waiting(self, upstream: str) -> int:
        """An ordinal before which none waits."""
        marks = self.marks.get(upstream)
        if not self.is_dead:
            return marks.prefix if marks is not None else 0
        waiting = self.revived[upstream].mask & ~(marks.mask if marks is not None else 0)
        return max((waiting & -waiting).bit_length() - 1, 0)

    def revive(self, upstream: str, ordinals: Iterable[int]) -> int:
        """These dead letters wait for the upstream; returns how many had not been requeued until now."""
        return self.revived.setdefault(upstream, Marks()).add_all(ordinals)

    def enter(self, sequence: int, outcomes: int, publishes: int, offset: int) -> None:
        """Take a frame into the index, if it is far enough from the last; counts as the frame has them."""
        if offset >= self.index.due:
            before = (outcomes - self.header.outcomes) & 0xFFFFFFFF, (publishes - self.header.publishes) & 0xFFFFFFFF
            self.index.add(sequence, *before, offset)

    def chart(self, frames: bytes) -> None:
        """Take whole frames, which stand at `size`, into the index. Of a few, the first is near enough."""
        at = 0
        while at < len(frames):
            length, sequence, outcomes, publishes = skim(frames, at)
            self.enter(sequence, outcomes, publishes, self.size + at)
            at += length if len(frames) > 2 * STEP else len(frames)

    @property
    def settled(self) -> bool:
        """Nobody waits for anything in it."""
        return not any(self.pending(name) for name in (*self.upstreams, PUBLISHES))

    def ordinal(self, frame: Frame, kind: RecordKind) -> int:
        """The place in this segment of the frame's first record of that kind."""
        if kind is RecordKind.PUBLISH:
            return (frame.publishes - self.header.publishes) & 0xFFFFFFFF
        return (frame.outcomes - self.header.outcomes) & 0xFFFFFFFF

    def ordinals(self, frame: Frame) -> Iterator[tuple[RecordKind, int]]:
        """Kinds and places of the outcomes and publishes of a frame of it, which need not be open."""
        for kind, count in zip((RecordKind.OUTCOME, RecordKind.PUBLISH), counts_of(frame), strict=True):
            first = self.ordinal(frame, kind)
            yield from ((kind, ordinal) for ordinal in range(first, first + count))

    def entries(self, frame: Frame) -> Iterator[tuple[int, int, Record]]:
        """Outcomes and publishes of a frame of it: sequence number, place among their kind in this segment, record."""
        ordinals = {kind: self.ordinal(frame, kind) for kind in (RecordKind.OUTCOME, RecordKind.PUBLISH)}
        for sequence, record in enumerate(records_of(frame), frame.sequence):
            if record.kind in ordinals:
                yield sequence, ordinals[record.kind], record
                ordinals[record.kind] += 1

    def footer(self, wall: float) -> bytes:
        """The last bytes of a sealed file."""
        body = {
            "outcomes": self.outcomes,
            "publishes": self.publishes,
            "last": self.last,
            "size": self.size,
            "crc": self.crc,
            "age": self.age,
            "index": self.index.dump(),
        }
        # A sequence number of its own keeps a footer apart from the frames before it.
        return note(FOOTER, orjson.dumps(body), self.last + 1, wall, self.key) + _TRAILER.pack(self.size)


def kind_for(upstream: str) -> RecordKind:
    """The kind of record that goes there."""
    return RecordKind.PUBLISH if upstream == PUBLISHES else RecordKind.OUTCOME


def stream_seed(seed: int, stream: str) -> int:
    """What the checksums of a stream's frames begin with: a frame is never taken for one of another journal or
    stream."""
    return crc32(stream.encode(), seed)


def described(keys: Keyring, header: Header, body: int = 0, length: int = 0) -> Segment:
    """The segment with that header; of its frames, which stand from `body` on, none is read or written yet."""
    name = file_name(header.stream, header.number)
    seed = stream_seed(header.seed, header.stream)
    key = keys.of_file(seed, header.salt, header.key, purpose=f"segment {header.stream}", name=name)
    return Segment(name, header, key, body, body, length, last=header.first - 1, age=header.age)


def file_name(stream: str, number: int) -> str:
    """`telemetry-0000000007.log`."""
    return f"{stream}-{number:010d}.log"


def parse_name(name: str) -> tuple[str, int] | None:
    """Stream and number of a segment's file name; None for any other file."""
    stem, dot, suffix = name.rpartition(".")
    stream, dash, number = stem.rpartition("-")
    if not dot or not dash or suffix != "log" or stream not in (*STREAMS, DEAD) or not number.isdecimal():
        return None
    return stream, int(number)


def read_header(files: Files, folder: str, name: str, keys: Keyring) -> Segment | None:
    """The segment as its header tells, `size` being the body's start; None where the header is damaged.

    Raises `JournalFormat` for a format newer than this version.
    """
    path = f"{folder}/{name}"
    length = files.size(path)
    begin = files.read(path, 0, min(length, CHUNK))
    magic = begin[: len(_MAGICS[VERSION])]
    if magic not in _MAGICS.values():
        if begin.startswith(_MAGIC):
            raise JournalFormat(f"{path}: a newer version wrote this journal; nothing was touched. Update edge-runtime")
        return None
    frame = next(walk(lambda at, size: begin[at : at + size], len(magic), len(begin), PLAIN), None)
    if not isinstance(frame, Frame) or not frame.is_note:
        return None
    kind, body = note_of(frame)
    if kind != HEADER:
        return None
    values = orjson.loads(body)
    header = Header(**{**values, "upstreams": tuple(values["upstreams"])})
    if file_name(header.stream, header.number) != name:
        return None
    segment = described(keys, header, frame.end, length)
    segment.crc = crc32(begin[: frame.end])
    return segment


def read_footer(files: Files, folder: str, segment: Segment) -> bool:
    """Complete a sealed segment from its footer; False where there is none, or none intact."""
    path = f"{folder}/{segment.name}"
    if segment.length < segment.body + _TRAILER.size:
        return False
    (at,) = _TRAILER.unpack(files.read(path, segment.length - _TRAILER.size, _TRAILER.size))
    if not segment.body <= at < segment.length - _TRAILER.size or segment.length - at > CHUNK:
        return False
    tail = files.read(path, at, segment.length - _TRAILER.size - at)
    frame = next(walk(lambda offset, size: tail[offset : offset + size], 0, len(tail), segment.key), None)
    if not isinstance(frame, Frame) or not frame.is_note or frame.end != len(tail):
        return False
    kind, body = note_of(frame)
    values = orjson.loads(body)
    if kind != FOOTER or values["size"] != at or values["last"] + 1 != frame.sequence:
        return False
    segment.outcomes, segment.publishes, segment.last = values["outcomes"], values["publishes"], values["last"]
    segment.size, segment.crc, segment.age, segment.sealed = at, values["crc"], values["age"], True
    segment.index = Index.load(values.get("index"))
    return True
