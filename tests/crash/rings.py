"""What holds for a journal in the clear holds for one that is encrypted: keys for both, and files with their keys."""

from __future__ import annotations

import random

import pytest

from edge.journal import Keyring, read_journal
from edge.journal.frames import HEAD_SIZE, records_of
from edge.model import Record
from edge.testing.files import MemoryFiles

MASTER, FORMER = bytes(range(32)), bytes(range(32, 64))

both = pytest.mark.parametrize("encrypted", [False, True], ids=("plain", "encrypted"))


def ring(encrypted: bool, seed: int = 0) -> Keyring:
    """The keys of one world, with salts that follow from its seed."""
    return Keyring(MASTER if encrypted else None, draw=random.Random(seed).randbytes)


class KeyedFiles(MemoryFiles):
    """Files in memory, and the keys of the journal that stands in them."""

    def __init__(self, *, encrypted: bool) -> None:
        super().__init__()
        self.encrypted = encrypted
        self.keys = ring(encrypted)

    def place(self, folder: str, record: Record) -> tuple[str, int]:
        """The file that a record stands in, and where there."""
        ledger = read_journal(folder, files=self, keys=self.keys)._ledger
        return next(
            (f"{folder}/{segment.name}", frame.offset + HEAD_SIZE)
            for segment in ledger.books.segments()
            for frame in ledger.outbox.frames(segment)
            if not segment.is_dead and record in records_of(frame)
        )
