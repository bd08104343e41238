"""Who did what, when, and what came of it: the last `MOST` entries, durable, without secrets.

What nobody signed cannot push out what somebody did: refusals of unproven senders have `UNPROVEN` places of their own,
and of one reason at most one a minute is written, with a count: the name is anybody's to make up.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from edge.apps.records import Action, Entry
from edge.apps.store import Tables
from edge.clock import Clock, iso

MOST = 1000
UNPROVEN = 100
UNKNOWN = "unknown"
_MESSAGE = 500  # characters
_QUIET = 60.0  # seconds


class Audit:
    """One thread at a time."""

    def __init__(self, tables: Tables, clock: Clock, known: Iterable[Entry]) -> None:
        """`known` are entries that must be there unless they are too old; what a crash kept out is put in."""
        self._rows = tables.table("app_audit")
        self._clock = clock
        self._entries: dict[int, Entry] = {row.doc_id: Entry.of(row) for row in self._rows.all()}
        self._quiet: dict[str, tuple[float, int]] = {}
        written = {entry.number for entry in self._entries.values()}
        oldest = min(written, default=0)
        self._last = max(written, default=0)
        for entry in sorted(known, key=lambda one: one.number):
            self._last = max(self._last, entry.number)
            if entry.number not in written and (entry.number > oldest or len(written) < MOST):
                self.add(entry)

    def entry(self, action: Action, name: str, by: str, **more: Any) -> Entry:
        """A new entry of this moment, not written yet."""
        self._last += 1
        more["message"] = more.get("message", "")[:_MESSAGE]
        time, clock = iso(self._clock.wall()), self._clock.quality()
        return Entry(number=self._last, time=time, clock=clock, by=by, action=action, name=name, **more)

    def add(self, entry: Entry) -> None:
        """Write one down; where it is full, the oldest goes."""
        victim = self._victim(entry)
        if victim is None:
            self._entries[self._rows.insert(entry.data())] = entry
        else:
            self._rows.update(entry.data(), doc_ids=[victim])
            self._entries[victim] = entry

    def refused(self, entry: Entry) -> None:
        """Write down a refusal; one of an unproven sender is only counted where the same was just written."""
        if entry.by != UNKNOWN:
            self.add(entry)
            return
        kind, now = entry.reason or "", self._clock.monotonic()
        since, left_out = self._quiet.get(kind, (-_QUIET, 0))
        if now - since < _QUIET:
            self._quiet[kind] = since, left_out + 1
            return
        self._quiet[kind] = now, 0
        self.add(replace(entry, count=1 + left_out))

    def newest(self, limit: int, name: str | None) -> list[Entry]:
        """Newest first; of one app, or of all."""
        found = [entry for entry in self._entries.values() if name in (None, entry.name)]
        return sorted(found, key=lambda one: -one.number)[:limit]

    def _victim(self, entry: Entry) -> int | None:
        """Whose place it takes; None while there is room."""
        unproven = [doc_id for doc_id, one in self._entries.items() if one.by == UNKNOWN]
        if len(unproven) >= UNPROVEN and (entry.by == UNKNOWN or len(self._entries) >= MOST):
            return min(unproven, key=self._number)
        return min(self._entries, key=self._number) if len(self._entries) >= MOST else None

    def _number(self, doc_id: int) -> int:
        return self._entries[doc_id].number
