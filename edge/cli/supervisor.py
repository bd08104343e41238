"""What the main thread does while a gateway runs: wait for signals, look at the runtime, feed the watchdog.

The watchdog is fed while work makes progress and not otherwise: a process that only exists is not alive.
"""

from __future__ import annotations

import logging
import os
import select
import signal
from collections.abc import Iterable
from types import FrameType
from typing import Protocol, Self

from edge.cli.exits import DEGRADED, FINE
from edge.serve import Health
from edge.systemd import Notifier

log = logging.getLogger(__name__)

LOOK = 1.0  # seconds between two looks at the runtime
STALLED = 3  # looks without progress after which /healthz says so; one slow fsync is not a stall


class Watched(Protocol):
    """What is watched; see `edge.app.Runtime`."""

    @property
    def failed(self) -> str | None: ...

    def wait(self, timeout: float) -> bool: ...

    def progress(self) -> bool: ...

    def degraded(self) -> list[str]: ...


class Signals:
    """SIGTERM, SIGINT and SIGHUP as something to wait for. Main thread only; restores what was on exit.

    After the first one, a second SIGINT ends the process at once, as a person who presses Ctrl-C twice expects.
    """

    _ASKED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

    def __enter__(self) -> Self:
        # Python's own handlers write the signal's number into the pipe: nothing runs inside a signal handler here
        self._read, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._write = write
        self._before = {number: signal.signal(number, _noted) for number in self._ASKED}
        self._wakeup = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(self._wakeup)
        for number, before in self._before.items():
            signal.signal(number, before)
        os.close(self._read)
        os.close(self._write)

    def wait(self, timeout: float) -> str | None:
        """The name of a signal that asks to stop, at once; None after `timeout` seconds."""
        ready, _, _ = select.select([self._read], [], [], timeout)
        if not ready:
            return None
        name = self._first(os.read(self._read, 64))
        if name is not None:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        return name

    def _first(self, numbers: Iterable[int]) -> str | None:
        return next((signal.Signals(number).name for number in numbers if number in self._ASKED), None)


def _noted(number: int, frame: FrameType | None) -> None:
    """The wake-up pipe has told `wait` already."""


class Supervisor:
    """Looks at one runtime until it is told to stop or fails."""

    def __init__(self, runtime: Watched, notifier: Notifier, summary: str) -> None:
        self._runtime = runtime
        self._notifier = notifier
        self._summary = summary
        self._status = ""
        self._idle = 0

    def health(self) -> Health:
        """For /healthz; any thread."""
        stalled = f"no progress for {self._idle * LOOK:g} s" if self._idle >= STALLED else None
        return Health(self._runtime.failed or stalled, self._runtime.degraded())

    def watch(self, signals: Signals) -> int:
        """Returns the exit code: 0 when asked to stop, 3 when the runtime failed."""
        period = min(LOOK, (self._notifier.watchdog_period or LOOK) / 2)
        self._notifier.ready(self._line())
        while True:
            asked = signals.wait(period)
            if asked is not None:
                log.info("%s: draining; Ctrl-C ends it at once", asked, extra={"action": "stopping"})
                return FINE
            if self._runtime.wait(0.0):
                log.error("stopping: %s", self._runtime.failed, extra={"action": "failed"})
                return DEGRADED
            self._look()

    def _look(self) -> None:
        if self._runtime.progress():
            self._idle = 0
            self._notifier.alive()
        else:
            self._idle += 1
            if self._idle == STALLED:
                log.warning("no progress for %g s", self._idle * LOOK, extra={"action": "stalled"})
        status = self._line()
        if status != self._status:
            self._status = status
            self._notifier.status(status)

    def _line(self) -> str:
        degraded = self._runtime.degraded()
        return f"degraded: {'; '.join(degraded)}" if degraded else self._summary
