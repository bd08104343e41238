"""What an upstream receiver has to do, and no more: take every outcome, keep each once.

Invariants
- A message is stored in one transaction, all its outcomes or none; when `take` returns they survive a power cut.
  Only then may the message be acknowledged.
- An outcome is known by its `id` and nothing else: gateways deliver at least once, and a repeat has the same id.
- The index of ids is the table's own, so it lives as long as the outcomes and cannot disagree with them.

Format: SQLite, tables `outcomes` (number, id, gateway, task, status, time, envelope as JSON; `number` is the order of
arrival) and `gateways` (gateway, received, accepted, repeats).
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from edge.envelope import unpack

_SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
CREATE TABLE IF NOT EXISTS outcomes (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, gateway TEXT NOT NULL,
    task TEXT NOT NULL, status TEXT NOT NULL, time TEXT NOT NULL, envelope TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS gateways (
    gateway TEXT PRIMARY KEY, received INTEGER NOT NULL, accepted INTEGER NOT NULL, repeats INTEGER NOT NULL);
"""
_OUTCOME = """
INSERT INTO outcomes (id, gateway, task, status, time, envelope) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""
_GATEWAY = """
INSERT INTO gateways VALUES (?1, ?2, ?3, ?2 - ?3) ON CONFLICT DO UPDATE SET
    received = received + excluded.received, accepted = accepted + excluded.accepted,
    repeats = repeats + excluded.repeats
"""
Envelope = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Counts:
    """received = accepted + repeats."""

    received: int = 0
    accepted: int = 0

    @property
    def repeats(self) -> int:
        return self.received - self.accepted

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.received + other.received, self.accepted + other.accepted)

    def data(self) -> dict[str, int]:
        return {"received": self.received, "accepted": self.accepted, "repeats": self.repeats}


class Receiver:
    """Messages in, each outcome once into a SQLite file. One thread.

    Raises sqlite3.Error, also from `take`, when the file cannot be used; nothing of that message is stored then.
    """

    def __init__(self, path: Path, *, on_accepted: Callable[[Envelope], None] = lambda envelope: None) -> None:
        """`on_accepted` is told of every new outcome, after it is stored."""
        self._on_accepted = on_accepted
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.executescript(_SCHEMA)

    def take(self, payload: bytes) -> Counts:
        """Store one message: an outcome, or a batch. Raises ValueError when it is neither, and stores nothing."""
        envelopes = unpack(payload)
        rows = [_row(envelope) for envelope in envelopes]
        fresh = []
        received, accepted = Counter[str](), Counter[str]()
        execute = self._database.execute
        with self._database:
            execute("BEGIN IMMEDIATE")
            for row, envelope in zip(rows, envelopes, strict=True):
                received[row[1]] += 1
                if execute(_OUTCOME, row).rowcount:
                    accepted[row[1]] += 1
                    fresh.append(envelope)
            for gateway, count in received.items():
                execute(_GATEWAY, (gateway, count, accepted[gateway]))
        for envelope in fresh:
            self._on_accepted(envelope)
        return Counts(len(rows), len(fresh))

    @property
    def gateways(self) -> dict[str, Counts]:
        """What came from each gateway, ever."""
        rows = self._database.execute("SELECT gateway, received, accepted FROM gateways ORDER BY gateway")
        return {gateway: Counts(received, accepted) for gateway, received, accepted in rows}

    @property
    def total(self) -> Counts:
        return sum(self.gateways.values(), Counts())

    def close(self) -> None:
        """Idempotent."""
        self._database.close()


def _row(envelope: Envelope) -> tuple[str, str, str, str, str, str]:
    id, data = envelope["id"], envelope.get("data")
    if not isinstance(id, str) or not isinstance(data, dict):
        raise ValueError("not the envelope of an outcome: `id` is to be text, `data` an object")
    source = str(envelope.get("source", ""))
    # `/edge/<id>/tasks/<task>`; another producer's source stands as it is
    steps = source.split("/")
    gateway = steps[2] if len(steps) > 3 and steps[1] == "edge" else source
    task, status, time = str(data.get("task", "")), str(data.get("status", "")), str(envelope.get("time", ""))
    return id, gateway, task, status, time, orjson.dumps(envelope).decode()
