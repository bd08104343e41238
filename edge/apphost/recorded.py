"""The newest event of a source that the journal remembers, for the dry run of an app that wants to listen to it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

import orjson

from edge.clock import Clock
from edge.config.tasks import When
from edge.model import Event, EventKind, RecordKind, Stored

LOOK = 1000  # records, newest first: each costs one read


class Records(Protocol):
    """What is needed of the journal."""

    @property
    def durable(self) -> int: ...

    def record(self, sequence: int, /) -> Stored | None: ...


def newest_event(journal: Records, clock: Clock) -> Callable[[When], Event | None]:
    """Looks for the event of a trigger's source among the last `LOOK` records."""

    def find(when: When) -> Event | None:
        last = journal.durable
        for sequence in range(last, max(0, last - LOOK), -1):
            stored = journal.record(sequence)
            if stored is None or stored.record.kind is not RecordKind.OUTCOME:
                continue
            data = orjson.loads(stored.record.body)["data"]["event"]
            if data["source"] == when.source:
                return _event(data, clock)
        return None

    return find


def _event(data: dict[str, Any], clock: Clock) -> Event:
    kind = data.get("kind") or (EventKind.MESSAGE if "topic" in data else EventKind.READING)
    return Event(
        id=data["id"],
        source=data["source"],
        kind=EventKind(kind),
        values=data["values"],
        time=datetime.fromisoformat(data["time"]).timestamp(),
        monotonic=clock.monotonic(),
        quality=clock.quality(),
        topic=data.get("topic"),
        hops=data.get("hops", 0),
        doubt=data.get("doubt", ""),
    )
