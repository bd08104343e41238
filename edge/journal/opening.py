"""Opening a journal: from what its files tell to one that can be written, whatever had happened to them.

A torn tail is cut off: it was never confirmed. Anything else that cannot be read is copied to a side file
(`quarantine-...`), counted as lost, and reported. Ends with a checkpoint, so the next start is short.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from zlib import crc32

from edge.clock import Clock
from edge.journal.errors import JournalKeyMissing
from edge.journal.files import Files
from edge.journal.format1 import convert
from edge.journal.keys import Keyring
from edge.journal.ledger import Ledger
from edge.journal.recovery import Damage, Survey, survey
from edge.journal.rewrite import SUFFIX, rewrite
from edge.journal.segments import VERSION
from edge.journal.writer import Writer

_SIDE_FILE = 1 << 24


def open_ledger(
    files: Files,
    folder: str,
    clock: Clock,
    upstreams: Sequence[str],
    step: int,
    formerly: Mapping[str, str],
    keys: Keyring,
) -> tuple[Ledger, dict[str, Writer], int]:
    """The ledger, a writer for every stream, and the last sequence number. The caller holds the lock.
    `step`: bytes of a segment to reserve at a time.

    Raises `JournalFormat` for a newer format, `JournalKeyMissing` where not everything can be opened, OSError where the
    disk refuses.
    """
    found = survey(files, folder, keys)
    if found.needs:
        raise JournalKeyMissing(folder, found.needs, keys.names)
    ledger = Ledger(files, folder, clock, found, keys)
    if not found.state.seed:
        found.state.seed = crc32(f"{folder} {clock.wall()!r}".encode()) or 1
    describe(found, ledger)
    for segment in dict.fromkeys(found.damaged):
        ledger.reckon(segment)
    ledger.books.upstreams = tuple(upstreams)
    ledger.balance()
    for name, former in formerly.items():
        ledger.adopt(name, former)
    writers = {name: Writer(files, folder, stream, ledger.begin, step) for name, stream in ledger.books.streams.items()}
    try:
        _quarantine(files, folder, found)
        for name in found.state.gone:
            with contextlib.suppress(FileNotFoundError):
                files.remove(f"{folder}/{name}")
        for name in files.names(folder):
            if name.endswith(SUFFIX):
                files.remove(f"{folder}/{name}")
        found.sequence = convert(files, folder, ledger, found.sequence, clock.wall())
        _resume(files, folder, ledger, found, writers, clock)
        files.sync_folder(folder)
        ledger.checkpoint(found.sequence)
    except OSError as error:
        # It starts all the same: what is there can be read, and the first commit tries the checkpoint again.
        ledger.trouble("disk", f"the journal cannot be written: {error.strerror or error}")
        ledger.log.lost = True
        for writer in writers.values():
            writer.abandon()
    return ledger, writers, found.sequence


def describe(found: Survey, ledger: Ledger) -> None:
    """Say what is wrong. Changes no file."""
    if found.read is None and any(found.books.segments()):
        ledger.degrade("the state log is lost: state tables are empty, what was delivered may be sent again")
    for damage in found.damages:
        if not damage.torn:
            ledger.degrade(f"{damage.name}: bytes {damage.offset} to {damage.end}: {damage.what}")
    for name in found.unreadable:
        ledger.degrade(f"{name} cannot be read")
    for key, names in found.needs.items():
        ledger.degrade(f"key {key} is not given: {len(names)} files cannot be opened, {names[0]} among them")
    for name in found.missing:
        if name not in found.unreadable:
            ledger.degrade(f"{name} is missing")


def _quarantine(files: Files, folder: str, found: Survey) -> None:
    for damage in found.damages:
        if not damage.torn:
            copy_aside(files, folder, damage)
    for name in found.stillborn:
        files.remove(f"{folder}/{name}")
    for name in found.unreadable:
        files.rename(f"{folder}/{name}", f"{folder}/quarantine-{name}")


def copy_aside(files: Files, folder: str, damage: Damage) -> None:
    """Keep the bytes that cannot be read in a side file, once. Raises OSError."""
    side = f"quarantine-{damage.name}-{damage.offset}.bin"
    present = files.names(folder)
    if damage.name in present and side not in present:
        data = files.read(f"{folder}/{damage.name}", damage.offset, min(damage.end - damage.offset, _SIDE_FILE))
        file = files.append(f"{folder}/{side}")
        try:
            file.write(data)
            file.sync()
        finally:
            file.close()


def _resume(files: Files, folder: str, ledger: Ledger, found: Survey, writers: dict[str, Writer], clock: Clock) -> None:
    """Go on in the newest segments that are whole and plain; end the others as they are.

    One with frames that no checkpoint knows was left by a process that did not end well. They were read from the
    kernel's cache, which may hold what a failed sync did not bring to the disk, and would never bring there: they are
    written again.
    """
    for segment in ledger.books.segments():
        if segment.sealed:
            continue
        known = found.state.segments.get(segment.name)
        if segment.size > segment.body and (known is None or known["last"] < segment.last):
            ledger.written += rewrite(files, folder, ledger.outbox, segment, lambda frame: True, clock.wall())
            segment.rewritten = False  # nothing was left out of it: it may become sparse yet
            continue
        if segment.length > segment.size:
            files.truncate(f"{folder}/{segment.name}", segment.size)
            segment.length = segment.size
        writer = writers[segment.header.stream]
        writer.resume(segment)
        newest = segment is writer.stream.segments[-1]
        header = segment.header
        same = header.upstreams == ledger.owed(writer.stream) and header.version == VERSION
        plain = not header.salt and not ledger.keys.current
        if not (newest and same and plain and segment not in found.damaged):
            writer.seal(clock.wall(), durable=True)
