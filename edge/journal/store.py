"""The documents of state tables: what TinyDB's tables stand on, without TinyDB.

Invariants
- A change is one frame: all documents of a call, or none.
- In memory stands what a reopened journal would read: documents pass through JSON when they come in.
- A document id is given once: neither reopening nor removing makes ids start again; only `clear` does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

JSON = Any


@dataclass(slots=True)
class Documents:
    """One table. `version` is the store's change that touched it last; 0: only ids were given, it does not exist."""

    docs: dict[int, dict[str, JSON]] = field(default_factory=dict)
    next: int = 1
    version: int = 0


@dataclass(slots=True, kw_only=True)
class Change:
    """What one call does to one table: empty it, remove, put, in this order; or drop it."""

    table: str
    clear: bool = False
    drop: bool = False
    remove: list[int] = field(default_factory=list)
    put: dict[int, dict[str, JSON]] = field(default_factory=dict)
    next: int = 1

    def dump(self) -> bytes:
        """JSON as TinyDB's own storage writes it. Raises TypeError for what JSON cannot hold."""
        body: dict[str, JSON] = {"t": self.table, "n": self.next}
        if self.drop:
            body["x"] = True
        if self.clear:
            body["c"] = True
        if self.remove:
            body["d"] = self.remove
        if self.put:
            body["p"] = self.put
        return json.dumps(body, separators=(",", ":")).encode()

    @classmethod
    def load(cls, data: bytes) -> Change:
        """From `dump`; raises ValueError or KeyError for anything else."""
        body = json.loads(data)
        return cls(
            table=body["t"],
            clear=body.get("c", False),
            drop=body.get("x", False),
            remove=body.get("d", []),
            put={int(doc_id): doc for doc_id, doc in body.get("p", {}).items()},
            next=body["n"],
        )


class Store:
    """All state tables by name. Not thread-safe: the journal's books lock guards it."""

    def __init__(self) -> None:
        self.tables: dict[str, Documents] = {}
        self._changes = 0

    def names(self) -> list[str]:
        """The tables that exist."""
        return [name for name, table in self.tables.items() if table.version]

    def reserve(self, name: str) -> int:
        """The next document id of a table. An id reserved for an insert that failed is not given again."""
        table = self.tables.get(name)
        if table is None:
            table = self.tables[name] = Documents()
        table.next += 1
        return table.next - 1

    def apply(self, change: Change) -> None:
        """Make the change in memory; it stands in the log already."""
        self._changes += 1
        if change.drop:
            self.tables.pop(change.table, None)
            return
        table = self.tables.setdefault(change.table, Documents())
        table.version = self._changes
        if change.clear:
            table.docs.clear()
        for doc_id in change.remove:
            table.docs.pop(doc_id, None)
        table.docs.update(change.put)
        table.next = change.next

    def dump(self, documents: int = 500) -> Iterator[bytes]:
        """Changes that build the tables anew, each of at most `documents` documents."""
        for name in self.names():
            table = self.tables[name]
            items = list(table.docs.items())
            for at in range(0, max(len(items), 1), documents):
                put = dict(items[at : at + documents])
                yield Change(table=name, clear=at == 0, put=put, next=table.next).dump()
