"""What bounds a journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Durability = Literal["memory", "written", "fsync"]
"""What a record has survived when it counts as durable: nothing yet, the end of the process, a power cut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bytes and seconds. `buffer`: what may be appended and not yet written before `append` writes it itself.
    `keep_delivered`: how long what nobody waits for is kept; `keep_dead`: how long dead letters are, or a tenth more.
    `min_free`: what is to stay free on the disk. `when_full`: what gives way then, see `edge.journal.space`; `thin`
    leaves one frame in `thin_to`. `durability` is what `durable` promises, for all or by class; a class that is not
    named has `fsync`. With `memory` a record counts at once and is written when the writer gets to it.
    `table_size`: what the documents of one state table may take; `tables`: how many there may be."""

    max_size: int = 256_000_000
    segment: int = 8_000_000
    buffer: int = 4_000_000
    keep_delivered: float = 86_400.0
    keep_dead: float = 30 * 86_400.0
    min_free: int = 0
    when_full: Literal["drop_oldest", "thin", "block"] = "drop_oldest"
    thin_to: int = 10
    durability: Durability | Mapping[str, Durability] = "fsync"
    table_size: int = 8_000_000
    tables: int = 64

    @property
    def segment_size(self) -> int:
        """Where a segment ends: small enough that dropping one is a small part of the journal."""
        return min(self.segment, max(self.max_size // 16, 1 << 14))

    def level(self, stream: str) -> Durability:
        """What a record of that stream has survived when it counts as durable."""
        return self.durability if isinstance(self.durability, str) else self.durability.get(stream, "fsync")

    def syncs(self, stream: str) -> bool:
        """Whether a group of that stream is synced before it counts as durable."""
        return self.level(stream) == "fsync"

    @property
    def reserve(self) -> int:
        """Bytes of a segment to reserve at a time."""
        return min(1 << 18, self.segment_size)
