"""Group commit: while one group is being synced, the next gathers.

Invariants
- One thread commits at a time; who comes meanwhile waits and finds its frames done.
- The writer lingers for a fuller group only where the last one was much fuller, and never longer than half of what
  the disk takes for one, nor `_LINGER`: a lone record is written at once, a crowd shares syncs.
- A group that could not be written is put back before what came since: order holds, nothing is skipped.
- A failed sync is never tried again on the same file. The frames go to a new segment; recovery keeps one of each.
"""

from __future__ import annotations

import contextlib
import errno
import threading
from collections.abc import Callable, Collection

from edge.clock import Clock
from edge.journal.errors import JournalError
from edge.journal.files import Files
from edge.journal.intake import Intake
from edge.journal.ledger import Ledger
from edge.journal.limits import Limits
from edge.journal.segments import DEAD, STREAMS, Segment
from edge.journal.space import Space
from edge.journal.tickets import Progress
from edge.journal.writer import Group, Writer

_SWEEP_EVERY = 60.0
_STATE_SIZE = 1 << 20
_STATE_EVERY = 1.0  # seconds that an acknowledgement may wait for its sync
_LINGER = 0.005  # seconds that the writer waits at most for a fuller group
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Committer:
    """Empties the intake. `books` is the lock of the ledger; `chores`: housekeeping is due after the next commit."""

    def __init__(
        self,
        files: Files,
        folder: str,
        ledger: Ledger,
        writers: dict[str, Writer],
        intake: Intake,
        progress: Progress,
        *,
        clock: Clock,
        limits: Limits,
        on_durable: Callable[[int], None],
    ) -> None:
        self.books = threading.RLock()
        self.progress = progress
        self.chores = False
        self._committing = threading.Lock()
        self._files = files
        self._folder = folder
        self._ledger = ledger
        self._writers = writers
        self._intake = intake
        self._clock = clock
        self._limits = limits
        self._fsync = any(limits.syncs(name) for name in (*STREAMS, DEAD))
        self._on_durable = on_durable
        self._space = Space(files, folder, ledger, limits)
        self._sweep_at = clock.monotonic() + _SWEEP_EVERY
        self._synced_at = clock.monotonic()
        self._refusal: str | None = None
        self._carried: set[str] = set()
        self._crowd = 0  # frames in the last group
        self._takes = 0.0  # seconds that the disk took for a group of late

    def wait(self, timeout: float) -> bool:
        """See `Journal.wait`."""
        gathered = self._intake.wait(timeout)
        if 0 < self._intake.waiting < self._crowd // 2:
            self._intake.wait(min(self._takes / 2, _LINGER), frames=self._crowd // 2)
        return gathered or self._ledger.log.dirty

    def commit(self) -> int:
        """See `Journal.commit`."""
        with self._committing:
            moved = self._flush()
        if moved:
            self._on_durable(self.durable)
        if self.chores or self._clock.monotonic() >= self._sweep_at:
            with self._committing:
                self._tidy()
        return self.durable

    @property
    def durable(self) -> int:
        return self.progress.durable

    def close(self) -> None:
        """Write what is left, make a checkpoint, close the files."""
        try:
            self.commit()
            with self._committing:
                self._checkpoint_or_sync()
        except OSError as error:
            raise self._refused(error) from error
        finally:
            for writer in self._writers.values():
                writer.close()
            self._ledger.log.close()

    def mend(self, names: Collection[str]) -> int:
        """See `Journal.mend`. Raises OSError; then the damaged files stand as they were."""
        with self._committing, self.books:
            damaged = [one for one in self._ledger.books.segments() if one.name in names and one.sealed]
            lost = sum(self._ledger.reckon(segment) for segment in damaged)
            self._checkpoint()
            for segment in damaged:  # what is left out of them is settled durably, by the checkpoint just made
                self._space.rewrite(segment, lambda frame: True, self._clock.wall())
            return lost

    # -- under the committing lock --------------------------------------------------------------------------------

    def _flush(self) -> bool:
        with self.books:  # who holds it has written to the state log what it changed
            groups, target = self._intake.take()
            dirty = self._state_due()
        if not groups and not dirty and target == self.durable:  # else the state log failed after the last group
            return False
        began = self._clock.monotonic()
        self._crowd = sum(len(group.frames) for group in groups.values())
        try:
            self._write_all(groups)
            if dirty:
                self._sync_state()
        except OSError as error:
            self._intake.put_back(groups)
            raise self._refused(error) from error
        self._takes += (self._clock.monotonic() - began - self._takes) / 8
        self.progress.reach(target)
        if self._refusal is not None:
            self._ledger.degraded.pop(self._refusal, None)
            self._refusal = None
        return True

    def _state_due(self) -> bool:
        """Whether the state log is to be synced now: at once where someone waits, acknowledgements in good time."""
        log, now = self._ledger.log, self._clock.monotonic()
        if not (log.lost or log.urgent or (log.dirty and now - self._synced_at >= _STATE_EVERY)):
            return False
        self._synced_at = now
        return True

    def _write_all(self, groups: dict[str, Group]) -> None:
        """Every group, durably; what is written is taken out of `groups`. A large one ends segments on its way."""
        for name in list(groups):
            rest: Group | None = groups[name]
            while rest is not None:
                part, rest = rest.split(self._limits.segment_size)
                self._make_room(part.size, may_block=name != DEAD)
                self._write(self._writers[name], part)
                if rest is None:
                    del groups[name]
                else:
                    groups[name] = rest
                    with self.books:
                        self._seal(self._writers[name])

    def _write(self, writer: Writer, group: Group) -> None:
        """One group, durably, in the segment at hand or else in a new one."""
        for attempt in range(3):
            try:
                written = writer.write(group)
                writer.sync(durable=self._limits.syncs(writer.stream.name))
                break
            except OSError as error:
                self._ledger.degrade(f"stream {writer.stream.name} met a disk error: {error.strerror or error}")
                full = error.errno in _FULL
                try:
                    freed = full and self._free_one()  # before the segment at hand becomes one that may go
                finally:
                    writer.abandon()
                if attempt == 2 or (full and not freed):
                    raise
        with self.books:
            self._ledger.written += written
            sequence, records, _ = group.frames[-1]
            begun = writer.confirm(group, sequence + len(records) - 1, self._ledger.age())
            if begun is not None:
                self._ledger.announce(begun)
            if writer.stream.name == DEAD:
                self._ledger.letters.confirm(writer.stream.segments[-1], sequence + len(records) - 1)
                self.chores = True  # the records that they copy may be the last that somebody waited for
            else:
                self._ledger.follow(group)
        if writer.full(self._limits.segment_size):
            self.chores = True

    def _sync_state(self) -> None:
        log = self._ledger.log
        if not self._fsync:
            log.dirty = log.urgent = False
        elif not log.lost:
            with contextlib.suppress(OSError):
                log.sync()
        if log.lost:
            self._checkpoint()
        if self._log_is_long():
            self.chores = True

    def _log_is_long(self) -> bool:
        log = self._ledger.log
        return log.size > max(_STATE_SIZE, 2 * log.checkpoint_size)

    def _checkpoint(self) -> None:
        with self.books:
            self._ledger.checkpoint(self.durable)

    def _checkpoint_or_sync(self) -> None:
        """A checkpoint spares the next start work; on a full disk the log as it is says as much."""
        log = self._ledger.log
        try:
            self._checkpoint()
        except OSError as error:
            if error.errno not in _FULL or log.lost:
                raise
            log.sync()

    def _refused(self, error: OSError) -> JournalError:
        reason = error.strerror or str(error)
        self._refusal = f"the disk refuses: {reason}"
        self._ledger.degrade(self._refusal)
        return JournalError(
            f"{self._folder}: cannot write the journal ({reason}); what is not on disk was not confirmed and waits "
            "in memory. Free space or replace the disk"
        )

    # -- room and order -------------------------------------------------------------------------------------------

    def _make_room(self, size: int, *, may_block: bool) -> None:
        """A dead letter does not wait for room: the record that it copies would wait for ever to be done with."""
        while self._tight(size):
            if not self._free_one():
                if may_block and self._limits.when_full == "block":
                    raise OSError(errno.ENOSPC, f"max_size of {self._limits.max_size} bytes is reached")
                return  # the segments at hand and the state log alone are larger: nothing more may go

    def _tight(self, size: int) -> bool:
        if self._ledger.size + size > self._limits.max_size:
            return True
        return bool(self._limits.min_free) and self._files.free(self._folder) - size < self._limits.min_free

    def _free_one(self) -> bool:
        """Delete or thin the segment that is worth least; False where none may go."""
        with self.books:
            for segment in self._space.victims():
                if self._space.may_thin(segment):
                    keep = self._space.thin(segment)
                    self._checkpoint()
                    self._space.rewrite(segment, keep, self._clock.wall())
                    return True
                if not self._carry(segment):
                    self._space.drop(segment, "full")
                    self._remove([segment])
                    return True
        return False

    def _carry(self, segment: Segment) -> bool:
        """Promises in a segment that is to go are written again; True while they are not durable yet."""
        promises = self._space.promises(segment)
        if promises and segment.name not in self._carried:
            self._carried.add(segment.name)
            self._intake.append(promises)
            self.chores = True
        return bool(promises)

    def _remove(self, segments: list[Segment]) -> None:
        self._space.strike(segments)
        self._carried.difference_update(segment.name for segment in segments)
        try:
            self._checkpoint()
        except OSError as error:
            if error.errno not in _FULL:
                raise
            # No room even for a checkpoint: make some first. A crash right here finds the files missing and counts
            # what was pending in them as dropped all the same, only under another reason.
            self._space.delete()
            self._checkpoint()
        self._space.delete()

    def _seal(self, writer: Writer) -> None:
        if writer.segment is not None:
            self._ledger.written += writer.seal(self._clock.wall(), durable=self._limits.syncs(writer.stream.name))

    def _tidy(self) -> None:
        """End full segments, make a checkpoint, delete what is spent. What fails is tried again later."""
        self.chores = False
        self._sweep_at = self._clock.monotonic() + _SWEEP_EVERY
        try:
            with self.books:
                size = self._limits.segment_size
                full = [one for one in self._writers.values() if one.full(size) or self._space.stale(one.segment)]
                for writer in full:
                    self._seal(writer)
                spent = [segment for segment in self._space.spent() if not self._carry(segment)]
                sparse = self._space.sparse()
                if full or spent or sparse or self._log_is_long():
                    self._remove(spent)
                for segment in sparse:  # what is left out of them is settled durably, by the checkpoint just made
                    self._space.rewrite(segment, self._space.lives(segment), self._clock.wall())
        except OSError as error:
            self._ledger.degrade(f"housekeeping failed: {error.strerror or error}")
