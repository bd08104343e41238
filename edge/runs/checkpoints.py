"""Where runs that a crash may interrupt leave what they go on from: one value a run, until its outcome is durable.

A document may go only when nobody needs it any more: not before the journal knows the outcome for good. So none is
removed at the end of its run; the next change of the table, or the next start, sweeps what is over.
"""

from __future__ import annotations

import logging
import threading
from typing import Any

from edge.errors import LimitExceeded
from edge.runs.run import Run
from edge.runs.tables import Tables, plain

log = logging.getLogger(__name__)

LARGEST = 64_000  # bytes of JSON
_MOST = 100  # more than runs at once; they fit one table


class OnePerRun:
    """A table with one document a run at most, and `most` in all: beyond them the oldest goes. Any thread.

    A change is one frame: after a crash a run finds what it wrote last, or if it was writing, perhaps what came before.
    """

    def __init__(self, journal: Tables, name: str, most: int) -> None:
        self._journal = journal
        self._name = name
        self._most = most
        self._lock = threading.Lock()
        self._known: dict[str, int] | None = None

    def put(self, run: str, fields: dict[str, Any]) -> None:
        """Keep this, and only this, for the run; durable on return. Raises JournalError."""
        with self._lock:
            known = self._read()
            kept = [id for id in known if id != run and self._journal.owes(id)]
            kept = kept[max(0, len(kept) + 1 - self._most) :]
            gone = [number for id, number in known.items() if id not in kept]
            self._known = None  # where this raises, the table knows best what it did
            [number] = self._journal.table(self._name).exchange(gone, [{"run": run, **fields}])
            self._known = {id: known[id] for id in kept} | {run: number}

    def get(self, run: str) -> Any:
        """What was put last; None where nothing was, or it had to go."""
        with self._lock:
            number = self._read().get(run)
        return None if number is None else self._journal.table(self._name).get(doc_id=number)

    def sweep(self) -> None:
        """Remove what is of runs whose outcome is durable. Raises JournalError."""
        with self._lock:
            known = self._read()
            over = {id: number for id, number in known.items() if not self._journal.owes(id)}
            if over:
                self._known = None
                self._journal.table(self._name).exchange(over.values(), [])
                self._known = {id: number for id, number in known.items() if id not in over}

    def _read(self) -> dict[str, int]:
        if self._known is None:
            there = self._name in self._journal.tables()
            table = self._journal.table(self._name) if there else ()
            self._known = {document["run"]: document.doc_id for document in table}
        return self._known


class Checkpoints:
    """Values of runs with `on_crash: resume`. Any thread."""

    def __init__(self, journal: Tables) -> None:
        self._kept = OnePerRun(journal, "checkpoints", _MOST)

    def save(self, run: Run, value: Any) -> None:
        """Keep `value`, and only it, for this run; durable on return. Raises LimitExceeded, TypeError, JournalError."""
        made, size = plain(value)
        if size > LARGEST:
            raise LimitExceeded(f"checkpoint: {size} bytes, the limit is {LARGEST}")
        self._kept.put(run.id, {"v": made})

    def load(self, run: Run) -> Any:
        """What the run saved last; None where it saved nothing."""
        document = self._kept.get(run.id)
        return None if document is None else document["v"]

    def sweep(self) -> None:
        """Remove those of runs that are over. Raises JournalError."""
        self._kept.sweep()
