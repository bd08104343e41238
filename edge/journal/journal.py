"""The journal: what was accepted is on disk before anyone is told, and stays until it is delivered or counted lost.

Invariants
- `append` costs microseconds; `commit` makes everything appended so far durable with one write and one sync a stream.
- Every frame has a ticket; what its class asks for (`memory`, `written`, `fsync`) has happened when that resolves.
- `durable` only grows, and only after the sync of every byte up to it, and of a new file's folder, has returned.
- `unfinished`, deliveries and counts change when a frame is durable, never before.
- Locks, in this order: tables, committing, books, short. The short ones are never held while a file is touched.

Nothing here starts a thread or reads a clock: production runs `wait` and `commit` on a writer thread of the app's,
tests call `commit`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from edge.clock import Clock
from edge.journal.commit import Committer
from edge.journal.errors import JournalError
from edge.journal.files import DiskFiles, Files, Lock
from edge.journal.frames import records_of
from edge.journal.intake import Intake
from edge.journal.keys import Keyring
from edge.journal.ledger import Ledger
from edge.journal.limits import Limits
from edge.journal.marks import ranges
from edge.journal.opening import copy_aside, open_ledger
from edge.journal.patient import PatientFiles
from edge.journal.recovery import Damage
from edge.journal.segments import Segment
from edge.journal.statelog import FORGET, REQUEUED, TABLE
from edge.journal.store import Change, Store
from edge.journal.tickets import Progress, Ticket
from edge.model import Delivery, Record, RecordClass, RecordKind, Stored, Verdict

if TYPE_CHECKING:
    from edge.journal.tables import StoredTable


class Journal:
    """See the module's invariants. Every method may be called by any thread. Made by `open_journal`."""

    def __init__(
        self,
        path: str,
        committer: Committer,
        ledger: Ledger,
        intake: Intake,
        *,
        files: Files,
        limits: Limits,
        lock: Lock,
    ) -> None:
        self.path = path
        self._files = files
        self._committer = committer
        self._ledger = ledger
        self._intake = intake
        self._limits = limits
        self._lock = lock
        self._books = committer.books
        self._progress = committer.progress
        self._database: Any = None

    # -- writing --------------------------------------------------------------------------------------------------

    @property
    def durable(self) -> int:
        """The last sequence number that is durable, with all before it."""
        return self._progress.durable

    def append(self, records: Sequence[Record], delivery: Delivery | None = None) -> Ticket:
        """Put one frame, all or nothing, into the next group; the ticket resolves when it is durable.

        With more than `Limits.buffer` bytes waiting the caller writes the group itself: that is the back-pressure.
        While the disk refuses, the group waits in memory; ask `takes` and `stalled` before you begin what ends in a
        record. Raises `JournalError`, and takes nothing, when twice that much waits or the journal is closed;
        ValueError for a record that the format cannot hold.
        """
        if not records:
            raise ValueError("a frame needs a record")
        if self._intake.buffered > 2 * self._limits.buffer and self._committer.refusing:
            self.commit()  # raises while the disk goes on refusing
        ticket = self._intake.append(records, delivery)
        if self._intake.buffered > self._limits.buffer and not self._committer.refusing:
            with contextlib.suppress(JournalError):  # the record is taken; `stalled` and `stats` say what is wrong
                self.commit()
        return ticket

    @property
    def stalled(self) -> bool:
        """The disk refuses and `Limits.buffer` bytes wait in memory: begin nothing that ends in a record."""
        return self._committer.refusing and self._intake.buffered > self._limits.buffer

    def takes(self, klass: RecordClass) -> bool:
        """Whether there is room for more records of that class, whose policy is `block` where there is none. `append`
        takes them all the same: what was begun before is finished. `on_durable` is called when it turns true."""
        return not self.stalled and self._committer.room.takes(klass)

    def commit(self) -> int:
        """Make all that was appended before the call durable, and changes of state tables; returns `durable`.

        Raises `JournalError` when the disk refuses. Nothing is lost by that: the frames stay for the next attempt.
        `on_durable` is called by this thread, without a lock held.
        """
        return self._committer.commit()

    def wait(self, timeout: float) -> bool:
        """For the writer thread: block until something is appended or `timeout` seconds pass; whether to commit.
        In a crowd it lingers a little, so that more frames share a sync."""
        return self._committer.wait(timeout)

    # -- what was promised and not yet done -----------------------------------------------------------------------

    def unfinished(self) -> Iterator[Stored]:
        """Durable accepted records without an outcome, in order: after a start, what must run again."""
        with self._books:
            wanted = dict(self._ledger.state.unfinished)
            found: list[Stored] = []
            for segment in self._ledger.books.segments():
                if any(segment.header.first <= sequence <= segment.last for sequence in wanted.values()):
                    found += self._promised(segment, wanted)
        yield from sorted(found, key=lambda stored: stored.sequence)

    def owes(self, id: str) -> bool:
        """Whether a record of that id is durably accepted and has no durable outcome."""
        with self._books:
            return id in self._ledger.state.unfinished

    def _promised(self, segment: Segment, wanted: Mapping[str, int]) -> Iterator[Stored]:
        for frame in self._ledger.outbox.frames(segment):
            for sequence, record in enumerate(records_of(frame), frame.sequence):
                if record.kind is RecordKind.ACCEPTED and wanted.get(record.id) == sequence:
                    yield Stored(sequence, record, frame.wall)

    def deliveries(self, client: str) -> Mapping[int, int]:
        """Packet id -> digest of the last durable deliveries of an MQTT client; a live, read-only view."""
        with self._books:
            return self._ledger.state.deliveries[client]

    def forget_deliveries(self, client: str) -> None:
        """The broker began a new session: the packet ids so far mean nothing any more. Raises OSError."""
        with self._books:
            sequence = self._intake.sequence
            self._ledger.note(FORGET, orjson.dumps({"client": client, "sequence": sequence}), urgent=True)
            self._ledger.state.deliveries.forget(client, sequence)

    # -- the outbox -----------------------------------------------------------------------------------------------

    def pending(
        self, upstream: str, *, limit: int = 100, max_bytes: int = 1 << 20, after: int | None = None
    ) -> list[Stored]:
        """The oldest durable records that `upstream` has not done with, behind sequence number `after`.

        `PUBLISHES` names the outbox of publish records. What `Limits.expire` has outlived is given up first. At least
        one record is returned where there is one, then as many as fit both limits. Memory does not depend on the
        backlog. Raises OSError where a segment cannot be read.
        """
        with self._books:
            self._committer.expiry.expire(upstream)
            found = self._ledger.outbox.pending(upstream, limit, max_bytes, after)
            for segment in list(self._ledger.outbox.damaged):
                self._ledger.reckon(segment)
                self._committer.chores = True  # a checkpoint makes what was lost durable
            return found

    def settle(self, upstream: str, sequences: Iterable[int], verdict: Verdict, reason: str = "") -> int:
        """`upstream` has done with these records, in any order; returns how many were pending until now.

        Written at once, so a killed process forgets none; durable with the first commit after 10 seconds or 1,000
        records, because a power cut that forgets them only makes them be sent again. What is `DEAD` is copied to the
        dead letters, and committed before this returns. Repeats and numbers that are not pending count nothing. Raises
        OSError when it cannot be written; then nothing changed, but dead letters that wait for the disk are written
        once it takes them.
        """
        if verdict is Verdict.DEAD:
            return self._refuse(upstream, sequences, reason)
        with self._books:
            places: dict[str, tuple[Segment, dict[int, None]]] = {}
            for sequence in sequences:
                place = self._ledger.outbox.waiting(upstream, sequence)
                if place is not None:
                    segment, ordinal = place
                    places.setdefault(segment.name, (segment, {}))[1][ordinal] = None
            count = sum(len(ordinals) for _, ordinals in places.values())
            if count:
                self._ledger.settle(upstream, places, verdict, reason)
                if not self._limits.keep_delivered:
                    done = any(segment.sealed and segment.settled for segment, _ in places.values())
                    self._committer.chores = self._committer.chores or done
            return count

    def _refuse(self, upstream: str, sequences: Iterable[int], reason: str) -> int:
        count = 0
        with self._books:
            letters = self._ledger.letters
            for sequence in sequences:
                found = letters.write(upstream, sequence, reason, self._ledger.wall())
                if found is not None:
                    letters.send(self._intake.enclose(*found), found[0])
                    count += 1
            under_way = letters.under_way
        if under_way:
            self.commit()
        return count

    def records(self, kind: RecordKind | None = RecordKind.OUTCOME) -> Iterator[Stored]:
        """Every durable record that is kept, oldest first, delivered or not; in memory that does not grow. A dead
        letter outlives the record that it copies, and is told by `dead_letters` alone."""
        with self._books:
            return self._ledger.outbox.records(kind)

    def record(self, sequence: int) -> Stored | None:
        """The durable record of that number; None where there is none, or it is not kept any more. Costs the same
        whatever is kept. Raises OSError where it cannot be read."""
        with self._books:
            return self._ledger.outbox.record(sequence)

    def dead_letters(self, upstream: str) -> list[tuple[Stored, str]]:
        """What `upstream` refused for good and is still kept, in the order of refusal, with the reason. Letters have
        sequence numbers of their own, by which they are requeued and then pending; `accepted` is the record's."""
        with self._books:
            return list(self._ledger.dead_letters(upstream))

    def requeue(self, upstream: str, sequences: Iterable[int] | None = None) -> int:
        """Dead letters of `upstream`, all or those, are pending again; returns how many. Written at once. They come
        back from `pending` without `after`. Raises OSError when it cannot be written; then nothing changed."""
        with self._books:
            wanted = None if sequences is None else set(sequences)
            places: dict[str, tuple[Segment, list[int]]] = {}
            for stored, _, segment, ordinal in self._ledger.letters.dead(upstream):
                if wanted is None or stored.sequence in wanted:
                    places.setdefault(segment.name, (segment, []))[1].append(ordinal)
            if not places:
                return 0
            marked = {name: ranges(ordinals) for name, (_, ordinals) in places.items()}
            self._ledger.note(REQUEUED, orjson.dumps({"u": upstream, "s": marked}), urgent=True)
            count = sum(segment.revive(upstream, ordinals) for segment, ordinals in places.values())
            self._ledger.books.of(upstream).dead -= count
            return count

    def backlog(self, upstream: str) -> int:
        """How many durable records `upstream` has not done with. Costs the same whatever the number."""
        with self._books:
            return self._ledger.books.backlog(upstream)

    def stats(self) -> dict[str, Any]:
        """Counts that add up: `accepted = local + delivered + pending + dropped + expired + dead` everywhere."""
        with self._books:
            return {**self._ledger.stats(), "volatile": self._intake.volatile}

    def mend(self, damages: Iterable[Damage]) -> int:
        """Write damaged segments anew with all that is intact in them; returns the records that are lost, which count
        as dropped. The damaged bytes stay in side files. `damages`: what `JournalReader.verify` found before the
        journal was opened. Raises OSError; then the damaged files stand."""
        damages = [damage for damage in damages if not damage.torn]
        for damage in damages:
            copy_aside(self._files, self.path, damage)
        return self._committer.mend({damage.name for damage in damages})

    # -- state tables ---------------------------------------------------------------------------------------------

    def table(self, name: str) -> StoredTable:
        """A TinyDB table whose every change is one durable frame; the same object for the same name. `outcomes` is
        the outcomes kept, read-only, streamed from the segments; a document's id is its sequence number."""
        table: StoredTable = self._opened_database.table(name)
        return table

    def tables(self) -> set[str]:
        """The names of the state tables that there are."""
        with self.store.lock:
            return set(self.store.tables)

    def drop_table(self, name: str) -> None:
        """Remove a state table with all that is in it, in one durable frame. Raises `JournalError`."""
        self._opened_database.drop_table(name)

    @property
    def _opened_database(self) -> Any:
        if self._database is None:
            from edge.journal.tables import RuntimeDB  # a runtime without state tables pays nothing for TinyDB

            with self._books:
                self._database = self._database or RuntimeDB(self)
        return self._database

    @property
    def store(self) -> Store:
        """The documents themselves. Hold its `lock` while looking."""
        return self._ledger.state.store

    def change(self, *changes: Change) -> None:
        """Make changes of state tables, one a table, all or none; durable with the next commit. One thread at a time,
        which the tables see to. Raises TypeError or ValueError for what is not JSON, `JournalError` where limits or
        the disk refuse; then nothing changed."""
        if self._intake.closed:
            raise JournalError(f"{self.path}: the journal is closed")
        note, admitted = self.store.admit(changes, self._limits)
        with self._books:
            try:
                self._ledger.note(TABLE, note, urgent=True)
            except JournalError:
                raise
            except OSError as error:
                raise JournalError(
                    f"{self.path}: table {changes[0].table!r} cannot be changed ({error.strerror or error}); nothing "
                    "of the change was kept. Free space or replace the disk"
                ) from error
            self.store.apply(admitted)

    # -- the end --------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Commit, close the files, give up the lock. Idempotent. Raises `JournalError` where the disk refuses."""
        if not self._intake.close():
            return
        try:
            self._committer.close()
        finally:
            self._lock.release()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_journal(
    path: str,
    *,
    clock: Clock,
    files: Files | None = None,
    upstreams: Sequence[str] = (),
    limits: Limits | None = None,
    formerly: Mapping[str, str] | None = None,
    keys: Keyring | None = None,
    on_durable: Callable[[int], None] = lambda sequence: None,
) -> Journal:
    """Open or create the journal in folder `path`; recovers whatever its files have been through.

    `upstreams` are the names that outcomes are owed to from now on; others keep what they have, until `formerly` (new
    name -> old name) lets a new one take it over. `keys`: what new files are encrypted with, and what is there.
    `on_durable`: see `commit`. Raises `JournalLocked` when another process has it, `JournalFormat` when a newer
    version wrote it, `JournalKeyMissing` when it cannot be opened, OSError when the folder cannot be used. A damaged
    journal opens, and says so in `stats()["degraded"]`.
    """
    files = PatientFiles(files if files is not None else DiskFiles())
    limits = limits if limits is not None else Limits()
    files.make_folder(path)
    lock = files.lock(f"{path}/lock")
    try:
        ledger, writers, sequence = open_ledger(
            files, path, clock, upstreams, limits.reserve, formerly or {}, keys or Keyring()
        )
    except BaseException:
        lock.release()
        raise
    progress = Progress(sequence)
    intake = Intake(clock, ledger.state.seed, progress, ledger.books.streams, limits, path=path)
    committer = Committer(
        files, path, ledger, writers, intake, progress, clock=clock, limits=limits, on_durable=on_durable
    )
    return Journal(path, committer, ledger, intake, files=files, limits=limits, lock=lock)
