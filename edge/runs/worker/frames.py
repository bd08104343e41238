"""What the host and a child say to each other: a kind, a length, and that many bytes of JSON or text.

The host asks, the child answers: `ORDER` once, then `RUN` after `RUN`; within a run the child may ask, too (`CALL`).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from enum import IntEnum

BORN = b"born"
"""The fork server's first word about a child, with its pidfd; its last is the exit code."""

CALL_ROOM = 1_100_000  # bytes of a call: the bridge judges more exactly, and this is only read to be refused
SHORT_ROOM = 65536  # bytes of a frame that says something in a few words, a failure too
_HEAD = struct.Struct("!BI")


class Kind(IntEnum):
    """What a frame is."""

    # from the host
    ORDER = 1  # the task that the child is for
    RUN = 2
    REPLY = 3  # to a call: what `ctx` returned
    ERROR = 4  # to a call: what `ctx` raised
    # from the child
    READY = 11  # the task's file is loaded
    REFUSED = 12  # it cannot be, and why
    CALL = 13  # a method of `ctx`, a line end, its arguments
    RESULT = 14
    FAILED = 15
    LAST = 16  # the run that ends next was this child's last
    LEFT = 17  # nobody had work for long: the child is gone, and a run sent to it has not begun


class Garbled(Exception):
    """What came is no frame, or one that nobody asked for."""


def frame(kind: Kind, body: bytes = b"") -> bytes:
    return _HEAD.pack(kind, len(body)) + body


class Frames:
    """Frames out of a stream. `more()` gives the bytes that came next; what it raises passes through."""

    def __init__(self, more: Callable[[], bytes]) -> None:
        self._more = more
        self._buffer = bytearray()
        self._head: tuple[int, int] | None = None

    def next(self, room: Callable[[Kind], int]) -> tuple[Kind, bytes]:
        """The next one, if it has at most `room(kind)` bytes; where `more` raises, it can be asked for again.

        Raises `Garbled`.
        """
        number, size = self._head = self._head or _HEAD.unpack(self._take(_HEAD.size))
        try:
            kind = Kind(number)
        except ValueError:
            raise Garbled(f"a frame of kind {number}") from None
        if size > room(kind):
            raise Garbled(f"{kind.name} of {size} bytes")  # which are not read
        body = self._take(size)
        self._head = None
        return kind, body

    def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._buffer += self._more()
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken
