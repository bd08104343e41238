"""The documents of state tables: what TinyDB's tables stand on, without TinyDB.

Invariants
- A note is one frame: all documents of a call, or none.
- In memory stands what a reopened journal would read, because documents pass through JSON when they come in: tuples
  are lists, keys are strings, NaN stays NaN, as in the file of TinyDB's own storage.
- A document in a table is never changed, only replaced: who has a list of them can read on without a lock.
- A document id is given once: neither reopening nor removing makes ids start again; only `clear` and `drop` do.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from edge.journal.errors import JournalError
from edge.journal.limits import Limits

JSON = Any
_LONGEST = 1 << 24  # bytes of one note, well below what a frame may be: a longer one could not be read back
_DEEPEST = 100  # levels of one document: every reader of it has the stack for so many
_SHARE = 8  # all tables together may take this part of the journal's size, since their log is several times as long
_encode = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(slots=True)
class Documents:
    """One table. `version`: the store's change that touched it last. `size`: bytes of its documents in the log."""

    docs: dict[int, dict[str, JSON]] = field(default_factory=dict)
    next: int = 1
    version: int = 0
    size: int = 0


@dataclass(slots=True, kw_only=True)
class Change:
    """What one call does to one table: empty it, remove, put, in this order; or drop it."""

    table: str
    clear: bool = False
    drop: bool = False
    remove: list[int] = field(default_factory=list)
    put: dict[int, dict[str, JSON]] = field(default_factory=dict)
    next: int = 1
    size: int = 0  # bytes of what is put; known once it was written or read

    def dump(self) -> tuple[str, int]:
        """JSON as TinyDB's own storage writes it, and the `size`. Raises TypeError or ValueError for what JSON cannot
        hold."""
        body: dict[str, JSON] = {"t": self.table, "n": self.next}
        if self.drop:
            body["x"] = True
        if self.clear:
            body["c"] = True
        if self.remove:
            body["d"] = self.remove
        if not self.put:
            return _encode(body), 0
        try:
            put = _encode(self.put)
        except RecursionError:
            raise _too_deep(self.table) from None
        return f'{_encode(body)[:-1]},"p":{put}}}', len(put) - 1

    @classmethod
    def load(cls, body: Mapping[str, JSON], size: int) -> Change:
        """From what `dump` wrote; raises ValueError, KeyError or TypeError for anything else."""
        return cls(
            table=body["t"],
            clear=body.get("c", False),
            drop=body.get("x", False),
            remove=body.get("d", []),
            put={int(doc_id): doc for doc_id, doc in body.get("p", {}).items()},
            next=body["n"],
            size=size,
        )


class Store:
    """All state tables by name. Those who change it are kept apart by the tables' lock and, against a checkpoint, by
    the books lock; `lock`, never held while a file is
    touched, keeps the documents still for who reads them meanwhile."""

    def __init__(self) -> None:
        self.tables: dict[str, Documents] = {}
        self.lock = threading.RLock()
        self.size = 0
        self._changes = 0

    def admit(self, changes: Iterable[Change], limits: Limits) -> tuple[bytes, list[Change]]:
        """The note to write for some changes, one a table, and the changes as they will be read back from it.

        Raises TypeError or ValueError for what JSON cannot hold, `JournalError` for what is more than the limits
        allow. A change that makes nothing larger is never too large: limits may have been lowered.
        """
        notes = [change.dump() for change in changes]
        text = notes[0][0] if len(notes) == 1 else f"[{','.join(text for text, _ in notes)}]"
        if len(text) > _LONGEST:
            raise JournalError(
                f"one change of state tables may take {_LONGEST:,} bytes, not {len(text):,}; nothing was changed. "
                "Insert in portions"
            )
        admitted = [Change.load(json.loads(text), size) for text, size in notes]
        for change in admitted:
            if _deeper(change.put.values(), _DEEPEST):
                raise _too_deep(change.table)
        self._allow(admitted, limits)
        return text.encode(), admitted

    def _allow(self, changes: list[Change], limits: Limits) -> None:
        number, total = len(self.tables), self.size
        for change in changes:
            before = self.tables.get(change.table, _NOTHING)
            number += (not change.drop) - (change.table in self.tables)
            after = before.size + change.size
            if after > limits.table_size or total + change.size > limits.max_size // _SHARE:
                after -= self._freed(change)  # dear to know, and only of interest near the limits
            total += after - before.size
            if after > max(limits.table_size, before.size):
                raise JournalError(
                    f"table {change.table!r} may take {limits.table_size:,} bytes (table_size) and would take "
                    f"{after:,}; nothing was changed. Remove documents, or allow more"
                )
        if total > max(limits.max_size // _SHARE, self.size):
            raise JournalError(
                f"table {changes[-1].table!r}: all state tables may take {limits.max_size // _SHARE:,} bytes, a part "
                f"of max_size, and would take {total:,}; nothing was changed. Remove documents, or allow more"
            )
        if number > max(limits.tables, len(self.tables)):
            raise JournalError(
                f"table {changes[-1].table!r}: the journal keeps at most {limits.tables} state tables (tables); "
                "nothing was changed. Drop one, or allow more"
            )

    def _freed(self, change: Change) -> int:
        """Bytes that go with what the change empties, removes and replaces."""
        table = self.tables.get(change.table, _NOTHING)
        if change.clear or change.drop:
            return table.size
        gone = {doc_id: table.docs[doc_id] for doc_id in (*change.remove, *change.put) if doc_id in table.docs}
        return _bytes(gone)

    def apply(self, changes: list[Change]) -> None:
        """Make changes in memory, as `admit` gave them or as a note has them; the note stands in the log already."""
        growths = [change.size - self._freed(change) for change in changes]
        with self.lock:
            for change, growth in zip(changes, growths, strict=True):
                self._apply(change, growth)

    def _apply(self, change: Change, growth: int) -> None:
        self._changes += 1
        self.size += growth
        if change.drop:
            self.tables.pop(change.table, None)
            return
        table = self.tables.setdefault(change.table, Documents())
        table.version = self._changes
        table.size += growth
        if change.clear:
            table.docs.clear()
        for doc_id in change.remove:
            table.docs.pop(doc_id, None)
        table.docs.update(change.put)
        table.next = change.next

    def replay(self, note: bytes) -> None:
        """Apply a note. Raises ValueError, KeyError or TypeError where it makes no sense."""
        body = json.loads(note)
        if isinstance(body, list):
            self.apply([Change.load(part, _bytes(part.get("p"))) for part in body])
        else:
            rest = {key: value for key, value in body.items() if key != "p"}
            self.apply([Change.load(body, len(note) - len(_encode(rest)) - len(',"p":') - 1 if "p" in body else 0)])

    def dump(self, documents: int = 500) -> Iterator[bytes]:
        """Notes that build the tables anew, each of at most `documents` documents, fewer where they are long."""
        for name, table in self.tables.items():
            at, items = 0, list(table.docs.items())
            while True:
                put = dict(items[at : at + documents])
                text, _ = Change(table=name, clear=at == 0, put=put, next=table.next).dump()
                if len(text) > _LONGEST and documents > 1:
                    documents //= 2
                    continue
                yield text.encode()
                at += documents
                if at >= len(items):
                    break


_NOTHING = Documents()


def _bytes(docs: Mapping[Any, JSON] | None) -> int:
    """What documents take in the log, with their ids."""
    return len(_encode(docs)) - 1 if docs else 0


def _too_deep(table: str) -> ValueError:
    return ValueError(f"table {table!r}: a document may be nested {_DEEPEST} levels deep; nothing was changed")


def _deeper(values: Iterable[JSON], limit: int) -> bool:
    """Whether lists and objects are nested deeper than `limit`."""
    level: list[JSON] = list(values)
    for _ in range(limit):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if type(outer) is dict else outer)
            if type(inner) is dict or type(inner) is list
        ]
        if not level:
            return False
    return True
