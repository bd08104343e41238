"""Tickets: what `append` hands back, and how its holder learns that the record is safe."""

from __future__ import annotations

import threading
from typing import NamedTuple

from edge.journal.limits import Durability


class Progress:
    """How far the journal is durable: everything up to `durable`. Any thread."""

    def __init__(self, durable: int) -> None:
        self.durable = durable
        self._moved = threading.Condition()

    def reach(self, sequence: int) -> None:
        """From now on this much is durable; wakes who waits for it. Only the committing thread calls."""
        with self._moved:
            self.durable = sequence
            self._moved.notify_all()

    def wait(self, sequence: int, timeout: float | None) -> bool:
        with self._moved:
            return self._moved.wait_for(lambda: self.durable >= sequence, timeout)


class Ticket(NamedTuple):
    """A receipt for one frame. `sequence` is the number of its last record; `durability` names what it resolves at:
    `fsync` (survives a power cut), `written` (survives the end of the process) or `memory` (resolved at once).

    It resolves when the journal's `durable` reaches `due`, which for `memory` is what was appended before it.
    """

    sequence: int
    durability: Durability
    due: int
    progress: Progress

    @property
    def done(self) -> bool:
        """Whether the record is as safe as `durability` says."""
        return self.durability == "memory" or self.progress.durable >= self.due

    def wait(self, timeout: float | None = None) -> bool:
        """Block until it is, or `timeout` seconds pass; whether it is. Somebody else must `commit`."""
        return self.done or self.progress.wait(self.due, timeout)
