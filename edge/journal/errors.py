"""What the journal raises on purpose.

JournalError          the journal cannot keep or read something; says what, where and what to do
|- JournalLocked      another process owns it; `pid` says which
|- JournalKeyMissing  it is encrypted with a key that is not given; `needs` says which
`- JournalFormat      written by a newer version than this one reads
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edge.errors import EdgeError


class JournalError(EdgeError, OSError):
    """The journal cannot keep or read something."""


class JournalLocked(JournalError):
    """Another process owns the journal. `pid` is its process id, 0 where it could not be read."""

    def __init__(self, path: str, pid: int) -> None:
        self.pid = pid
        owner = f"process {pid}" if pid else "another process"
        super().__init__(f"{path}: the journal is in use by {owner}; stop it first, or use the read-only commands")


class JournalKeyMissing(JournalError):
    """It is encrypted with keys that are not given; nothing was touched. `needs`: the id of each, and its files."""

    def __init__(self, path: str, needs: Mapping[str, Sequence[str]], given: Sequence[str]) -> None:
        self.needs = {key: tuple(names) for key, names in needs.items()}
        wanted = "; ".join(f"key {key}: {_listed(names)}" for key, names in needs.items())
        there = f"given are {', '.join(given)}" if given else "none is given"
        super().__init__(
            f"{path}: the journal is encrypted and needs {wanted}. Of journal.encrypt in edge.yaml {there}. Name the"
            " missing key there, as `key` or among `old_keys`; nothing was touched"
        )


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


class JournalFormat(JournalError):
    """The journal was written by a newer version of this software; nothing was touched."""
