"""Just enough MQTT 3.1.1 to load a broker and to count what comes out, at a cost that does not blur the figures.

Only for benches: packets are made beforehand, acknowledgements are read in blocks, nothing is sent again.
Source: MQTT Version 3.1.1, OASIS Standard, sections 2.2.3 (remaining length), 3.1, 3.3, 3.4, 3.8.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

_BLOCK = 1 << 18


def _text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("!H", len(data)) + data


def _packet(kind: int, body: bytes) -> bytes:
    length, size = len(body), bytearray()
    while True:
        length, digit = divmod(length, 128)
        size.append(digit | 0x80 if length else digit)
        if not length:
            return bytes([kind]) + bytes(size) + body


def publish_packet(topic: str, payload: bytes, packet_id: int) -> bytes:
    """A QoS 1 PUBLISH."""
    return _packet(0x32, _text(topic) + struct.pack("!H", packet_id) + payload)


class Wire:
    """One clean connection. Blocking; one thread."""

    def __init__(self, port: int, client_id: str, *, timeout: float = 30.0) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""
        self._packets: list[tuple[int, bytes]] = []
        body = _text("MQTT") + bytes([4, 2]) + struct.pack("!H", 0) + _text(client_id)
        self.send(_packet(0x10, body))
        self._expect(0x20)

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def subscribe(self, filter: str) -> None:
        self.send(_packet(0x82, struct.pack("!H", 1) + _text(filter) + b"\x01"))
        self._expect(0x90)

    def payloads(self) -> list[bytes]:
        """Wait for at least one message; the payloads of all that came, acknowledged. Raises TimeoutError."""
        while True:
            found, answers = [], bytearray()
            for kind, body in self._read():
                if kind & 0xF0 != 0x30:
                    continue
                length = 2 + struct.unpack_from("!H", body)[0]
                if kind & 0x06:
                    answers += b"\x40\x02" + body[length : length + 2]
                    length += 2
                found.append(body[length:])
            if answers:
                self.send(bytes(answers))
            if found:
                return found

    def acknowledged(self) -> int:
        """Wait for PUBACKs; how many came. Raises TimeoutError."""
        return sum(kind == 0x40 for kind, _ in self._read())

    def close(self) -> None:
        self._socket.close()

    def _expect(self, wanted: int) -> None:
        while True:
            packets = list(self._read())
            if any(kind == wanted for kind, _ in packets):
                self._packets += [packet for packet in packets if packet[0] != wanted]
                return

    def _read(self) -> Iterator[tuple[int, bytes]]:
        if self._packets:
            kept, self._packets = self._packets, []
            yield from kept
            return
        block = self._socket.recv(_BLOCK)
        if not block:
            raise ConnectionError("the broker closed the connection")
        data, at = self._rest + block, 0
        while (packet := _next(data, at)) is not None:
            kind, start, at = packet
            yield kind, data[start:at]
        self._rest = data[at:]


def _next(data: bytes, at: int) -> tuple[int, int, int] | None:
    """Kind, begin and end of the body of the packet at `at`; None while it is not whole."""
    length = shift = 0
    position = at + 1
    while position < len(data):
        digit = data[position]
        length |= (digit & 0x7F) << shift
        position += 1
        if not digit & 0x80:
            return (data[at], position, position + length) if position + length <= len(data) else None
        shift += 7
    return None
