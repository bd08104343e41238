"""One MQTT 5 CONNECT and its CONNACK, by hand: what a broker says of itself before any session exists.

A client library would bring a thread, a session and reconnection. This asks one question, with an empty client id,
so that no running gateway is thrown off. Source: OASIS MQTT 5.0, sections 3.1 and 3.2.
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from edge.config import parse_broker
from edge.config.models import Broker

_TIMEOUT = 5.0
_PROTOCOL_REFUSED = {0x01, 0x84}  # of MQTT 3.1.1 and of 5
# CONNACK properties: how many bytes the value has; 0 stands for a string or binary with its length before it
_SIZES = {0x11: 4, 0x12: 0, 0x13: 2, 0x15: 0, 0x16: 0, 0x1A: 0, 0x1C: 0, 0x1F: 0, 0x21: 2, 0x22: 2, 0x24: 1, 0x25: 1,
          0x27: 4, 0x28: 1, 0x29: 1, 0x2A: 1}  # fmt: skip
_NAMES = {
    0x11: "session_expiry", 0x13: "keepalive", 0x21: "receive_maximum", 0x24: "qos", 0x25: "retain",
    0x27: "packet_size", 0x28: "wildcards",
}  # fmt: skip
_REASONS = {0x86: "user name or password is wrong", 0x87: "not allowed", 0x04: "user name or password is wrong",
            0x05: "not allowed", 0x88: "it is not available now", 0x8A: "this client is banned"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Greeting:
    """`refused` is empty where the broker let us in; `version` is what it speaks at most, 5 or 3.1.1."""

    version: str
    refused: str = ""
    limits: dict[str, int] = field(default_factory=dict)


def greet(broker: Broker) -> Greeting:
    """Blocks for a few seconds at most. Raises OSError, with what the network or TLS said."""
    address = parse_broker(broker.broker)
    with socket.create_connection((address.host, address.port), timeout=_TIMEOUT) as plain:
        wire = _encrypted(plain, address.host, broker) if address.tls else plain
        wire.sendall(_connect(broker))
        kind, body = _packet(wire)
        if kind != 0x20 or len(body) < 2:
            raise ConnectionError("it answers, but not as an MQTT broker does")
        if body[1] in _PROTOCOL_REFUSED:
            return Greeting("3.1.1")
        if body[1]:
            return Greeting("5", _REASONS.get(body[1], f"reason {body[1]:#04x}"))
        wire.sendall(b"\xe0\x00")
        return Greeting("5", limits=_properties(body[2:]))


def _encrypted(plain: socket.socket, host: str, broker: Broker) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=broker.ca)
    if broker.cert is not None:
        if not Path(broker.cert).is_file():
            raise FileNotFoundError(f"{broker.cert}: no such file")
        context.load_cert_chain(broker.cert, broker.key)
    return context.wrap_socket(plain, server_hostname=host)


def _connect(broker: Broker) -> bytes:
    flags, payload = 0x02, _text("")  # clean start, and a client id that the broker makes up
    if broker.user is not None:
        flags |= 0x80
        payload += _text(broker.user)
    if broker.password is not None:
        flags |= 0x40
        payload += _text(broker.password.get_secret_value())
    body = _text("MQTT") + bytes([5, flags]) + (10).to_bytes(2, "big") + b"\0" + payload
    return b"\x10" + _length(len(body)) + body


def _packet(wire: socket.socket) -> tuple[int, bytes]:
    kind = _exactly(wire, 1)[0]
    length, shift = 0, 0
    while shift < 28:
        byte = _exactly(wire, 1)[0]
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    if length > 65_536:
        raise ConnectionError("it answers, but not as an MQTT broker does")
    return kind, _exactly(wire, length)


def _exactly(wire: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        block = wire.recv(count - len(data))
        if not block:
            raise ConnectionError("it closed the connection without a word")
        data += block
    return data


def _properties(data: bytes) -> dict[str, int]:
    """The numbers among the properties, as far as they are known."""
    limits: dict[str, int] = {}
    at, end = 1, 1 + (data[0] if data else 0)  # fewer than 128 bytes in practice: one byte of length
    while at < min(end, len(data)):
        code = data[at]
        at += 1
        if code == 0x26:  # a user property: two strings
            at += 2 + int.from_bytes(data[at : at + 2], "big")
            at += 2 + int.from_bytes(data[at : at + 2], "big")
        elif code not in _SIZES:
            break
        elif size := _SIZES[code]:
            if code in _NAMES:
                limits[_NAMES[code]] = int.from_bytes(data[at : at + size], "big")
            at += size
        else:
            at += 2 + int.from_bytes(data[at : at + 2], "big")
    return limits


def _text(value: str) -> bytes:
    data = value.encode()
    return len(data).to_bytes(2, "big") + data


def _length(count: int) -> bytes:
    out = bytearray()
    while True:
        count, byte = divmod(count, 128)
        out.append(byte | 0x80 if count else byte)
        if not count:
            return bytes(out)
