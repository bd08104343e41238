"""`open_database`: any TinyDB on the journal's storage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.clock import Clock, SystemClock
from edge.journal.files import Files
from edge.journal.journal import open_journal
from edge.journal.limits import Limits

if TYPE_CHECKING:
    from edge.journal.tables import JournalDB


def open_database(
    path: str, *, limits: Limits | None = None, files: Files | None = None, clock: Clock | None = None
) -> JournalDB:
    """Open or create a TinyDB in folder `path`: the whole documented API, every change durable on return.

    `limits`: how large a table may be (`table_size`) and how many there may be (`tables`). What differs from stock
    TinyDB stands at the top of `edge.journal.tables`. One process at a time: raises `JournalLocked` for a second one.
    `close()` gives the folder free.
    """
    from edge.journal.tables import JournalDB  # whoever only journals pays nothing for TinyDB

    return JournalDB(
        open_journal(path, clock=clock if clock is not None else SystemClock(), files=files, limits=limits)
    )
