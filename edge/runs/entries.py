"""The entries of one task's memory: which of them count, oldest first, and what still lies in the table beside them.

What is read writes nothing: an entry that is too old or too much is left out at once, and leaves the table in the frame
of the next append.
"""

from __future__ import annotations

import heapq
import math
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

from edge.config.tasks import MemorySection
from edge.runs.tables import Table, plain


class _Entry(NamedTuple):
    """`at`: when it came, `due`: when its own time is over, both as ages; `size`: bytes of JSON."""

    at: float
    due: float
    size: int


class Entries:
    """Guarded by `lock`. Ages are seconds that the runtime ran, over all boots."""

    def __init__(self, table: Table) -> None:
        self.lock = threading.Lock()
        self._table = table
        self._entries: dict[int, _Entry] = {}
        self._size = 0
        self._due: list[tuple[float, int]] = []  # a heap of those with a time of their own
        self._gone: list[int] = []
        self._known = False  # whether all this is what the table has

    def mind(self, settings: MemorySection, age: float) -> None:
        """Read the table where that is still to do, and leave out what is too old or too much."""
        if not self._known:
            self._read(age)
        while self._due and self._due[0][0] <= age:
            self._drop(heapq.heappop(self._due)[1])
        oldest = age - (settings.ttl or math.inf)
        while self._entries and self._entries[self._first].at <= oldest:
            self._drop(self._first)
        self._make_room(settings, 0, 0)

    def append(self, settings: MemorySection, value: Any, size: int, age: float, ttl: float | None) -> None:
        """After `mind`: one frame. Raises JournalError."""
        self._make_room(settings, 1, size)
        document = {"at": round(age, 3), **({} if ttl is None else {"ttl": ttl}), "v": value}
        self._known = False  # where this raises, the table knows best what it did
        [number] = self._table.exchange(self._gone, [document])
        self._known = True
        self._gone.clear()
        self._put(number, _Entry(age, age + (ttl or math.inf), size))

    def newest(self) -> Iterator[Any]:
        """After `mind`: the values, newest first; copies."""
        for number in reversed(self._entries):
            yield self._table.get(doc_id=number)["v"]

    def _read(self, age: float) -> None:
        """A crash may have set ages back since some were written: none is younger than those that came after it."""
        self._entries, self._size, self._due, self._gone = {}, 0, [], []
        found: list[tuple[int, _Entry]] = []
        for document in reversed(list(self._table)):
            _, size = plain(document["v"])
            age = min(document["at"], age)
            found.append((document.doc_id, _Entry(age, age + document.get("ttl", math.inf), size)))
        for number, entry in reversed(found):
            self._put(number, entry)
        self._known = True

    @property
    def _first(self) -> int:
        return next(iter(self._entries))

    def _put(self, number: int, entry: _Entry) -> None:
        self._entries[number] = entry
        self._size += entry.size
        if entry.due < math.inf:
            heapq.heappush(self._due, (entry.due, number))
        if len(self._due) > 2 * len(self._entries):  # most are of entries that went before their time
            self._due = [(one.due, number) for number, one in self._entries.items() if one.due < math.inf]
            heapq.heapify(self._due)

    def _drop(self, number: int) -> None:
        entry = self._entries.pop(number, None)
        if entry is not None:
            self._size -= entry.size
            self._gone.append(number)

    def _make_room(self, settings: MemorySection, more: int, size: int) -> None:
        while self._entries and (len(self._entries) + more > settings.entries or self._size + size > settings.size):
            self._drop(self._first)
