"""Making room for the next group, and saying where there is none: the order is `edge.journal.space`'s.

What is deleted is first counted in a snapshot, so a crash between the two finds both.
"""

from __future__ import annotations

import contextlib
import errno
import threading
from collections.abc import Callable, Mapping

from edge.clock import Clock
from edge.journal.files import Files
from edge.journal.intake import Intake
from edge.journal.ledger import Ledger
from edge.journal.limits import Limits
from edge.journal.segments import Segment
from edge.journal.space import Space
from edge.journal.writer import Group, Writer
from edge.model import RecordClass, RecordKind

FULL = (errno.ENOSPC, errno.EDQUOT)
_SAYS = {
    "block": "the journal is full: no more {} until some is delivered (when_full: block)",
    "drop_newest": "the journal is full: new {} is dropped until some is delivered (when_full: drop_newest)",
}


class Room:
    """Only the committing thread calls, except `takes`. `chores`: housekeeping is due after the next commit."""

    def __init__(
        self,
        files: Files,
        folder: str,
        ledger: Ledger,
        writers: Mapping[str, Writer],
        intake: Intake,
        *,
        books: threading.RLock,
        clock: Clock,
        limits: Limits,
        checkpoint: Callable[[], None],
        snapshot: Callable[[], None],
    ) -> None:
        """`checkpoint` makes the state log short, `snapshot` makes deletions durable. Both raise OSError."""
        self.chores = False
        self.keeping = limits.keeping
        self.space = Space(files, folder, ledger, limits)
        self._files = files
        self._folder = folder
        self._ledger = ledger
        self._writers = writers
        self._intake = intake
        self._books = books
        self._clock = clock
        self._limits = limits
        self._checkpoint = checkpoint
        self._snapshot = snapshot
        self._carried: set[str] = set()
        self._wanted: dict[str, int] = {}  # bytes for which a stream found no room the last time
        self._full: frozenset[str] = frozenset()
        self._left: dict[str, int] = {}  # bytes that a stream that blocks may still take
        self.assess()

    def takes(self, klass: RecordClass) -> bool:
        """See `Journal.takes`. Any thread."""
        return klass not in self._left or self._intake.buffered < self._left[klass]

    def make(self, stream: str, group: Group) -> bool:
        """Free what may go until the group fits its stream; False where it does not fit, and only a delivery or
        retention can change that. Raises OSError where a stream that blocks would outgrow even its margin: somebody
        appends who did not ask `takes`. Promises may: without those a segment that is done with could not go."""
        self._wanted.pop(stream, None)
        while self._tight(group.size + self._limits.margin(stream)):
            if not self.free_one(stream):
                self._wanted[stream] = group.size
                waits = self._someone_waits()
                if (
                    waits
                    and self._limits.policy(stream) == "block"
                    and self._tight(group.size)
                    and not _promises(group)
                ):
                    raise OSError(errno.ENOSPC, f"max_size of {self._limits.max_size} bytes is reached")
                return not waits
        return True

    def _someone_waits(self) -> bool:
        with self._books:
            return any(not segment.settled for segment in self._ledger.books.segments())

    def free_one(self, stream: str, *, spare: Segment | None = None, short: bool = False) -> bool:
        """Make the state log short, or delete or thin the segment that is worth least; False where none may go.
        `spare`: the newest of its stream, which does not go for what comes right behind it. `short`: the state log
        must not grow for it, because the disk is full."""
        with self._books:
            if self._log_is_loose():
                self._checkpoint()
                return True
            for segment in self.space.victims(stream):
                if segment is spare:
                    continue
                if self.space.may_thin(segment):
                    keep = self.space.thin(segment)
                    self._snapshot()
                    self.space.rewrite(segment, keep, self._clock.wall())
                    return True
                if not self._carry(segment):
                    self.space.drop(segment, "full")
                    self.remove([segment], short=short)
                    return True
            return self._end_settled()

    def _end_settled(self) -> bool:
        """A segment at hand that nobody waits for is ended, so that it can go."""
        for writer in self._writers.values():
            if self._ends(writer):
                with contextlib.suppress(OSError):  # then it is abandoned, which ends it too
                    self.seal(writer)
                return True
        return False

    def _ends(self, writer: Writer) -> bool:
        """Whether there is enough at hand to be worth a snapshot, and nobody waits for it."""
        segment = writer.segment
        enough = self._limits.segment_size // 4
        if segment is None or segment.is_dead:
            return False
        return segment.settled and segment.size - segment.body >= enough

    def assess(self) -> bool:
        """Look which streams that keep what they have are full now; whether one has room again."""
        before, self._full = self._full, frozenset(filter(self._is_full, self.keeping))
        for policy, says in _SAYS.items():
            full = [stream for stream in self.keeping if stream in self._full and self._limits.policy(stream) == policy]
            if full:
                self._ledger.trouble(f"full {policy}", says.format(" and ".join(full)))
            else:
                self._ledger.well(f"full {policy}")
        blocking = [stream for stream in self.keeping if self._limits.policy(stream) == "block"]
        self._left = {stream: self._left_for(stream) for stream in blocking}
        return bool(before - self._full)

    def _left_for(self, stream: str) -> int:
        if stream in self._full:
            return 0
        with self._books:
            room = self._limits.max_size - self._ledger.size
            if self._limits.min_free:
                room = min(room, self._free() - self._limits.min_free)
            room += sum(segment.length for segment in self.space.victims(stream))
        return max(room - self._limits.margin(stream), self._limits.segment_size)

    def _is_full(self, stream: str) -> bool:
        with self._books:
            return (
                self._tight(self._wanted.get(stream, 0) + self._limits.margin(stream))
                and self._someone_waits()
                and not self.space.victims(stream)
                and not self._log_is_loose()
                and not any(map(self._ends, self._writers.values()))
            )

    def has_air(self) -> bool:
        """Whether the disk has room for another segment, the floor left alone."""
        return self._free() >= self._limits.min_free + self._limits.segment_size

    def _tight(self, size: int) -> bool:
        if self._ledger.size + size > self._limits.max_size:
            return True
        return bool(self._limits.min_free) and self._free() - size < self._limits.min_free

    def _free(self) -> int:
        try:
            return self._files.free(self._folder)
        except OSError:  # a disk that does not even say that takes nothing either
            return 0

    def _log_is_loose(self) -> bool:
        """Whether a checkpoint would give back enough to be worth what it rewrites."""
        log = self._ledger.log
        return log.size - log.checkpoint_size > self._limits.segment_size // 8

    def _carry(self, segment: Segment) -> bool:
        """Promises in a segment that is to go are written again; True while they are not durable yet."""
        promises = self.space.promises(segment)
        if promises and segment.name not in self._carried:
            self._carried.add(segment.name)
            self._intake.append(promises)
            self.chores = True
        return bool(promises)

    def spent(self) -> list[Segment]:
        """What retention lets go, and nothing promised stands in."""
        return [segment for segment in self.space.spent() if not self._carry(segment)]

    def remove(self, segments: list[Segment], *, short: bool = False) -> None:
        """Delete them; also makes a snapshot, or with `short` a checkpoint. Raises OSError."""
        record = self._checkpoint if short else self._snapshot
        self.space.strike(segments)
        self._carried.difference_update(segment.name for segment in segments)
        try:
            record()
        except OSError as error:
            if error.errno not in FULL:
                raise
            # No room even for that: make some first. A crash right here finds the files missing and counts
            # what was pending in them as dropped all the same, only under another reason.
            self.space.delete()
            record()
        self.space.delete()

    def seal(self, writer: Writer) -> None:
        """End the writer's segment. Raises OSError."""
        if writer.segment is not None:
            self._ledger.written += writer.seal(self._clock.wall(), durable=self._limits.syncs(writer.stream.name))


def _promises(group: Group) -> bool:
    return any(record.kind is RecordKind.ACCEPTED for _, records, _ in group.frames for record in records)
