"""An HTTP server in a thread that answers as a test says, however badly; and certificates for it."""

from __future__ import annotations

import http.server
import ssl
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

Answer = Callable[["Connection"], None]


class Connection(http.server.BaseHTTPRequestHandler):
    """One request. An answer writes with `give`, or raw with `wfile`."""

    server: Any
    protocol_version = "HTTP/1.1"

    def give(self, body: bytes = b"", status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "content_length" not in headers:
            self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("content-length", 0)))

    def _answer(self) -> None:
        self.server.seen.append(self)
        answer = self.server.answers.get(self.path.partition("?")[0])
        if answer is None:
            self.give(b"nothing here", 404)
        else:
            answer(self)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def log_message(self, *_: object) -> None:
        """Quiet."""


class Server(http.server.ThreadingHTTPServer):
    """`answers` by path; `seen` is every request that came."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Connection)
        self.answers: dict[str, Answer] = {}
        self.seen: list[Connection] = []
        self.stopping = threading.Event()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def secure(self, folder: Path, name: str) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
        self.socket = context.wrap_socket(self.socket, server_side=True)

    def handle_error(self, *_: object) -> None:
        """A client that hangs up early is what many tests are about."""

    def drip(self, connection: Connection, head: bytes, drop: bytes) -> None:
        """`head`, and then a drop every now and then for as long as somebody listens."""
        connection.wfile.write(head)
        while not self.stopping.wait(0.01):
            connection.wfile.write(drop)

    def stop(self) -> None:
        self.stopping.set()
        self.shutdown()
        self.server_close()
        self._thread.join()


def openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def authority(folder: Path, name: str) -> None:
    """`name.pem` and `name.key`: a certificate that signs others."""
    openssl("req", "-x509", *_KEY, "-days", 2, "-subj", f"/CN={name}",
            "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem")  # fmt: skip


def certificate(folder: Path, name: str, *, signed_by: str) -> None:
    """For the host `name`."""
    request, extensions = folder / f"{name}.csr", folder / f"{name}.ext"
    extensions.write_text(f"subjectAltName=DNS:{name}\n")
    openssl("req", *_KEY, "-subj", f"/CN={name}", "-keyout", folder / f"{name}.key", "-out", request)
    openssl("x509", "-req", "-in", request, "-CA", folder / f"{signed_by}.pem", "-CAkey", folder / f"{signed_by}.key",
            "-CAcreateserial", "-days", 2, "-extfile", extensions, "-out", folder / f"{name}.pem")  # fmt: skip
