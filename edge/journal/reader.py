"""Looking at a journal without owning it: for the command line, also while a runtime writes.

Changes nothing and takes no lock. What a running journal writes meanwhile is seen or not seen, never half.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from zlib import crc32

from edge.clock import SystemClock
from edge.journal.errors import JournalError
from edge.journal.files import DiskFiles, Files
from edge.journal.frames import Gap, walk
from edge.journal.ledger import Ledger
from edge.journal.opening import describe
from edge.journal.patient import PatientFiles
from edge.journal.recovery import Damage, Survey, survey
from edge.journal.segments import Segment
from edge.model import RecordKind, Stored

_TRIES = 5


class JournalReader:
    """One look at a journal, as its files were when it was made. Made by `read_journal`. One thread."""

    def __init__(self, files: Files, path: str, found: Survey) -> None:
        self.path = path
        self._files = files
        self._found = found
        self._ledger = Ledger(files, path, SystemClock(), found)
        describe(found, self._ledger)
        for segment in dict.fromkeys(found.damaged):
            self._ledger.reckon(segment)
        self._ledger.books.upstreams = tuple(found.state.upstreams)
        self._ledger.balance()

    def records(self, kind: RecordKind | None = RecordKind.OUTCOME) -> Iterator[Stored]:
        """Every intact record that is kept, oldest first, delivered or not; in memory that does not grow."""
        return self._ledger.outbox.records(kind)

    def show(self, name: str) -> list[Stored]:
        """Every record of that id: what was accepted, the outcome, what it published."""
        return [stored for stored in self.records(None) if stored.record.id == name]

    def dead_letters(self, upstream: str) -> Iterator[tuple[Stored, str]]:
        """What `upstream` refused for good and is still kept, with the reason, in the order of refusal."""
        return self._ledger.dead_letters(upstream)

    def pending(self, upstream: str) -> Iterator[Stored]:
        """What `upstream` has not done with, oldest first; in memory that does not grow."""
        after: int | None = None
        while found := self._ledger.outbox.pending(upstream, 1000, 1 << 20, after):
            yield from found
            after = found[-1].sequence

    def tables(self) -> dict[str, Mapping[int, Mapping[str, Any]]]:
        """The documents of every state table by id."""
        store = self._found.state.store
        return {name: table.docs for name, table in store.tables.items()}

    def stats(self) -> dict[str, Any]:
        """As `Journal.stats`."""
        return self._ledger.stats()

    def verify(self) -> list[Damage]:
        """Read every byte; what is not as it was written. A `torn` one is the end of an unconfirmed write."""
        damages = list(self._found.damages)
        known = {(damage.name, damage.offset) for damage in damages}
        for segment in self._ledger.books.segments():
            if segment.sealed:
                damages += [damage for damage in self._verify(segment) if (damage.name, damage.offset) not in known]
        damages += [Damage(name, 0, 0, "missing") for name in self._found.missing]
        damages += [Damage(name, 0, 0, "no readable header") for name in self._found.unreadable]
        return damages

    def _verify(self, segment: Segment) -> Iterator[Damage]:
        path = f"{self.path}/{segment.name}"
        try:
            data = self._files.read(path, 0, segment.size)
        except FileNotFoundError:
            return
        gaps = [
            found
            for found in walk(
                lambda at, length: data[at : at + length],
                segment.body,
                segment.size,
                segment.seed,
                after=segment.header.first - 1,
                below=segment.last + 1,
            )
            if isinstance(found, Gap)
        ]
        for gap in gaps:
            yield Damage(segment.name, gap.offset, gap.end, "no frame")
        if not gaps and crc32(data) != segment.crc:
            yield Damage(segment.name, 0, segment.size, "the checksum of the whole does not fit its frames")


def read_journal(path: str, *, files: Files | None = None) -> JournalReader:
    """Look at the journal in folder `path`. Raises `JournalError` where there is none, `JournalFormat` for a newer
    format, OSError where it cannot be read."""
    files = PatientFiles(files if files is not None else DiskFiles())
    for _ in range(_TRIES):
        try:
            names = files.names(path)
        except (FileNotFoundError, NotADirectoryError):
            break
        if not any(name.endswith(".log") for name in names):
            break
        try:
            return JournalReader(files, path, survey(files, path))
        except FileNotFoundError:
            continue  # a running journal made a checkpoint or deleted a segment meanwhile: look again
    raise JournalError(f"{path}: there is no journal here; is journal.path in edge.yaml right?")
