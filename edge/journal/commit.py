"""Group commit: while one group is being synced, the next gathers.

Invariants
- One thread commits at a time; who comes meanwhile waits and finds its frames done.
- The writer lingers for a fuller group only where the last one was much fuller, and never longer than half of what
  the disk takes for one, nor `_LINGER`: a lone record is written at once, a crowd shares syncs.
- A group that could not be written is put back before what came since: order holds, nothing is skipped.
- A failed sync is never tried again on the same file. The frames go to a new segment; recovery keeps one of each.
- What is said to be wrong is wrong now: it is taken back once the disk has taken what waited.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Collection

from edge.clock import Clock
from edge.journal.errors import JournalError
from edge.journal.expiry import Expiry
from edge.journal.files import Files
from edge.journal.husks import left_out
from edge.journal.intake import Intake
from edge.journal.keys import FileKey
from edge.journal.ledger import Ledger
from edge.journal.limits import Limits
from edge.journal.room import FULL, Room
from edge.journal.segments import DEAD, STREAMS, stream_seed
from edge.journal.tickets import Progress
from edge.journal.voids import Void
from edge.journal.writer import Group, Writer

_SWEEP_EVERY = 60.0
_TRIES = 3
_STATE_SIZE = 1 << 20
_STATE_EVERY = 10.0  # seconds that an acknowledgement may wait for its sync,
_STATE_MOST = 1_000  # and how many may: so much is sent again after a power cut
_LINGER = 0.005  # seconds that the writer waits at most for a fuller group


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
        ledger.log.step = limits.reserve // 4
        self.expiry = Expiry(ledger, limits)
        self.room = Room(
            files,
            folder,
            ledger,
            writers,
            intake,
            books=self.books,
            clock=clock,
            limits=limits,
            checkpoint=self._checkpoint,
            snapshot=self._snapshot,
        )
        self.refusing = False  # what was appended waits in memory, because the disk takes nothing
        self._erred_at = clock.monotonic()
        self._dropping: set[str] = set()  # streams that wrote nothing but voids since the last frame
        self._sweep_at = clock.monotonic() + _SWEEP_EVERY
        self._synced_at = clock.monotonic()
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
        due = self.chores or self.room.chores or self._clock.monotonic() >= self._sweep_at
        if due or self.room.keeping:
            with self._committing:
                if due:
                    self._tidy()
                opened = self.room.assess()
            if opened:
                self._on_durable(self.durable)
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
        except JournalError:
            raise
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
            self._snapshot()
            for segment in damaged:  # what is left out of them is settled durably, by the snapshot just made
                self.room.space.rewrite(segment, lambda frame: True, self._clock.wall())
            return lost

    # -- under the committing lock --------------------------------------------------------------------------------

    def _flush(self) -> bool:
        with self.books:  # who holds it has written to the state log what it changed
            groups, target = self._intake.take()
            if not self.refusing:
                self.expiry.tick(self.durable, idle=not groups)
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
        self.refusing = False
        self._ledger.well("disk")
        return True

    def _state_due(self) -> bool:
        """Whether the state log is to be synced now: at once where someone waits, acknowledgements in good time."""
        log, now = self._ledger.log, self._clock.monotonic()
        late = now - self._synced_at >= _STATE_EVERY or log.settled >= _STATE_MOST
        if not (log.lost or log.urgent or (log.dirty and late)):
            return False
        self._synced_at = now
        return True

    def _write_all(self, groups: dict[str, Group]) -> None:
        """Every group, durably; what is written is taken out of `groups`. A large one ends segments on its way."""
        for name in list(groups):
            rest: Group | None = groups[name]
            while rest is not None:
                part, rest = rest.split(self._limits.segment_size)
                fits = self.room.make(name, part) or self._limits.policy(name) != "drop_newest"
                self._write(self._writers[name], part, fits=fits)
                if rest is None:
                    del groups[name]
                else:
                    groups[name] = rest
                    with self.books:
                        self.room.seal(self._writers[name])

    def _write(self, writer: Writer, group: Group, *, fits: bool) -> None:
        """One group, durably, in the segment at hand or else in a new one; what does not fit is counted instead."""
        voids: list[Void] = []
        tries = _TRIES
        while True:
            if not fits and not voids:
                group, voids = self._leave_out(writer, group)
            try:
                written = writer.write(group)
                writer.sync(durable=self._limits.syncs(writer.stream.name))
                break
            except OSError as error:
                self._err(writer, error)
                full = error.errno in FULL
                at_hand = writer.segment
                writer.abandon()  # gives back what was reserved: making room takes room for a checkpoint
                freed = full and self.room.free_one(writer.stream.name, spare=at_hand, short=True)
                tries -= 1
                if full and not freed and fits and self._limits.policy(writer.stream.name) == "drop_newest":
                    fits, tries = False, _TRIES
                elif not tries or (full and not freed):
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
                self._count(writer, voids)
                self._ledger.follow(group)
        if writer.full(self._limits.segment_size):
            self.chores = True

    def _leave_out(self, writer: Writer, group: Group) -> tuple[Group, list[Void]]:
        """What is written where the group finds no room."""
        stream, state = writer.stream, self._ledger.state
        key = FileKey(stream_seed(state.seed, stream.name))  # it is closed, like any other, when it is written
        before = stream.outcomes, stream.publishes
        return left_out(group.frames, before, state.unfinished, key, self._clock.wall())

    def _count(self, writer: Writer, voids: list[Void]) -> None:
        """The voids are durable: what they stand for is dropped."""
        name, segment = writer.stream.name, writer.segment
        assert segment is not None
        for void in voids:
            self._ledger.books.leave_out(segment, void, self._clock.wall(), joins=name in self._dropping)
            self._dropping.add(name)
        if not voids:
            self._dropping.discard(name)

    def _err(self, writer: Writer, error: OSError) -> None:
        """Say that the disk met an error; `_recover` takes it back."""
        self._erred_at = self._clock.monotonic()
        name = f"stream {writer.stream.name}"
        self._ledger.trouble(name, f"{name} met a disk error: {error.strerror or error}")

    def _sync_state(self) -> None:
        log = self._ledger.log
        if not self._fsync:
            log.forgo()
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

    def _snapshot(self) -> None:
        """Counts and deletions, durably: at the end of the state log, or in a new one where that is due or needed."""
        log = self._ledger.log
        with self.books:
            if not log.lost and not self._log_is_long():
                try:
                    self._ledger.snapshot(self.durable)
                    return
                except OSError:
                    if not log.lost:
                        raise
            self._checkpoint()

    def _checkpoint_or_sync(self) -> None:
        """A checkpoint spares the next start work; on a full disk the log as it is says as much."""
        log = self._ledger.log
        try:
            self._checkpoint()
        except OSError as error:
            if error.errno not in FULL or log.lost:
                raise
            log.sync()

    def _refused(self, error: OSError) -> JournalError:
        reason = error.strerror or str(error)
        self.refusing = True
        self._ledger.trouble("disk", f"the disk refuses: {reason}; free some space or replace it")
        return JournalError(
            f"{self._folder}: cannot write the journal ({reason}); what is not on disk was not confirmed and waits "
            "in memory. Free space or replace the disk"
        )

    # -- order -----------------------------------------------------------------------------------------------------

    def _tidy(self) -> None:
        """End full segments, give up what is too old, make a snapshot, delete what is spent. What fails is tried
        again later."""
        self.chores = self.room.chores = False
        self._sweep_at = self._clock.monotonic() + _SWEEP_EVERY
        try:
            with self.books:
                self.expiry.sweep()
                size, stale = self._limits.segment_size, self.room.space.stale
                full = [one for one in self._writers.values() if one.full(size) or stale(one.segment)]
                for writer in full:
                    self.room.seal(writer)
                spent = self.room.spent()
                sparse = self.room.space.sparse()
                if full or spent or sparse or self._log_is_long():
                    self.room.remove(spent)
                for segment in sparse:  # what is left out of them is settled durably, by the snapshot just made
                    self.room.space.rewrite(segment, self.room.space.lives(segment), self._clock.wall())
        except OSError as error:
            self._ledger.trouble("housekeeping", f"housekeeping failed: {error.strerror or error}")
        else:
            self._ledger.well("housekeeping")
        self._recover()

    def _recover(self) -> None:
        """A disk that erred is well again when it has had time to err, and room."""
        if self._clock.monotonic() - self._erred_at >= _SWEEP_EVERY and self.room.has_air():
            for name in self._writers:
                self._ledger.well(f"stream {name}")
