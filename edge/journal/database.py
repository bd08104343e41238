"""`open_database`: any TinyDB on the journal's storage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.clock import Clock, SystemClock
from edge.journal.files import Files
from edge.journal.journal import open_journal

if TYPE_CHECKING:
    from tinydb import TinyDB


def open_database(path: str, *, files: Files | None = None, clock: Clock | None = None) -> TinyDB:
    """Open or create a TinyDB in folder `path`: the whole documented API, every change durable on return.

    One process at a time: raises `JournalLocked` for a second one. `close()` gives the folder free.
    """
    from edge.journal.tables import JournalDB  # whoever only journals pays nothing for TinyDB

    return JournalDB(open_journal(path, clock=clock if clock is not None else SystemClock(), files=files))
