"""One request to one HTTP server, bounded in time and in size. The one file that imports httpx and its core.

What httpx offers for browsing is left out on purpose: no proxies of the environment, no cookies, no redirects, no
connection that outlives its request. Two things it does not offer are added below it: the name is looked up once and
the connection goes to an address that was checked, and one deadline covers all that happens on the socket, so that
neither a name that changes nor a server that drips gets through.
"""

from __future__ import annotations

import socket
import ssl
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import httpcore
import httpx

from edge.links.resolver import Resolve

_CHUNK = 16_384
_BEYOND = 16_000  # bytes that a compressed answer may have beyond what it may be unpacked
_HEADERS = {"accept": "application/json, text/*;q=0.9, */*;q=0.1", "accept-encoding": "gzip, deflate",
            "user-agent": "edge-runtime", "connection": "close"}  # fmt: skip


class TooLarge(Exception):
    """The answer has more than it may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """`host` as in a URL, IPv6 in brackets; `target` is path and query."""

    method: str
    scheme: str
    host: str
    port: int
    target: str
    headers: Mapping[str, str]
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """`headers` by lower-case name; `body` unpacked."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """How servers are reached. `admit` judges the address that a connection goes to."""

    resolve: Resolve
    admit: Callable[[str], bool]
    now: Callable[[], float]
    tls: Callable[[], ssl.SSLContext]
    """Asked for where a server is reached by https: reading a system's authorities takes longer than many a request."""

    def exchange(self, request: Request, *, deadline: float, most: int) -> Answer:
        """Send it and take at most `most` bytes, all until the monotonic time `deadline`. Blocks.

        Raises TimeoutError, PermissionError where no address of the host is admitted, `TooLarge`, and ConnectionError
        for whatever else is wrong between here and there. No message has a part of the request.
        """
        line = _Line(self, deadline)
        try:
            tls = self.tls() if request.scheme == "https" else None
            with httpcore.ConnectionPool(ssl_context=tls, network_backend=line, max_connections=1, retries=0) as pool:
                return _ask(pool, request, most)
        except ssl.SSLCertVerificationError as error:
            raise ConnectionError(f"its certificate is not trusted: {error.verify_message}") from None
        except ssl.SSLError as error:
            raise ConnectionError(f"TLS failed: {error.reason or 'no reason given'}") from None
        except (TimeoutError, PermissionError, ConnectionError):
            raise
        except OSError as error:
            raise ConnectionError(error.strerror or type(error).__name__) from None
        except (httpx.HTTPError, httpx.InvalidURL, httpcore.ProtocolError, httpcore.NetworkError, zlib.error) as error:
            raise ConnectionError(f"it does not speak HTTP as it should: {type(error).__name__}") from None


def _ask(pool: httpcore.ConnectionPool, request: Request, most: int) -> Answer:
    url = f"{request.scheme}://{request.host}:{request.port}{request.target}"
    with (
        httpx.Client(transport=_Core(pool), trust_env=False, headers=_HEADERS, timeout=None) as client,
        client.stream(request.method, url, headers=dict(request.headers), content=request.body) as response,
    ):
        headers = {name.lower(): value for name, value in response.headers.items()}
        body = b"" if request.method == "HEAD" else b"".join(_body(response, most))
        return Answer(response.status_code, headers, body)


def _body(response: httpx.Response, most: int) -> Iterator[bytes]:
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "", "gzip", "x-gzip", "deflate"):
        raise ConnectionError("its answer is packed in a way that was not asked for")
    packed = encoding not in ("identity", "")
    raw = _at_most(response.iter_raw(), most + _BEYOND if packed else most)
    return _at_most(_unpacked(raw, most), most) if packed else raw


def _at_most(chunks: Iterable[bytes], most: int) -> Iterator[bytes]:
    seen = 0
    for chunk in chunks:
        seen += len(chunk)
        if seen > most:
            raise TooLarge
        yield chunk


def _unpacked(chunks: Iterable[bytes], most: int) -> Iterator[bytes]:
    """Never more than one byte beyond `most` at a time: a few kilobytes may unpack to gigabytes."""
    unpack = zlib.decompressobj(47)  # gzip or zlib, by its head
    began = False
    for chunk in chunks:
        began = True
        while chunk and not unpack.eof:
            yield unpack.decompress(chunk, most + 1)
            chunk = unpack.unconsumed_tail
    if began and not unpack.eof:
        raise ConnectionError("its answer breaks off")


class _Core(httpx.BaseTransport):
    """httpx's requests on a pool of httpx's own core."""

    def __init__(self, pool: httpcore.ConnectionPool) -> None:
        self._pool = pool

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        response = self._pool.handle_request(
            httpcore.Request(
                request.method,
                httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                headers=request.headers.raw,
                content=request.read(),
            )
        )
        return httpx.Response(response.status, headers=response.headers, stream=_Body(response))


class _Body(httpx.SyncByteStream):
    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        return self._response.iter_stream()

    def close(self) -> None:
        self._response.close()


class _Line(httpcore.NetworkBackend):
    """Connects to an address that is admitted, and to no other; all of it until the deadline."""

    def __init__(self, wire: Wire, deadline: float) -> None:
        self._wire = wire
        self._deadline = deadline

    def left(self) -> float:
        """Seconds. Raises TimeoutError when there are none."""
        left = self._deadline - self._wire.now()
        if left <= 0:
            raise TimeoutError("it took too long")
        return left

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: object = None,
    ) -> httpcore.NetworkStream:
        found = self._wire.resolve(host, self.left())
        addresses = [address for address in found if self._wire.admit(address)]
        if found and not addresses:
            raise PermissionError("it is on a private network or on this machine")
        return _Socket(self._connect(addresses, port), self.left)

    def _connect(self, addresses: Sequence[str], port: int) -> socket.socket:
        error: OSError = ConnectionError("its name has no address")
        for number, address in enumerate(addresses):
            try:  # an equal part of the time for each, so that one that is silent does not take it all
                return socket.create_connection((address, port), self.left() / (len(addresses) - number))
            except OSError as failed:
                error = failed
        self.left()
        raise ConnectionError(f"no connection: {error.strerror or error}") from None


class _Socket(httpcore.NetworkStream):
    """The timeouts that httpx gives are for each read; here every read has what is left of the whole."""

    def __init__(self, wire: socket.socket, left: Callable[[], float]) -> None:
        self._wire = wire
        self._left = left

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._wire.settimeout(self._left())
        return self._wire.recv(min(max_bytes, _CHUNK))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        while buffer:
            self._wire.settimeout(self._left())
            buffer = buffer[self._wire.send(buffer) :]

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        self._wire.settimeout(self._left())
        return _Socket(ssl_context.wrap_socket(self._wire, server_hostname=server_hostname), self._left)

    def get_extra_info(self, info: str) -> None:
        """Nothing that httpx could ask for matters here."""

    def close(self) -> None:
        self._wire.close()


def trust(ca: str | None) -> ssl.SSLContext:
    """Certificates are checked, against the authority in this file or those of the system. Raises OSError."""
    context = ssl.create_default_context(cafile=ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
