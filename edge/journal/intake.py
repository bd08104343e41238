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
from edge.journal.frames import HEAD_SIZE, encode, seal
from edge.journal.letters import Letter
from edge.journal.limits import Durability, Limits
from edge.journal.segments import DEAD, STREAMS, stream_seed
from edge.journal.tickets import Progress, Ticket
from edge.journal.writer import Group
from edge.model import Delivery, Record, RecordClass, RecordKind, Stored

_WORTH = {RecordClass(name): place for place, name in enumerate(STREAMS)}
_LAZY = 1 << 16  # bytes that nobody waits for, gathered before the writer is woken for them


class Intake:
    """`sequence` is the last number given, `buffered` the bytes not yet taken. Any thread."""

    def __init__(
        self,
        clock: Clock,
        seed: int,
        progress: Progress,
        streams: Mapping[str, Stream],
        limits: Limits,
        *,
        path: str,
    ) -> None:
        self.sequence = self._due = progress.durable
        self.buffered = 0
        self.closed = False
        self._clock = clock
        self._path = path
        self._progress = progress
        self._levels: dict[str, Durability] = {name: limits.level(name) for name in STREAMS}
        self._seeds = {name: stream_seed(seed, name) for name in (*STREAMS, DEAD)}
        self._groups = {name: Group() for name in (DEAD, *STREAMS)}  # letters never wait for room, so they go first
        self._streams = streams
        self._before = {name: (stream.outcomes, stream.publishes) for name, stream in streams.items()}
        self._lock = threading.Lock()
        self._wakeup = threading.Condition(self._lock)
        self._frames = 0  # gathered and waited for
        self._wake_at = 0  # that many of them wake the writer; 0: it does not sleep

    def append(self, records: Sequence[Record], delivery: Delivery | None = None) -> Ticket:
        """See `Journal.append`."""
        front, body, flags = encode(records, delivery)
        outcomes = publishes = 0
        worth = 2
        for record in records:
            kind = record.kind
            if kind is RecordKind.OUTCOME:
                outcomes += 1
            elif kind is RecordKind.PUBLISH:
                publishes += 1
            if worth:
                worth = min(worth, _WORTH[record.klass])
        stream = STREAMS[worth]
        level = self._levels[stream]
        crc = crc32(body, crc32(front, self._seeds[stream]))
        length = len(front) + len(body)
        wall = self._clock.wall()
        with self._lock:
            if self.closed:
                raise JournalError(f"{self._path}: the journal is closed")
            before, published = self._before[stream]
            sequence = self.sequence + 1
            last = self.sequence = self.sequence + len(records)
            group = self._groups[stream]
            group.pieces += (seal(length, flags, sequence, wall, before, published, crc) + front, body)
            group.size += length + HEAD_SIZE
            group.frames.append((sequence, records, delivery))
            if delivery is not None or outcomes + publishes < len(records):
                group.plain = False
            if outcomes or publishes:
                self._before[stream] = before + outcomes, published + publishes
                group.outcomes += outcomes
                group.publishes += publishes
            self.buffered += length + HEAD_SIZE
            if level != "memory":
                self._due = last
                self._frames += 1
                if self._frames == self._wake_at:
                    self._wakeup.notify()
            elif self._wake_at and self.buffered >= _LAZY:
                self._wakeup.notify()
            return Ticket(last, level, self._due, self._progress)

    def enclose(self, letter: Letter, stored: Stored) -> int:
        """Put a dead letter into the next group, with the record that it copies; returns the letter's number. Raises
        `JournalError` when the journal is closed."""
        outcomes = int(letter.kind is RecordKind.OUTCOME)
        with self._lock:
            if self.closed:
                raise JournalError(f"{self._path}: the journal is closed")
            self.sequence += 1
            before = self._before[DEAD]
            frame = letter.frame(stored, self.sequence, *before, self._seeds[DEAD])
            group = self._groups[DEAD]
            group.pieces += (frame, b"")
            group.size += len(frame)
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
            self.buffered = self._frames = 0
            return taken, self.sequence

    def put_back(self, groups: Mapping[str, Group]) -> None:
        """What could not be written goes ahead of what came since."""
        with self._lock:
            for name, group in groups.items():
                self._groups[name] = group.before(self._groups[name])
                self.buffered += group.size

    def wait(self, timeout: float, frames: int = 1) -> bool:
        """Block until `frames` that somebody waits for have gathered, much that nobody waits for has, the journal
        closes, or `timeout` seconds pass; whether anything gathered."""
        with self._lock:
            if self._frames < frames and self.buffered < _LAZY and not self.closed:
                self._wake_at = frames
                self._wakeup.wait(timeout)
                self._wake_at = 0
            return bool(self.buffered)

    @property
    def waiting(self) -> int:
        """How many frames gathered that somebody waits for."""
        return self._frames

    @property
    def volatile(self) -> int:
        """Outcomes of class durability `memory` that are in memory only."""
        lazy = [name for name, level in self._levels.items() if level == "memory"]
        return sum(self._before[name][0] - self._streams[name].outcomes for name in lazy)

    def close(self) -> bool:
        """Let nothing in any more; False where that was so already."""
        with self._lock:
            was, self.closed = self.closed, True
            self._wakeup.notify_all()
        return not was
