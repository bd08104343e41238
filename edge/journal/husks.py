"""What is written instead of frames for which there is no room: see `edge.journal.voids`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from zlib import crc32

from edge.journal.frames import encode, note, seal
from edge.journal.keys import FileKey
from edge.journal.voids import VOID, Void
from edge.journal.writer import Group
from edge.model import Delivery, Record, RecordKind


class _Husks:
    """Builds the group that is written instead."""

    def __init__(self, outcomes: int, publishes: int, promised: Mapping[str, int], key: FileKey, wall: float) -> None:
        self.group = Group(plain=False)
        self.voids: list[Void] = []
        self._before = outcomes, publishes
        self._promised = promised
        self._here: set[str] = set()  # promised in these frames
        self._key = key
        self._wall = wall
        self._open: Void | None = None
        self._records: list[Record] = []

    def put(self, sequence: int, record: Record, delivery: Delivery | None) -> bool:
        """One record of the original; whether it was written, and the delivery with it."""
        if record.kind is RecordKind.ACCEPTED:
            self.close()
            self._here.add(record.id)
            front, body, flags = encode([record], delivery)
            crc = crc32(body, crc32(front, self._key.seed))
            head = seal(len(front) + len(body), flags, sequence, self._wall, *self._total(), crc)
            self._put(sequence, [record], delivery, head + front, body)
            return True
        if self._open is None:
            outcomes, publishes = self._total()
            self._open = Void(first=sequence, last=sequence, outcomes=outcomes, publishes=publishes)
        void, self._open.last = self._open, sequence
        self._records.append(record)
        if record.kind is RecordKind.OUTCOME:
            self.group.outcomes += 1
            void.classes[record.klass.value] = void.classes.get(record.klass.value, 0) + 1
            if record.id in self._promised or record.id in self._here:
                void.ended.append(record.id)
        else:
            self.group.publishes += 1
            void.published += 1
        return False

    def close(self) -> None:
        """No more records in the void at hand."""
        if self._open is None:
            return
        void = self._open
        data = note(
            VOID, void.dump(), void.last, self._wall, self._key, outcomes=void.outcomes, publishes=void.publishes
        )
        self._put(self._open.first, self._records, None, data, b"")
        self.voids.append(self._open)
        self._open, self._records = None, []

    def _put(self, first: int, records: Sequence[Record], delivery: Delivery | None, head: bytes, body: bytes) -> None:
        self.group.pieces += (head, body)
        self.group.size += len(head) + len(body)
        self.group.frames.append((first, records, delivery))

    def _total(self) -> tuple[int, int]:
        return self._before[0] + self.group.outcomes, self._before[1] + self.group.publishes


def left_out(
    frames: Sequence[tuple[int, Sequence[Record], Delivery | None]],
    before: tuple[int, int],
    promised: Mapping[str, int],
    key: FileKey,
    wall: float,
) -> tuple[Group, list[Void]]:
    """What is written instead of these frames, and its voids. `before`: outcomes and publishes in the stream before
    them; `promised`: runs without an outcome by id; `key`: a plain file's of the stream."""
    husks = _Husks(*before, promised, key, wall)
    for first, records, delivery in frames:
        for sequence, record in enumerate(records, first):
            if husks.put(sequence, record, delivery):
                delivery = None
    husks.close()
    return husks.group, husks.voids
