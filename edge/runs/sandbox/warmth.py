"""How many processes there should be: as many as were in use at once lately. Knows none of them but by number."""

from __future__ import annotations

import threading
from collections.abc import Callable

_LATELY = 100  # sessions in which a peak is remembered, and as many again
_AHEAD = 10  # sessions before a process ends in which the next one is started


class Warmth:
    """Counts sessions by process. `missing` is called, in the thread that finds out, when processes should be started.
    Any thread."""

    def __init__(self, lasts: int, most: int, missing: Callable[[], None]) -> None:
        """A process ends after `lasts` sessions; there are never more than `most`."""
        self._lasts = lasts
        self._most = most
        self._missing = missing
        self._lock = threading.Lock()
        self._sessions: dict[int, int] = {}
        self._in_use = 0
        self._sessions_seen = 0
        self._peak, self._peak_before = 1, 1
        self._starting = False

    @property
    def wanted(self) -> int:
        """Processes that there should be."""
        return min(self._most, max(self._peak, self._peak_before))

    @property
    def _ageing(self) -> int:
        return sum(count >= self._lasts - _AHEAD for count in self._sessions.values())

    def entered(self, pid: int | None) -> bool:
        """A session begins in this process; True when it is new."""
        if pid is None:
            return False
        with self._lock:
            self._in_use += 1
            self._sessions_seen += 1
            if self._sessions_seen % _LATELY == 0:
                self._peak_before, self._peak = self._peak, 1
            if not self._starting:
                self._peak = max(self._peak, self._in_use)
            seen = self._sessions.get(pid, 0)
            self._sessions[pid] = seen + 1
            return not seen

    def left(self, pid: int | None, *, gone: bool = False) -> None:
        """The session of this process is over, or the process is; None: it never had one."""
        if pid is None:
            return
        with self._lock:
            self._in_use -= 1
            if gone or self._sessions.get(pid, 0) >= self._lasts:
                self._sessions.pop(pid, None)
            missing = not self._starting and len(self._sessions) - self._ageing < self.wanted
        if missing:
            self._missing()

    def begin(self) -> int:
        """How many sessions to open at once, so that all processes that should be there are; 0 while another does. More
        than 0 needs `ended`."""
        with self._lock:
            missing = 0 if self._starting else max(0, self.wanted + self._ageing - self._in_use)
            self._starting = self._starting or missing > 0
            return missing

    def ended(self) -> None:
        """They were opened and closed again."""
        with self._lock:
            self._starting = False
