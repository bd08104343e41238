"""The threads of a runtime: named, counted, and never gone without a word."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)


class Threads:
    """Starts threads and remembers the first failure. An exception that ends one is a fault of ours: it is logged
    with its trace and `failed` is called, because a runtime that has lost a part must not look healthy."""

    def __init__(self, failed: Callable[[str], None]) -> None:
        self._failed = failed
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()

    def spawn(self, name: str, body: Callable[[], None]) -> None:
        """Run `body` in a thread called `name`. Daemon: a stuck task must not keep the process from ending."""

        def guarded() -> None:
            try:
                body()
            except Exception as error:  # recorded for the supervisor
                log.exception("thread %s ended", name, extra={"action": "thread_failed", "thread": name})
                self._failed(f"thread {name} ended: {type(error).__name__}: {error}")

        thread = threading.Thread(target=guarded, name=name, daemon=True)
        with self._lock:
            self._threads = [known for known in self._threads if known.is_alive()]
            self._threads.append(thread)
        thread.start()

    def alive(self) -> list[str]:
        """The names of those that run."""
        return [thread.name for thread in self._threads if thread.is_alive()]

    def join(self, timeout: float) -> list[str]:
        """Wait for all, `timeout` seconds each at most; the names of those that did not end."""
        for thread in tuple(self._threads):
            if thread is not threading.current_thread():
                thread.join(timeout)
        return self.alive()
