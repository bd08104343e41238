"""Frames: the unit of atomicity and of checksumming. `edge.journal.segments` describes the files they stand in.

Invariants
- A frame is whole or it is nothing: its checksum covers every byte of it and the journal it belongs to.
- A frame's records take consecutive sequence numbers; the frame carries the first.
- A frame says how many outcomes and publishes its stream held before it, so a gap can be counted exactly.
- In a file with a key, records stand in closed frames only, and what does not open is no frame. The checksum covers
  them as they are closed: whether a frame is whole is seen without the key.

Formats 1 and 2, little-endian; only format 2 has letters and closed frames
    frame   = marker "\\xd7J" | crc u32 | count u16 | length u32 | sequence u64 | wall f64 | outcomes u32
              | publishes u32 | payload[length]
              crc: CRC-32 of payload, then of the bytes from `count` to `publishes`, begun with the journal's seed
              count: number of records; bit 15: a delivery comes first; bit 14: the payload is a note, or with a
              count of 1 a letter
              wall: when it was appended; of a letter, when the record that it copies was
              outcomes, publishes: in the stream before this frame, modulo 2**32
    payload = [delivery] record*           of a note: kind u8 | body           of a letter: length u32 | head | record
    delivery= client length u8 | packet id u16 | digest u64 | client
    head    = JSON, see `edge.journal.letters`
    closed  = marker "\\xd7S", else as above; its payload = outcomes u16 | publishes u16, in it | AES-256-GCM of the
              payload above | tag[16]     nonce: sequence, big-endian in 12 bytes; associated data: name of the file |
              "\\n" | the file's salt | the bytes from `count` to the frame's own counts
    record  = kind u8 | class u8 | id length u8 | id at u16 | topic length u16 | body length u32 | [id] | topic | body
              id at: where the id stands in the body, 65535 where it is written out before the topic
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple
from zlib import crc32

from edge.journal.errors import JournalError
from edge.journal.keys import FileKey
from edge.model import Delivery, Record, RecordClass, RecordKind

MARKER, CLOSED = b"\xd7J", b"\xd7S"
MAX_FRAME = 1 << 26
CHUNK = 1 << 17
_EFFORT = 16  # times the bytes at hand: what salvage may put through a checksum before it is content with small frames
_SMALL = 1 << 12

_LEAD = struct.Struct("<2sI")
_TAIL = struct.Struct("<HIQdII")
_HEAD = struct.Struct("<2sIHIQdII")
HEAD_SIZE = _HEAD.size
_RECORD = struct.Struct("<BBBHHI")
_DELIVERY = struct.Struct("<BHQ")
_LENGTH = struct.Struct("<I")
_HELD = struct.Struct("<HH")
_TAG_SIZE = 16
_HAS_DELIVERY = 0x8000
_NOTE = 0x4000
_COUNT = 0x3FFF
_INLINE = 0xFFFF
_WRAP = 0xFFFFFFFF
_MARKERS = (MARKER, CLOSED)
_CLASS_CODE = {RecordClass.ALARM: 1, RecordClass.TELEMETRY: 2, RecordClass.PUBLISH: 3}
_CLASS_OF = {code: klass for klass, code in _CLASS_CODE.items()}
_KIND_OF = {int(kind): kind for kind in RecordKind}

Read = Callable[[int, int], bytes]
"""(offset, length) -> bytes of one file."""


class Frame(NamedTuple):
    """A frame found intact at `offset` of its file; `data[start:stop]` is its payload, opened.

    `closed`: a closed frame as it stands in the file; empty for any other. `needs`: the id of the key that is missing
    to open it; then it has no payload.
    """

    offset: int
    end: int
    sequence: int
    wall: float
    outcomes: int
    publishes: int
    flags: int
    data: bytes
    start: int
    stop: int
    closed: bytes = b""
    needs: str = ""

    @property
    def whole(self) -> bytes:
        """It as it stands in the file."""
        return self.closed or self.data[self.start - HEAD_SIZE : self.stop]

    @property
    def number(self) -> int:
        """How many records, and so sequence numbers, the frame holds."""
        return self.flags & _COUNT

    @property
    def is_note(self) -> bool:
        return self.flags & (_NOTE | _COUNT) == _NOTE

    @property
    def is_letter(self) -> bool:
        return bool(self.flags & _NOTE and self.flags & _COUNT)


class Gap(NamedTuple):
    """Bytes from `offset` to `end` that are no frame."""

    offset: int
    end: int


def encode(records: Sequence[Record], delivery: Delivery | None) -> tuple[bytes, bytes, int]:
    """The payload of a frame in two parts, so that a lone record's body need not be copied, and the flags. Raises
    ValueError for what the format cannot hold."""
    if delivery is None and len(records) == 1:  # nearly every frame of a busy gateway
        return _lead_of(records[0]), records[0].body, 1
    flags = len(records)
    if flags > _COUNT:
        raise ValueError(f"a frame holds at most {_COUNT} records, not {flags}")
    parts: list[bytes] = []
    if delivery is not None:
        client = delivery.client.encode()
        parts += (_DELIVERY.pack(len(client), delivery.packet_id, delivery.digest), client)
        flags |= _HAS_DELIVERY
    for record in records:
        parts += (_lead_of(record), record.body)
    return b"".join(parts), b"", flags


def _lead_of(record: Record) -> bytes:
    """What stands before a record's body."""
    kind, klass, ident, body, text = record
    name, topic = ident.encode(), text.encode()
    at = body.find(name, 0, 256) if name else -1
    try:
        head = _RECORD.pack(kind, _CLASS_CODE[klass], len(name), at if at >= 0 else _INLINE, len(topic), len(body))
    except struct.error as error:
        raise ValueError(f"record {ident[:40]!r} cannot be stored: {error}") from None
    return head + topic if at >= 0 else head + name + topic


def seal(length: int, flags: int, sequence: int, wall: float, outcomes: int, publishes: int, crc: int) -> bytes:
    """The 36 bytes before a payload of `length`. `crc` is the payload's, begun with the seed: the dear part, done
    outside any lock."""
    tail = _TAIL.pack(flags, length, sequence, wall, outcomes & _WRAP, publishes & _WRAP)
    return _LEAD.pack(MARKER, crc32(tail, crc)) + tail


def close(frame: bytes, rest: bytes, records: Sequence[Record], key: FileKey) -> bytes:
    """A frame that was made in two parts, of these records, as it stands in a file with that key."""
    if key.cipher is None:
        return frame + rest
    _, _, flags, length, sequence, wall, outcomes, publishes = _HEAD.unpack_from(frame)
    kinds = [record.kind for record in records]
    tail = _TAIL.pack(flags, length + _HELD.size + _TAG_SIZE, sequence, wall, outcomes, publishes)
    held = _HELD.pack(kinds.count(RecordKind.OUTCOME), kinds.count(RecordKind.PUBLISH))
    secret = key.cipher.close(sequence, frame[HEAD_SIZE:] + rest, key.about + tail + held)
    crc = crc32(tail, crc32(secret, crc32(held, key.seed)))
    return b"".join((_LEAD.pack(CLOSED, crc), tail, held, secret))


def note(
    kind: int,
    body: bytes,
    sequence: int,
    wall: float,
    key: FileKey,
    *,
    secret: bool = False,
    outcomes: int = 0,
    publishes: int = 0,
) -> bytes:
    """A whole frame that carries one of the journal's own notes; a `secret` one is closed, where there is a key."""
    payload = bytes((kind,)) + body
    head = seal(len(payload), _NOTE, sequence, wall, outcomes, publishes, crc32(payload, key.seed))
    return close(head, payload, (), key) if secret else head + payload


def note_of(frame: Frame) -> tuple[int, bytes]:
    """A note's kind and body."""
    return frame.data[frame.start], frame.data[frame.start + 1 : frame.stop]


def enclose(head: bytes, record: Record, sequence: int, wall: float, outcomes: int, publishes: int, seed: int) -> bytes:
    """A whole frame that carries a copy of a record, and what is to be said of it."""
    *parts, flags = encode([record], None)
    payload = b"".join((_LENGTH.pack(len(head)), head, *parts))
    return seal(len(payload), flags | _NOTE, sequence, wall, outcomes, publishes, crc32(payload, seed)) + payload


def head_of(frame: Frame) -> bytes:
    """What a letter says of its record."""
    start = frame.start + _LENGTH.size
    return frame.data[start : start + _LENGTH.unpack_from(frame.data, frame.start)[0]]


def skim(data: bytes, at: int) -> tuple[int, int, int, int]:
    """Length, sequence, outcomes and publishes of the whole frame at `data[at]`, which is not checked."""
    _, _, _, length, sequence, _, outcomes, publishes = _HEAD.unpack_from(data, at)
    return HEAD_SIZE + length, sequence, outcomes, publishes


def counts_of(frame: Frame) -> tuple[int, int]:
    """How many outcomes and publishes it holds; of a closed one it says so itself."""
    if frame.closed:
        outcomes, publishes = _HELD.unpack_from(frame.closed, HEAD_SIZE)
        return outcomes, publishes
    kinds = [record.kind for record in records_of(frame)]
    return kinds.count(RecordKind.OUTCOME), kinds.count(RecordKind.PUBLISH)


def records_of(frame: Frame) -> list[Record]:
    """The records of an intact frame, in order; of a letter, the copy. Raises ValueError when a newer version wrote
    them, `JournalError` where it is closed."""
    if frame.needs:
        raise JournalError(f"records of number {frame.sequence} and on are closed under key {frame.needs}")
    data, at = frame.data, frame.start
    if frame.flags & _HAS_DELIVERY:
        at += _DELIVERY.size + data[at]
    elif frame.flags & _NOTE:
        at += _LENGTH.size + _LENGTH.unpack_from(data, at)[0]
    found: list[Record] = []
    for _ in range(frame.flags & _COUNT):
        kind, klass, id_length, id_at, topic_length, body_length = _RECORD.unpack_from(data, at)
        at += 11
        if id_at == _INLINE:
            name = data[at : at + id_length].decode()
            at += id_length
        topic = ""
        if topic_length:
            topic = data[at : at + topic_length].decode()
            at += topic_length
        body = data[at : at + body_length]
        at += body_length
        if id_at != _INLINE:
            name = body[id_at : id_at + id_length].decode()
        try:
            found.append(Record(_KIND_OF[kind], _CLASS_OF[klass], name, body, topic))
        except KeyError:
            raise ValueError(f"a record of kind {kind} and class {klass} is not known to this version") from None
    return found


def delivery_of(frame: Frame) -> Delivery | None:
    """The delivery key of an intact frame."""
    if not frame.flags & _HAS_DELIVERY:
        return None
    length, packet_id, digest = _DELIVERY.unpack_from(frame.data, frame.start)
    at = frame.start + _DELIVERY.size
    return Delivery(frame.data[at : at + length].decode(), packet_id, digest)


def walk(
    read: Read, start: int, end: int, key: FileKey, *, after: int = -1, below: int = 1 << 63
) -> Iterator[Frame | Gap]:
    """Frames between two offsets of a file with that key, and the gaps between them where it is damaged.

    Sequence numbers must rise and stay between `after` and `below` (both exclusive): what does not is a gap. A torn
    tail is a last gap that reaches `end`. Reads in chunks: memory does not grow with the file, except to salvage.
    """
    offset, base, data = start, start, b""
    while offset < end:
        at = offset - base
        if at + _HEAD.size > len(data):
            data, base, at = read(offset, min(CHUNK, end - offset)), offset, 0
        frame = _parse(data, at, offset, key, after, below, end)
        if isinstance(frame, int):
            data, base = read(offset, min(frame + CHUNK, end - offset)), offset
            frame = _parse(data, 0, offset, key, after, below, end)
        if not isinstance(frame, Frame):
            found = _salvage(read, offset, end, key, after, below)
            yield Gap(offset, found if found is not None else end)
            if found is None:
                return
            offset = found
            continue
        yield frame
        after = frame.sequence + max(frame.number, 1) - 1
        offset = frame.end


def _parse(data: bytes, at: int, offset: int, key: FileKey, after: int, below: int, end: int) -> Frame | int | None:
    """The frame at `data[at]`; its length where the data stops short of it; None where there is none."""
    if at + _HEAD.size > len(data):
        return None
    marker, crc, flags, length, sequence, wall, outcomes, publishes = _HEAD.unpack_from(data, at)
    total = _HEAD.size + length
    if marker not in _MARKERS or length > MAX_FRAME or offset + total > end or not after < sequence < below:
        return None
    start, stop = at + _HEAD.size, at + total
    if stop > len(data):
        return int(total)
    view = memoryview(data)
    if crc32(view[at + 6 : start], crc32(view[start:stop], key.seed)) != crc:
        return None
    frame = Frame(offset, offset + total, sequence, wall, outcomes, publishes, flags, data, start, stop)
    if marker == CLOSED:
        return _opened(frame, key)
    return frame if not key.about or frame.is_note else None


def _opened(frame: Frame, key: FileKey) -> Frame | None:
    """The closed frame with its payload, or without where the key for it is missing; None where it does not open."""
    closed = frame.whole
    if len(closed) < HEAD_SIZE + _HELD.size + _TAG_SIZE:
        return None
    text: bytes | None = b""
    if key.cipher is not None:
        body = HEAD_SIZE + _HELD.size
        text = key.cipher.open(frame.sequence, closed[body:], key.about + closed[_LEAD.size : body])
    if text is None or not key.about:
        return None
    return Frame(*frame[:7], text, 0, len(text), closed, key.needs)


def _salvage(read: Read, offset: int, end: int, key: FileKey, after: int, below: int) -> int | None:
    """Where the next intact frame after a damaged place begins.

    Bytes that look like heads of large frames cost a checksum each. Chance makes few of them; for a file that somebody
    filled with them the effort is bounded, and then only small frames are looked for.
    """
    data = read(offset, end - offset)
    effort = _EFFORT * len(data)
    at = data.find(MARKER[:1], 1)
    while at >= 0:
        size = skim(data, at)[0] if at + HEAD_SIZE <= len(data) else 0
        if effort > 0 or size <= _SMALL:
            found = _parse(data, at, offset + at, key, after, below, end)
            if isinstance(found, Frame):
                return offset + at
            effort -= size if size <= len(data) - at else 0
        at = data.find(MARKER[:1], at + 1)
    return None
