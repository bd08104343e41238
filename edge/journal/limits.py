"""What bounds a journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from edge.journal.segments import STREAMS
from edge.model import RecordClass

if TYPE_CHECKING:
    from edge.config.models import JournalSection

Durability = Literal["memory", "written", "fsync"]
"""What a record has survived when it counts as durable: nothing yet, the end of the process, a power cut."""

Policy = Literal["drop_oldest", "drop_newest", "block", "thin"]

WORTH = tuple(reversed(STREAMS))
"""The classes, cheapest first: the order in which they give way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bytes and seconds. `buffer`: what may be appended and not yet written before `append` writes it itself.
    `keep_delivered`: how long what nobody waits for is kept, and `keep_delivered_count` how many outcomes of it: the
    earlier bound wins; `keep_dead`: how long dead letters are, or a tenth more. `min_free`: what is to stay free on the
    disk. `when_full`: what gives way then, for all or by class, see `edge.journal.space`; `thin` leaves one frame in
    `thin_to`. `expire`: after how long a record that still waits is given up, for all or by class. `durability` is
    what `durable` promises, for all or by class; a class that is not named has `fsync`. With `memory` a record counts
    at once and is written when the writer gets to it. `table_size`: what the documents of one state table may take;
    `tables`: how many there may be."""

    max_size: int = 256_000_000
    segment: int = 8_000_000
    buffer: int = 4_000_000
    keep_delivered: float = 86_400.0
    keep_delivered_count: int | None = None
    keep_dead: float = 30 * 86_400.0
    min_free: int = 0
    when_full: Policy | Mapping[str, Policy] = "drop_oldest"
    thin_to: int = 10
    expire: float | Mapping[str, float | None] | None = None
    durability: Durability | Mapping[str, Durability] = "fsync"
    table_size: int = 8_000_000
    tables: int = 64

    @classmethod
    def of(cls, settings: JournalSection) -> Limits:
        """As `journal:` of the configuration has them."""
        return cls(
            max_size=settings.max_size,
            min_free=settings.min_free,
            when_full=settings.when_full.model_dump(),
            thin_to=settings.thin_to,
            expire=settings.expire.model_dump(),
            keep_delivered=settings.keep_delivered,
            keep_delivered_count=settings.keep_delivered_count,
            keep_dead=settings.keep_dead,
            durability=settings.durability.model_dump(),
            table_size=settings.table_size,
            tables=settings.tables,
        )

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

    def policy(self, stream: str) -> Policy:
        """What happens to a record of that stream that finds no room. Only telemetry is thinned; what is no class of
        records gives way by age."""
        policy = self.when_full if isinstance(self.when_full, str) else self.when_full.get(stream, "drop_oldest")
        if stream not in WORTH or (policy == "thin" and stream != RecordClass.TELEMETRY):
            return "drop_oldest"
        return policy

    @property
    def keeping(self) -> list[str]:
        """The streams whose records never give way to newer ones of their own."""
        return [stream for stream in WORTH if self.policy(stream) in ("block", "drop_newest")]

    def margin(self, stream: str) -> int:
        """How far below `max_size` a stream that keeps what it has stops growing: what is worth more still finds room,
        and so does what must be written in any case (promises, and the word that records were dropped)."""
        if stream not in self.keeping:
            return 0
        return self.segment_size * (1 if stream == RecordClass.ALARM else 2)

    def time_to_live(self, klass: str) -> float | None:
        """Seconds after which a waiting record of that class is given up; None: never."""
        return self.expire.get(klass) if isinstance(self.expire, Mapping) else self.expire

    @property
    def reserve(self) -> int:
        """Bytes of a segment to reserve at a time."""
        return min(1 << 18, self.segment_size)
