"""What the journal raises on purpose.

JournalError          the journal cannot keep or read something; says what, where and what to do
|- JournalLocked      another process owns it; `pid` says which
`- JournalFormat      written by a newer version than this one reads
"""

from __future__ import annotations

from edge.errors import EdgeError


class JournalError(EdgeError, OSError):
    """The journal cannot keep or read something."""


class JournalLocked(JournalError):
    """Another process owns the journal. `pid` is its process id, 0 where it could not be read."""

    def __init__(self, path: str, pid: int) -> None:
        self.pid = pid
        owner = f"process {pid}" if pid else "another process"
        super().__init__(f"{path}: the journal is in use by {owner}; stop it first, or use the read-only commands")


class JournalFormat(JournalError):
    """The journal was written by a newer version of this software; nothing was touched."""
