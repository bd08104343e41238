"""How many processes there should be: as many as were in use at once lately. Knows none of them but by number."""

from __future__ import annotations

import threading
from collections.abc import Callable

_LATELY = 100  # sessions in which a peak is remembered, and as many again
_AHEAD = 10  # sessions before a process ends in which others are started in its stead


class Warmth:
    """Counts sessions by process. `missing` is called, in the thread that finds out, when processes should be started:
    `begin`, and `renewed` or `failed`. Any thread."""

    def __init__(self, lasts: int, most: int, missing: Callable[[], None]) -> None:
        """A process ends after `lasts` sessions; no more than `most` are in use. One is there."""
        self._lasts = lasts
        self._most = most
        self._missing = missing
        self._lock = threading.Lock()
        self._sessions: dict[int, int] = {}
        self._ready = 1  # started, and not seen yet
        self._in_use = 0
        self._seen = 0
        self._peak, self._peak_before = 1, 1
        self._starting = False

    @property
    def wanted(self) -> int:
        """Processes that there should be."""
        return min(self._most, max(self._peak, self._peak_before))

    def entered(self, pid: int | None) -> bool:
        """A session begins in this process; True when it had to be started for it."""
        if pid is None:
            return False
        with self._lock:
            self._in_use += 1
            self._seen += 1
            if self._seen % _LATELY == 0:
                self._peak_before, self._peak = self._peak, 1
            self._peak = max(self._peak, self._in_use)
            sessions = self._sessions.get(pid, 0)
            self._sessions[pid] = sessions + 1
            if sessions or not self._ready:
                return not sessions
            self._ready -= 1
            return False

    def left(self, pid: int | None, *, gone: bool = False) -> None:
        """The session of this process is over, or the process is; None: it never had one."""
        if pid is None:
            return
        with self._lock:
            self._in_use -= 1
            if gone or self._sessions.get(pid, 0) >= self._lasts:
                self._sessions.pop(pid, None)
            young = sum(count < self._lasts - _AHEAD for count in self._sessions.values())
            missing = not self._starting and young + self._ready < self.wanted
        if missing:
            self._missing()

    def begin(self) -> int:
        """How many processes to start; 0 while others are being started."""
        with self._lock:
            if self._starting:
                return 0
            self._starting = True
            return self.wanted

    def renewed(self, processes: int) -> None:
        """So many are there, in place of all that were."""
        with self._lock:
            self._starting = False
            self._sessions.clear()
            self._ready = processes

    def failed(self) -> None:
        """None could be started."""
        with self._lock:
            self._starting = False
