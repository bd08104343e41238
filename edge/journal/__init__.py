"""Room 4: outcomes become durable. The write-ahead journal, its outbox, and TinyDB on top of it."""

from edge.journal.database import open_database
from edge.journal.errors import JournalError, JournalFormat, JournalLocked
from edge.journal.files import DiskFiles, File, Files, Lock
from edge.journal.journal import Journal, open_journal
from edge.journal.limits import Limits
from edge.journal.reader import JournalReader, read_journal
from edge.journal.recovery import Damage
from edge.journal.segments import PUBLISHES
from edge.journal.tickets import Ticket

__all__ = [
    "PUBLISHES",
    "Damage",
    "DiskFiles",
    "File",
    "Files",
    "Journal",
    "JournalError",
    "JournalFormat",
    "JournalLocked",
    "JournalReader",
    "Limits",
    "Lock",
    "Ticket",
    "open_database",
    "open_journal",
    "read_journal",
]
