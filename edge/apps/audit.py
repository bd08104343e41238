"""Who did what, when, and what came of it: the last `MOST` entries, durable, without secrets.

What came from outside and was refused cannot push out what was done: such refusals have `REFUSED` places of their own.
The same one is written at most once a minute, with a count, also where it is signed: whoever caught a signed message
can send it again and again. Of an unproven sender any two for one reason are the same: the name is anybody's to make
up.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from edge.apps.records import LOCAL, Action, Entry
from edge.apps.store import Tables
from edge.clock import Clock, iso

MOST = 1000
REFUSED = 100
UNKNOWN = "unknown"
_MESSAGE = 500  # characters
_QUIET = 60.0  # seconds
_KINDS = 1000  # of refusals that are remembered to be written already


class Audit:
    """One thread at a time."""

    def __init__(self, tables: Tables, clock: Clock, known: Iterable[Entry]) -> None:
        """`known` are entries that must be there unless they are too old; what a crash kept out is put in."""
        self._rows = tables.table("app_audit")
        self._clock = clock
        self._entries: dict[int, Entry] = {row.doc_id: Entry.of(row) for row in self._rows.all()}
        self._quiet: dict[tuple[str, str, str], tuple[float, int]] = {}
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

    def refused(self, entry: Entry, *, remote: bool) -> None:
        """Write down a refusal; one of a message is only counted where the same was just written."""
        if not remote:
            self.add(entry)
            return
        what = "" if entry.by == UNKNOWN else f"{entry.name} {entry.version}"
        kind, now = (entry.by, entry.reason or "", what), self._clock.monotonic()
        since, left_out = self._quiet.get(kind, (-_QUIET, 0))
        if now - since < _QUIET:
            self._quiet[kind] = since, left_out + 1
            return
        self._quiet.pop(kind, None)  # the one written longest ago stands first
        if len(self._quiet) >= _KINDS:
            del self._quiet[next(iter(self._quiet))]
        self._quiet[kind] = now, 0
        self.add(replace(entry, count=1 + left_out))

    def newest(self, limit: int, name: str | None) -> list[Entry]:
        """Newest first; of one app, or of all."""
        found = [entry for entry in self._entries.values() if name in (None, entry.name)]
        return sorted(found, key=lambda one: -one.number)[:limit]

    def _victim(self, entry: Entry) -> int | None:
        """Whose place it takes; None while there is room."""
        refused = [doc_id for doc_id, one in self._entries.items() if _from_outside(one)]
        if len(refused) >= REFUSED and (_from_outside(entry) or len(self._entries) >= MOST):
            return min(refused, key=self._number)
        return min(self._entries, key=self._number) if len(self._entries) >= MOST else None

    def _number(self, doc_id: int) -> int:
        return self._entries[doc_id].number


def _from_outside(entry: Entry) -> bool:
    return entry.action is Action.REFUSE and entry.by != LOCAL
