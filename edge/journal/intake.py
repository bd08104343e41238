"""The hot path: frames get their sequence numbers here and gather for the next group.

The one lock here is held for about a microsecond, never while a file is touched.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from zlib import crc32

from edge.clock import Clock
from edge.journal.books import Stream
from edge.journal.errors import JournalError
from edge.journal.frames import encode, seal
from edge.journal.letters import Letter
from edge.journal.segments import DEAD, STREAMS, stream_seed
from edge.journal.writer import Group
from edge.model import Delivery, Record, RecordClass, RecordKind, Stored

_WORTH = {RecordClass.ALARM: 0, RecordClass.TELEMETRY: 1, RecordClass.PUBLISH: 2}


class Intake:
    """`sequence` is the last number given, `buffered` the bytes not yet taken. Any thread."""

    def __init__(self, clock: Clock, seed: int, sequence: int, streams: Mapping[str, Stream]) -> None:
        self.sequence = sequence
        self.buffered = 0
        self.closed = False
        self.clock = clock
        self._seeds = {name: stream_seed(seed, name) for name in (*STREAMS, DEAD)}
        self._groups = {name: Group() for name in (DEAD, *STREAMS)}  # letters never wait for room, so they go first
        self._before = {name: (stream.outcomes, stream.publishes) for name, stream in streams.items()}
        self._lock = threading.Lock()
        self._wakeup = threading.Condition(self._lock)
        self._asleep = False

    def append(self, records: Sequence[Record], delivery: Delivery | None = None) -> int:
        """See `Journal.append`."""
        payload, flags = encode(records, delivery)
        outcomes = publishes = 0
        worth = 2
        for record in records:
            if record.kind is RecordKind.OUTCOME:
                outcomes += 1
            elif record.kind is RecordKind.PUBLISH:
                publishes += 1
            if worth:
                worth = min(worth, _WORTH[record.klass])
        stream = STREAMS[worth]
        crc = crc32(payload, self._seeds[stream])
        wall = self.clock.wall()
        with self._lock:
            before, published = self._before[stream]
            sequence = self.sequence + 1
            last = self.sequence = self.sequence + len(records)
            group = self._groups[stream]
            group.pieces += (seal(payload, flags, sequence, wall, before, published, crc), payload)
            group.frames.append((sequence, records, delivery))
            if delivery is not None or outcomes + publishes < len(records):
                group.plain = False
            if outcomes or publishes:
                self._before[stream] = before + outcomes, published + publishes
                group.outcomes += outcomes
                group.publishes += publishes
            self.buffered += len(payload) + 36
            if self._asleep:
                self._asleep = False
                self._wakeup.notify()
        return last

    def enclose(self, letter: Letter, stored: Stored) -> int:
        """Put a dead letter into the next group, with the record that it copies; returns the letter's number. Raises
        `JournalError` when the journal is closed."""
        outcomes = int(letter.kind is RecordKind.OUTCOME)
        with self._lock:
            if self.closed:
                raise JournalError("the journal is closed")
            self.sequence += 1
            before = self._before[DEAD]
            frame = letter.frame(stored, self.sequence, *before, self._seeds[DEAD])
            group = self._groups[DEAD]
            group.pieces += (frame, b"")
            group.frames.append((self.sequence, (stored.record,), None))
            group.outcomes += outcomes
            group.publishes += 1 - outcomes
            self._before[DEAD] = before[0] + outcomes, before[1] + 1 - outcomes
            self.buffered += len(frame)
            return self.sequence

    def take(self) -> tuple[dict[str, Group], int]:
        """What gathered, by stream; the last number in it."""
        with self._lock:
            taken = {name: group for name, group in self._groups.items() if group.pieces}
            for name in taken:
                self._groups[name] = Group()
            self.buffered = 0
            return taken, self.sequence

    def put_back(self, groups: Mapping[str, Group]) -> None:
        """What could not be written goes ahead of what came since."""
        with self._lock:
            for name, group in groups.items():
                self._groups[name] = group.before(self._groups[name])
                self.buffered += group.size

    def wait(self, timeout: float) -> bool:
        """Block until something gathers, the journal closes, or `timeout` seconds pass; whether something gathered."""
        with self._lock:
            if not self.buffered and not self.closed:
                self._asleep = True
                self._wakeup.wait(timeout)
                self._asleep = False
            return bool(self.buffered)

    def close(self) -> bool:
        """Let nothing in any more; False where that was so already."""
        with self._lock:
            was, self.closed = self.closed, True
            self._wakeup.notify_all()
        return not was
