"""Sockets for a packet-at-a-time MQTT library, and the pipe that wakes whoever waits on them.

paho reads a packet with three `recv` calls and sends every acknowledgement with a `send` of its own. At thousands of
small packets a second these system calls are a third of the cost. The library takes its socket from the
`wrap_socket` of an SSL context, which is its public door for TLS: through that door we hand it a socket that
reads and writes in large blocks, with or without TLS underneath.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
from typing import Any

from edge.errors import LinkError

_READ = 65_536
_UNSENT = 262_144  # bytes held back at most: beyond them the library is told to wait for the socket


class BlockSocket:
    """The few methods of a socket that the library uses, over large reads and collected writes. One thread.

    `flush` sends what was collected; `more` says that whole or partial packets lie here already read.
    """

    def __init__(self, under: socket.socket) -> None:
        self._under = under
        self._in = b""
        self._at = 0
        self._out = bytearray()
        self.received = 0  # blocks read so far: when it grows, the other side is alive

    def recv(self, size: int) -> bytes:
        """Up to `size` bytes; b"" at the end of the stream. Raises BlockingIOError when there is nothing yet."""
        if self._at >= len(self._in):
            self._in, self._at = self._under.recv(_READ), 0
            self.received += 1
        block = self._in[self._at : self._at + size]
        self._at += len(block)
        return block

    def send(self, data: bytes) -> int:
        """Collect. Raises BlockingIOError when too much waits already."""
        if len(self._out) > _UNSENT:
            raise BlockingIOError
        self._out += data
        return len(data)

    @property
    def more(self) -> bool:
        """Whether `recv` answers without asking the system."""
        return self._at < len(self._in)

    @property
    def waiting(self) -> bool:
        """Whether something lies where `poll` cannot see it: here, or decrypted inside TLS."""
        return self.more or (isinstance(self._under, ssl.SSLSocket) and self._under.pending() > 0)

    @property
    def unsent(self) -> bool:
        return bool(self._out)

    def flush(self) -> None:
        """Send what the system takes now. When the connection is gone nothing is sent, and `recv` says so: after what
        the other side said last, which may be the reason."""
        while self._out:
            try:
                sent = self._under.send(self._out)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            except OSError:
                self._out.clear()
                return
            del self._out[:sent]

    def close(self) -> None:
        """Send what the system still takes, and close; idempotent."""
        if self._under.fileno() >= 0:
            self.flush()
        self._under.close()

    def fileno(self) -> int:
        return self._under.fileno()

    def setblocking(self, flag: bool) -> None:
        self._under.setblocking(flag)

    def settimeout(self, seconds: float | None) -> None:
        self._under.settimeout(seconds)

    def do_handshake(self) -> None:
        """TLS shakes hands here; plain TCP has nothing to say."""
        if isinstance(self._under, ssl.SSLSocket):
            self._under.do_handshake()


class _BlockContext(ssl.SSLContext):
    """Turns a connected socket into a `BlockSocket`, over TLS when `encrypt` is set."""

    encrypt = True

    def wrap_socket(self, sock: socket.socket, *args: Any, **kwargs: Any) -> Any:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return BlockSocket(super().wrap_socket(sock, *args, **kwargs) if self.encrypt else sock)


def plain_context() -> ssl.SSLContext:
    """For `mqtt://`: block reads and writes, no encryption."""
    context = _BlockContext(ssl.PROTOCOL_TLS_CLIENT)
    context.encrypt = False
    return context


def tls_context(ca: str | None, cert: str | None, key: str | None) -> ssl.SSLContext:
    """For `mqtts://`: the server is verified against `ca` (a PEM file; default: the system's), host name included.

    Raises LinkError naming the setting whose file cannot be used.
    """
    context = _BlockContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if ca is None:
            context.load_default_certs()
        else:
            context.load_verify_locations(cafile=ca)
    except OSError as error:
        raise LinkError(f"ca: {ca} cannot be used: {error}") from error
    try:
        if cert is not None:
            context.load_cert_chain(cert, key)
    except OSError as error:
        raise LinkError(f"cert: {cert}, key: {key or cert} cannot be used: {error}") from error
    return context


class Waiter:
    """Waits for a socket or for `wake`. `wait` belongs to one thread, `wake` to all.

    Setting a flag is all that `wake` costs while nobody waits; a burst of wakes writes at most a few bytes.
    """

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._poll = select.poll()
        self._poll.register(self._reader.fileno(), select.POLLIN)
        self._watched: BlockSocket | None = None
        self._number = -1
        self._events = 0
        self._asleep = False
        self._woken = False

    def wake(self) -> None:
        self._woken = True
        if self._asleep:
            self._asleep = False
            with contextlib.suppress(OSError):  # full: it wakes anyway; closed: nobody waits any more
                self._writer.send(b"w")

    def wait(self, sock: BlockSocket | None, timeout: float) -> bool:
        """Sleep until there is something to read or write, `wake`, or `timeout` seconds; True when readable."""
        self._watch(sock)
        self._asleep = True
        waiting = sock is not None and sock.waiting
        if self._woken or waiting:
            timeout = 0.0
        try:
            ready = self._poll.poll(timeout * 1000)
        finally:
            self._asleep = self._woken = False
        readable = waiting
        for number, events in ready:
            if number != self._number:
                self._reader.recv(4096)
            elif events & ~select.POLLOUT:
                readable = True
        return readable

    def _watch(self, sock: BlockSocket | None) -> None:
        """Have `poll` look at this socket, and at its being writable only while something waits to be written."""
        if sock is not self._watched:
            if self._watched is not None:
                self._poll.unregister(self._number)
            self._watched, self._events = sock, 0
            self._number = -1 if sock is None else sock.fileno()
        if sock is not None:
            events = select.POLLIN | select.POLLOUT if sock.unsent else select.POLLIN
            if events != self._events:
                self._events = events
                self._poll.register(self._number, events)

    def close(self) -> None:
        self._reader.close()
        self._writer.close()
