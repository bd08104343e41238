"""systemd's notify protocol: datagrams to $NOTIFY_SOCKET, and the watchdog's period. Source: sd_notify(3).

Outside systemd there is no $NOTIFY_SOCKET and everything here does nothing.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping

log = logging.getLogger(__name__)

_STATUS = 200  # characters of a status line that `systemctl status` still shows on one line


class Notifier:
    """Tells systemd how the service is. One thread. A manager that does not listen is logged once, never raised."""

    def __init__(self, environ: Mapping[str, str] = os.environ, pid: int | None = None) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        self._complained = False
        self.watchdog_period = _watchdog_period(environ, os.getpid() if pid is None else pid)
        """Seconds within which `alive` must be called again, None where no watchdog watches."""

    def ready(self, status: str) -> None:
        """Start-up is over: units ordered after this one may start."""
        self._send(f"READY=1\nSTATUS={_line(status)}")

    def status(self, status: str) -> None:
        """What `systemctl status` shows."""
        self._send(f"STATUS={_line(status)}")

    def alive(self) -> None:
        """Work goes on: feed the watchdog, where there is one."""
        if self.watchdog_period is not None:
            self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Shutdown has begun."""
        self._send("STOPPING=1\nSTATUS=draining")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        # a leading @ stands for the null byte of an abstract socket
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.settimeout(1.0)
                sender.sendto(text.encode(), address)
        except OSError as error:
            if not self._complained:
                log.warning("cannot notify systemd at %s: %s", self._address, error)
            self._complained = True


def _watchdog_period(environ: Mapping[str, str], pid: int) -> float | None:
    microseconds = environ.get("WATCHDOG_USEC", "")
    watched = environ.get("WATCHDOG_PID", str(pid))
    if watched != str(pid) or not microseconds.isdecimal() or int(microseconds) == 0:
        return None
    return int(microseconds) / 1e6


def _line(text: str) -> str:
    return " ".join(text.split())[:_STATUS]
