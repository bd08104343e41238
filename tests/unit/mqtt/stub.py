"""A scripted broker: bytes over a socket on 127.0.0.1, one step at a time, in the test's own thread.

Real brokers are polite. This one says exactly what a test tells it to say.
"""

from __future__ import annotations

import random
import socket
import struct
from collections.abc import Callable
from typing import Any

from edge.config.models import Broker
from edge.links.backoff import Backoff
from edge.links.link import Session
from edge.links.mqtt import MqttLink
from edge.testing.clock import VirtualClock

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, DISCONNECT = 1, 2, 3, 4, 8, 9, 14


def packet(kind: int, body: bytes, flags: int = 0) -> bytes:
    """A control packet with its length in front."""
    length, head = len(body), bytearray((kind << 4 | flags,))
    while True:
        length, digit = divmod(length, 128)
        head.append(digit | (0x80 if length else 0))
        if not length:
            return bytes(head) + body


def connack(reason: int = 0, *, present: bool = False, properties: bytes = b"") -> bytes:
    return packet(CONNACK, bytes((present, reason, len(properties))) + properties)


def publish(topic: bytes, payload: bytes, packet_id: int, *, dup: bool = False, properties: bytes = b"") -> bytes:
    body = struct.pack("!H", len(topic)) + topic + struct.pack("!H", packet_id)
    return packet(PUBLISH, body + bytes((len(properties),)) + properties + payload, 0b1010 if dup else 0b0010)


def puback(packet_id: int, reason: int = 0) -> bytes:
    return packet(PUBACK, struct.pack("!HBB", packet_id, reason, 0) if reason else struct.pack("!H", packet_id))


def suback(packet_id: int, *reasons: int) -> bytes:
    return packet(SUBACK, struct.pack("!HB", packet_id, 0) + bytes(reasons))


class Stub:
    """Listens; `accept` takes the connection that the link has opened, `expect` reads one packet of it."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(5)
        self._connection: socket.socket | None = None
        self._read = b""

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self._server.getsockname()[1]}"

    def accept(self) -> None:
        self.hang_up()
        self._connection, _ = self._server.accept()
        self._connection.settimeout(5)
        self._read = b""

    def send(self, *packets: bytes) -> None:
        assert self._connection is not None
        self._connection.sendall(b"".join(packets))

    def expect(self, kind: int) -> bytes:
        """The body of the next packet, which must be of this kind."""
        head = self._take(1)[0]
        length = shift = 0
        while True:
            digit = self._take(1)[0]
            length |= (digit & 127) << shift
            shift += 7
            if digit < 128:
                break
        body = self._take(length)
        assert head >> 4 == kind, f"packet {head >> 4} came instead of {kind}: {body!r}"
        return body

    def _take(self, size: int) -> bytes:
        assert self._connection is not None
        while len(self._read) < size:
            block = self._connection.recv(4096)
            assert block, "the link hung up"
            self._read += block
        taken, self._read = self._read[:size], self._read[size:]
        return taken

    def hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def reset(self) -> None:
        """Hang up at once, as a broker that was stopped with something of ours unread."""
        assert self._connection is not None
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.hang_up()

    def close(self) -> None:
        self.hang_up()
        self._server.close()


class Bench:
    """A link and the stub it talks to, on a clock that stands still."""

    def __init__(self, **settings: Any) -> None:
        self.stub = Stub()
        self.clock = VirtualClock()
        self.settings = Broker.model_validate({"broker": self.stub.url, **settings})
        self.link = self.make_link()
        self.ups: list[Session] = []
        self.downs: list[str] = []
        self.link.listen(self.ups.append, self.downs.append)

    def make_link(self, **more: Any) -> MqttLink:
        backoff = Backoff(random.Random(1))
        return MqttLink(self.settings, client_id="edge-pi", clock=self.clock, backoff=backoff, **more)

    def greet(self) -> bytes:
        """Have the link connect and say hello; the CONNECT packet's body."""
        self.link.step(0)
        self.stub.accept()
        self.link.step(0)
        return self.stub.expect(CONNECT)

    def connect(self, answer: bytes | None = None) -> bytes:
        greeting = self.greet()
        self.stub.send(connack() if answer is None else answer)
        self.step(lambda: self.link.session)
        return greeting

    def step(self, done: Callable[[], object]) -> None:
        """Step until something came of it: what was sent on loopback needs a moment to arrive."""
        for _ in range(100):
            self.link.step(0.05)
            if done():
                return
        raise AssertionError(f"nothing came of it; link: {self.link.standing}")

    def end(self) -> None:
        """Step until the connection is over."""
        self.step(lambda: self.link.standing.last_error and self.link.session is None)

    def wait_out(self, seconds: float = 300.0) -> None:
        """Long enough for every back-off."""
        self.clock.advance(seconds)

    def close(self) -> None:
        self.link.close()
        self.stub.close()
