"""The state log: everything that is not data, as a checkpoint and the changes since.

Invariants
- State stands apart from data: acknowledging never touches a segment.
- Under the books lock, memory and log agree: a change is written before it is made in memory, so `kill -9` loses
  nothing that was said; the next commit makes it durable.
- A checkpoint is a new file: written aside, synced, renamed, folder synced; only then the older one goes.
- A segment is deleted only after a synced SNAPSHOT that has its counts and names it in `gone`. That may stand behind
  the changes, so no table need be written anew for it; it replaces what all notes of its own matter said before. What
  goes with it comes right before it, says nothing wrong without it, and it says nothing without that: a disk may have
  taken a later note and not an earlier one.

Format 2
    state-<number>.log = magic "edge state 2\\n" | note*
    SNAPSHOT JSON: everything but the following; the first note, and again among the changes. In it the salt of the
             log's key, and the id of the master key; both empty where nothing is closed; and how many notes right
             before it go with it
    PROMISED JSON: ids of the runs that were promised and have not ended, with their sequence numbers
    TABLE    JSON: a change of a state table, or a list  DELIVERIES  packet ids and digests of a client
    READY    ends the checkpoint; changes follow:
    SETTLED  JSON {u: upstream, v: verdict, r: reason, k: {class: count}, s: {segment: [first, last, ...]}}
    REQUEUED JSON {u: upstream, s: {segment: [first, last, ...]}}: dead letters that are pending again
    FORGET   JSON {client, sequence}: the session of that client is gone
    AGED     JSON {a: age, q: sequence}: what has a higher number was appended at that age of the journal or later
    SALT     JSON {s: segment, salt, key}: as in its header, which may be damaged
    DELIVERED client length u8 | client | (packet id u16 | digest u64)*: what changed of DELIVERIES
With a salt, PROMISED, TABLE, DELIVERIES, DELIVERED and FORGET are closed, numbered by the notes of the log, under
    the key HKDF-SHA256(master key, salt, info "edge journal state"), 32 bytes
Checksums of notes begin with the number of the log. Zeros behind the last note are room that was reserved.
That a record was refused is said by its dead letter alone, see `edge.journal.letters`.
Format 1 has the magic "edge state 1\\n"; there SNAPSHOT had the promises, SETTLED said that a record was refused too,
REQUEUED named the records' own segments, and checksums began with 0.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from edge.journal.ages import Ages
from edge.journal.books import Totals
from edge.journal.deliveries import Deliveries
from edge.journal.errors import JournalError, JournalFormat
from edge.journal.files import File, Files, reserve_ahead
from edge.journal.format1 import DeadMarks
from edge.journal.frames import Frame, Gap, note, note_of, walk
from edge.journal.keys import FileKey, Keyring
from edge.journal.marks import Marks, unranged
from edge.journal.segments import DEAD, parse_name
from edge.journal.store import Store
from edge.journal.tombstones import Tombstones
from edge.model import Verdict

MAGIC = b"edge state 2\n"
_KNOWN = (b"edge state 1\n", MAGIC)
SNAPSHOT, TABLE, DELIVERIES, READY, SETTLED, FORGET, REQUEUED, PROMISED, SALT, AGED, DELIVERED = range(32, 43)
_SECRET = (TABLE, DELIVERIES, DELIVERED, FORGET, PROMISED)


@dataclass(slots=True)
class State:
    """What the log says. `sequence`: data up to it stands in `unfinished` and `deliveries`; `letters`: dead letters up
    to it stand in `marks` and `totals`; `dead`: what format 1 left; `salts`: salt and key of encrypted segments."""

    sequence: int = 0
    letters: int = 0
    seed: int = 0
    key: str = ""
    age: float = 0.0
    written: int = 0
    streams: dict[str, dict[str, Any]] = field(default_factory=dict)
    segments: dict[str, dict[str, Any]] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)
    upstreams: list[str] = field(default_factory=list)
    unfinished: dict[str, int] = field(default_factory=dict)
    totals: dict[str, Totals] = field(default_factory=dict)
    marks: dict[str, dict[str, Marks]] = field(default_factory=dict)
    revived: dict[str, dict[str, Marks]] = field(default_factory=dict)
    dead: DeadMarks = field(default_factory=DeadMarks)
    store: Store = field(default_factory=Store)
    deliveries: Deliveries = field(default_factory=Deliveries)
    salts: dict[str, tuple[str, str]] = field(default_factory=dict)
    tombstones: Tombstones = field(default_factory=Tombstones)
    ages: Ages = field(default_factory=Ages)

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Take over a snapshot note, in place of what was known."""
        for name in ("sequence", "seed", "age", "written", "streams", "segments", "gone", "upstreams"):
            setattr(self, name, snapshot[name])
        self.unfinished, self.key = snapshot.get("unfinished", self.unfinished), snapshot.get("key", "")
        self.letters = snapshot.get("letters", 0)
        self.totals, self.marks, self.revived = {}, {}, {}
        self.restore_totals(snapshot["totals"])
        self.tombstones.load(snapshot.get("tombstones", []))
        self.ages.load(snapshot.get("ages", []))
        for name, segment in self.segments.items():
            self.salts[name] = segment.get("salt", ""), segment.get("key", "")
            self.marks[name] = {upstream: Marks.load(data) for upstream, data in segment["marks"].items()}
            self.revived[name] = {upstream: Marks.load(data) for upstream, data in segment.get("revived", {}).items()}
        self.dead = DeadMarks({name: segment["dead"] for name, segment in self.segments.items() if "dead" in segment})

    def restore_totals(self, totals: dict[str, dict[str, Any]]) -> None:
        """Totals as a snapshot or a segment's header has them."""
        for name, values in totals.items():
            self.totals[name] = Totals(**values)

    def settle(self, body: dict[str, Any]) -> None:
        """Apply a SETTLED note."""
        upstream, verdict = body["u"], Verdict(body["v"])
        totals = self.totals.setdefault(upstream, Totals())
        for name, flat in body["s"].items():
            ordinals = unranged(flat)
            if _holds_letters(name):  # requeued before, also where the note that says so is lost
                totals.dead -= self._revive(name, upstream, ordinals)
            self.marks.setdefault(name, {}).setdefault(upstream, Marks()).add_all(ordinals)
            if verdict is Verdict.DEAD:
                self.dead.add(name, upstream, body["r"], ordinals)
        for klass, count in body["k"].items():
            totals.add(verdict, count, body["r"], klass)

    def requeue(self, body: dict[str, Any]) -> None:
        """Apply a REQUEUED note."""
        upstream = body["u"]
        totals = self.totals.setdefault(upstream, Totals())
        for name, flat in body["s"].items():
            if _holds_letters(name):
                totals.dead -= self._revive(name, upstream, unranged(flat))
                continue
            marks = self.marks.get(name, {}).get(upstream, Marks())
            revived = self.dead.remove(name, upstream, unranged(flat))
            totals.dead -= sum(marks.remove(ordinal) for ordinal in revived)

    def _revive(self, name: str, upstream: str, ordinals: list[int]) -> int:
        return self.revived.setdefault(name, {}).setdefault(upstream, Marks()).add_all(ordinals)

    def apply(self, kind: int, body: bytes) -> None:
        """Apply any note. Raises ValueError, KeyError or TypeError where it makes no sense."""
        if kind == TABLE:
            self.store.replay(body)
        elif kind == SETTLED:
            self.settle(orjson.loads(body))
        elif kind == REQUEUED:
            self.requeue(orjson.loads(body))
        elif kind == DELIVERIES:
            self.deliveries.load(body)
        elif kind == DELIVERED:
            self.deliveries.change(body)
        elif kind == FORGET:
            values = orjson.loads(body)
            self.deliveries.forget(values["client"], values["sequence"])
        elif kind == PROMISED:
            self.unfinished = orjson.loads(body)
        elif kind == SALT:
            values = orjson.loads(body)
            self.salts[values["s"]] = values["salt"], values["key"]
        elif kind == AGED:
            values = orjson.loads(body)
            self.ages.tick(values["a"], values["q"], 0.0)
        elif kind == SNAPSHOT:
            self.restore(orjson.loads(body))


def _holds_letters(name: str) -> bool:
    place = parse_name(name)
    return place is not None and place[0] == DEAD


def state_name(number: int) -> str:
    """`state-0000000007.log`."""
    return f"state-{number:010d}.log"


def state_number(name: str) -> int | None:
    """The number in a state log's name; None for any other file."""
    number = name.removeprefix("state-").removesuffix(".log")
    return int(number) if name == f"state-{number}.log" and number.isdecimal() else None


def log_key(keys: Keyring, number: int, salt: str, master: str) -> FileKey:
    """What opens the closed notes of the log of that number."""
    return keys.of_file(number, salt, master, purpose="state", name=state_name(number))


@dataclass(slots=True)
class Read:
    """A state log read back: where its whole notes end, how long the file is, and what was wrong with it. `needs`: the
    id of the key that is missing to open all of them."""

    state: State
    number: int
    size: int
    length: int
    notes: int
    gaps: list[Gap]
    ready: bool
    needs: str = ""


def read_state(files: Files, folder: str, number: int, keys: Keyring) -> Read | None:
    """The state log of that number, as far as it is intact; None where not even its beginning is.

    Raises `JournalFormat` for a format newer than this version.
    """
    path = f"{folder}/{state_name(number)}"
    begin = files.read(path, 0, len(MAGIC))
    if begin not in _KNOWN:
        if begin.startswith(b"edge state "):
            raise JournalFormat(f"{path}: a newer version wrote this journal; nothing was touched. Update edge-runtime")
        return None
    read = Read(State(), number, len(MAGIC), files.size(path), 0, [], ready=False)
    unbroken = 0
    for found in _notes(files, path, read, keys if begin == MAGIC else None):
        if isinstance(found, Gap):
            unbroken = 0
            if found.end < read.length or files.read(path, found.offset, found.end - found.offset).strip(b"\0"):
                read.gaps.append(found)
            continue
        read.size, read.notes, read.needs = found.end, int(found.sequence) + 1, read.needs or found.needs
        unbroken += 1
        if not found.needs:
            kind, body = note_of(found)
            try:
                if kind != SNAPSHOT or orjson.loads(body).get("with", 0) < unbroken:
                    read.state.apply(kind, body)
            except (ValueError, KeyError, TypeError):
                read.gaps.append(Gap(found.offset, found.end))
                unbroken = 0
            read.ready = read.ready or kind == READY
    return read if read.notes else None


def _notes(files: Files, path: str, read: Read, keys: Keyring | None) -> Iterator[Frame | Gap]:
    """The notes of a log, opened, and the gaps between them; nothing where the first one is no snapshot. `keys`: none
    for a log of format 1."""

    def get(at: int, size: int) -> bytes:
        return files.read(path, at, size)

    key = FileKey(read.number if keys is not None else 0)
    first = next((found for found in walk(get, len(MAGIC), read.length, key) if isinstance(found, Frame)), None)
    kind, body = note_of(first) if first is not None else (READY, b"")
    if first is None or kind != SNAPSHOT:
        return
    if first.offset > len(MAGIC):
        yield Gap(len(MAGIC), first.offset)
    yield first
    if keys is not None:
        snapshot = orjson.loads(body)
        key = log_key(keys, read.number, snapshot.get("salt", ""), snapshot.get("key", ""))
    for found in walk(get, first.end, read.length, key, after=first.sequence):
        if isinstance(found, Frame) and key.about and not found.closed and note_of(found)[0] in _SECRET:
            yield Gap(found.offset, found.end)  # not of our making: anybody can compute a checksum
        else:
            yield found


class StateLog:
    """The log being written. Not thread-safe: the books lock guards it, except `sync`, which needs no lock."""

    def __init__(self, files: Files, folder: str) -> None:
        self._files = files
        self._folder = folder
        self._file: File | None = None
        self.number = 0
        self._key = FileKey(0)
        self._notes = 0
        self.step = 0  # bytes of the file to reserve at a time; none until it is told
        self.size = 0  # of the notes
        self.length = 0  # of the file: zeros behind the notes
        self.checkpoint_size = 0
        self.dirty = False
        self.urgent = False  # someone waits for the sync; acknowledgements do not
        self.settled = 0  # records that were acknowledged since the last one
        self.lost = False  # what the disk holds of the log is unknown: only a new checkpoint helps

    def write(self, kind: int, body: bytes, wall: float) -> int:
        """Write one note at once; it is durable after the next `sync`. Returns its bytes. Raises OSError."""
        if self._file is None:
            raise JournalError(f"{self._folder}: the state log cannot be written yet; the disk refused a checkpoint")
        number = self._notes
        self._notes += 1  # also of a note that is not written whole: what is closed under a number may be on the disk
        data = note(kind, body, number, wall, self._key, secret=kind in _SECRET)
        path = f"{self._folder}/{state_name(self.number)}"
        if self.step and self.size + len(data) > self.length:
            self.length = reserve_ahead(self._files, path, self._file, self.size + len(data), self.step)
        try:
            self._file.write(data)
        except OSError:
            self._files.truncate(path, self.size)
            self.length = self.size
            raise
        self.size += len(data)
        self.length = max(self.length, self.size)
        self.dirty = True
        return len(data)

    def sync(self) -> None:
        """What was written before the call is durable after it. After an OSError only `replace` helps."""
        self.forgo()
        if self._file is not None:
            try:
                self._file.sync()
            except OSError:
                self.lost = True
                raise

    def forgo(self) -> None:
        """What was written so far needs no further sync."""
        self.dirty = self.urgent = False
        self.settled = 0

    def replace(self, number: int, notes: Iterator[tuple[int, bytes]], wall: float, key: FileKey) -> int:
        """Begin a new log with a checkpoint, durably, and remove the older. `key` was never used before. Returns its
        bytes. Raises OSError."""
        aside, path = f"{self._folder}/state.tmp", f"{self._folder}/{state_name(number)}"
        count, size = 0, len(MAGIC)
        if "state.tmp" in self._files.names(self._folder):
            self._files.remove(aside)
        file = self._files.append(aside)
        try:
            file.write(MAGIC)
            for kind, body in notes:
                data = note(kind, body, count, wall, key, secret=kind in _SECRET)
                file.write(data)
                count += 1
                size += len(data)
            file.sync()
            self._files.rename(aside, path)
        except OSError:
            file.close()
            with contextlib.suppress(OSError):  # on a full disk a half checkpoint takes what others need
                self._files.remove(aside)
            raise
        try:
            self._files.sync_folder(self._folder)
        except OSError:
            # The next start must not prefer a checkpoint that the log goes on without.
            file.close()
            self._files.remove(path)
            raise
        if self._file is not None:
            self._file.close()
        self._file, self._notes, self.size, self.length, self.checkpoint_size = file, count, size, size, size
        self.lost = False
        self.forgo()
        self.number, self._key = number, key
        self.tidy()
        return size

    def tidy(self) -> None:
        """Remove every state log older than this one."""
        for name in self._files.names(self._folder):
            number = state_number(name)
            if number is not None and number < self.number:
                self._files.remove(f"{self._folder}/{name}")

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
