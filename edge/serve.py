"""`/metrics` and `/healthz` over HTTP, on one thread that the composition root provides.

One request at a time, and each has `PATIENCE` seconds in all: a slow reader delays other readers, never the runtime.
"""

from __future__ import annotations

import io
import logging
import socket
import socketserver
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any

import orjson

from edge.clock import Clock
from edge.errors import EdgeError

log = logging.getLogger(__name__)

PATIENCE = 5.0


class ListenError(EdgeError, OSError):
    """The pages cannot be served at that address; says where, why and what to do."""


@dataclass(frozen=True, slots=True)
class Health:
    """`failing`: why a restart would help, None while it would not. `degraded`: what does not work meanwhile."""

    failing: str | None
    degraded: list[str]


class PageServer:
    """Serves the two pages at `listen`, `host:port`; port 0 takes a free one, which `address` then names.

    `metrics` renders the Prometheus text and `health` judges; both are called in the thread that runs `serve`.
    """

    def __init__(self, listen: str, *, metrics: Callable[[], str], health: Callable[[], Health], clock: Clock) -> None:
        """Listens at once. Raises ListenError."""
        self._pages = {
            "/metrics": lambda: _Page(200, "text/plain; version=0.0.4; charset=utf-8", metrics().encode()),
            "/healthz": lambda: _healthz(health()),
        }
        self._closed = threading.Event()
        host, port = _split(listen)
        try:
            self._server = _Server((host, port), self._pages, clock)
        except OSError as error:
            raise ListenError(
                f"metrics.listen: cannot listen on {listen}: {error.strerror or error};"
                " choose another port, or stop what uses it"
            ) from error

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that it really listens on."""
        host, port = self._server.server_address[:2]
        return str(host), int(port)

    def serve(self) -> None:
        """Answer requests one after the other until `close`."""
        while not self._closed.is_set():
            try:
                connection, client = self._server.get_request()
            except OSError as error:
                if not self._closed.is_set():
                    log.warning("metrics: %s", error)
                    self._closed.wait(1.0)  # out of file descriptors, most likely: do not spin
                continue
            try:
                self._server.process_request(connection, client)
            except Exception:  # noqa: BLE001 - a page that fails must not end the thread; it is logged below
                self._server.handle_error(connection, client)
                self._server.shutdown_request(connection)

    def close(self) -> None:
        """End `serve` and give the port back; idempotent."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._server.socket.shutdown(socket.SHUT_RDWR)  # wakes the accept
        self._server.server_close()


@dataclass(frozen=True, slots=True)
class _Page:
    status: int
    kind: str
    body: bytes


def _healthz(health: Health) -> _Page:
    state = "failing" if health.failing else "degraded" if health.degraded else "ok"
    body = orjson.dumps({"status": state, "failing": health.failing, "degraded": health.degraded})
    return _Page(503 if health.failing else 200, "application/json", body + b"\n")


class _Server(socketserver.TCPServer):
    """TCPServer rather than HTTPServer: the latter asks DNS for its own name, which blocks where there is none."""

    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], pages: dict[str, Callable[[], _Page]], clock: Clock) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.pages = pages
        self.clock = clock
        super().__init__(address, _Request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if isinstance(sys.exc_info()[1], OSError):
            log.debug("%s went away", client_address)
        else:
            log.exception("a request for metrics or health from %s failed", client_address)


class _Request(BaseHTTPRequestHandler):
    server: _Server
    timeout = PATIENCE

    def setup(self) -> None:
        super().setup()
        self.rfile.close()
        self.rfile = io.BufferedReader(_Bounded(self.connection, self.server.clock))

    def do_GET(self) -> None:
        make = self.server.pages.get(self.path.partition("?")[0])
        page = make() if make is not None else _Page(404, "text/plain", b"there is /metrics and /healthz\n")
        self.send_response(page.status)
        self.send_header("Content-Type", page.kind)
        self.send_header("Content-Length", str(len(page.body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(page.body)

    def do_HEAD(self) -> None:
        self.do_GET()

    def version_string(self) -> str:
        return "edge"

    def log_message(self, format: str, *args: Any) -> None:
        log.debug("%s: " + format, self.client_address[0], *args)


class _Bounded(io.RawIOBase):
    """Reads a connection until `PATIENCE` is over in all; a client that dribbles does not hold the thread."""

    def __init__(self, connection: socket.socket, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock
        self._end = clock.monotonic() + PATIENCE

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self._end - self._clock.monotonic()
        if left <= 0:
            raise TimeoutError("the request took too long")
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)


def _split(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    if not port.isdecimal() or int(port) > 65_535:
        raise ListenError(f"metrics.listen: {listen!r} is not address:port; write 127.0.0.1:9464")
    return host.strip("[]"), int(port)
