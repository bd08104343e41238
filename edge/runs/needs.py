"""What the pipeline needs of the journal and the triggers, which know nothing of runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from edge.model import Delivery, Event, Record, RecordClass, Start, Stored


class Ticket(Protocol):
    @property
    def due(self) -> int:
        """The receipt is good when the journal's `durable` reaches this."""


class Journal(Protocol):
    """What the pipeline needs of the journal. Any thread."""

    @property
    def durable(self) -> int: ...

    @property
    def stalled(self) -> bool:
        """The disk refuses, and as much waits in memory as may."""

    def takes(self, klass: RecordClass) -> bool:
        """Whether a run of that class may be begun. `on_durable` is called when it turns true."""

    def append(self, records: Sequence[Record], delivery: Delivery | None = None) -> Ticket: ...

    def unfinished(self) -> Iterable[Stored]: ...


class Triggers(Protocol):
    """What the pipeline needs of the triggers. Only the leading thread calls."""

    @property
    def deadline(self) -> float | None: ...

    def match(self, event: Event) -> tuple[Sequence[Start], str | None]: ...

    def due(self) -> Sequence[Start]: ...
