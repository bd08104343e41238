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
        self._running: list[str] = []
        self._changed = threading.Condition()

    def spawn(self, name: str, body: Callable[[], None]) -> None:
        """Run `body` in a thread called `name`. Daemon: a stuck task must not keep the process from ending."""

        def guarded() -> None:
            try:
                body()
            except BaseException as error:  # recorded for the supervisor
                log.exception("thread %s ended", name, extra={"action": "thread_failed"})
                self._failed(f"thread {name} ended: {type(error).__name__}: {error}")
            finally:
                with self._changed:
                    self._running.remove(name)
                    self._changed.notify_all()

        with self._changed:
            threading.Thread(target=guarded, name=name, daemon=True).start()
            self._running.append(name)

    def alive(self) -> list[str]:
        """The names of those that run."""
        return list(self._running)

    def join(self, timeout: float) -> list[str]:
        """Wait for all, `timeout` seconds in all; the names of those that did not end. Not from one of them."""
        with self._changed:
            self._changed.wait_for(lambda: not self._running, timeout)
            return list(self._running)
