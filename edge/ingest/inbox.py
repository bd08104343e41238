"""The bounded door between foreign threads and the dispatch thread.

Full-policy, written once: a held item (QoS 1) that finds no room is refused and its source must keep it (it does not
acknowledge); a lossy item (QoS 0, reading, edge, tick) always enters and pushes the oldest lossy one out, counted.
"""

from __future__ import annotations

import threading
from collections import deque

from edge.model import Incoming
from edge.telemetry import Counter


class Inbox:
    """`offer`, `push` and `wake` from any thread; `take` and `wait` from the one that leads."""

    def __init__(self, *, held: int = 50_000, lossy: int = 10_000, dropped: Counter) -> None:
        self._held = held
        self._lossy = lossy
        self._dropped = dropped
        self._items: deque[Incoming | list[Incoming | None]] = deque()
        self._cells: deque[list[Incoming | None]] = deque()  # the lossy items in order, each in a cell to empty
        self._lock = threading.Lock()
        self._signal = threading.Event()
        self._asleep = False

    def __len__(self) -> int:
        return len(self._items)

    def offer(self, incoming: Incoming) -> bool:
        """Take a held item, or say False: it was not queued, and its sender must hold on to it."""
        if len(self._items) >= self._held + self._lossy:
            return False
        self._items.append(incoming)
        if self._asleep:
            self._signal.set()
        return True

    @property
    def crowded(self) -> bool:
        """More than half full: a source that can pause its sender should."""
        return len(self._items) > self._held // 2

    def push(self, incoming: Incoming) -> None:
        """Take a lossy item; the oldest one goes when there are too many."""
        cell: list[Incoming | None] = [incoming]
        with self._lock:
            self._cells.append(cell)
            if len(self._cells) > self._lossy:
                self._cells.popleft()[0] = None
                self._dropped.add()
        self._items.append(cell)
        if self._asleep:
            self._signal.set()

    def take(self) -> Incoming | None:
        """The oldest item, or None."""
        while True:
            try:
                item = self._items.popleft()
            except IndexError:
                return None
            if not isinstance(item, list):
                return item
            with self._lock:
                incoming = item[0]
                if incoming is not None:
                    self._cells.popleft()
                    return incoming

    def wake(self) -> None:
        """Let a waiting leader look around."""
        self._signal.set()

    def wait(self, timeout: float | None) -> None:
        """Sleep until something comes, `wake` is called, or `timeout` seconds are over."""
        self._asleep = True
        if not self._items:
            self._signal.wait(timeout)
        self._asleep = False
        self._signal.clear()

    def rest(self, timeout: float | None) -> None:
        """Sleep until `wake` is called or `timeout` seconds are over, whatever lies here and comes."""
        self._signal.wait(timeout)
        self._signal.clear()
