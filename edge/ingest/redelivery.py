"""Which QoS 1 messages are repeats, by the protocol's own marks and never by equal content alone.

A message is a repeat only if the broker says so (DUP), remembers our session, and its packet id stands here with
the same content: either as one still being worked on, or as one accepted and not known to be acknowledged. An entry
goes when its packet id comes with another message, when the session is gone, and when so many messages came since
that the broker cannot still wait for its acknowledgement: packet ids come round after 65,535 messages, and by then
the same id with the same content may well be new.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from hashlib import blake2b

IDS = 65_536
_GENERATION = 16_384  # messages: more than any broker keeps in flight, and half of it far less than a round of ids


def digest(topic: str, payload: bytes) -> int:
    """64 bits over topic and payload; never 0, which means nothing."""
    return int.from_bytes(blake2b(topic.encode() + b"\0" + payload, digest_size=8).digest(), "little") or 1


class Accepted:
    """Packet id -> digest of what was accepted under it. One thread.

    Two generations of entries: the older is dropped whole when the younger has seen enough messages, so remembering
    costs one store a message and 1 MB of memory.
    """

    def __init__(self, known: Mapping[int, int]) -> None:
        """`known` are the digests that the journal has, by packet id."""
        self._young, self._old = _empty(), _empty()
        self._seen = 0  # messages since the generations changed
        for packet_id, digest in known.items():
            self._young[packet_id] = digest

    def holds(self, packet_id: int, digest: int) -> bool:
        return digest in (self._young[packet_id], self._old[packet_id])

    def add(self, packet_id: int, digest: int) -> None:
        self._young[packet_id] = digest
        self._seen += 1
        if self._seen >= _GENERATION:
            self._seen = 0
            self._young, self._old = _empty(), self._young

    def drop(self, packet_id: int) -> None:
        self._young[packet_id] = self._old[packet_id] = 0

    def clear(self) -> None:
        self._young, self._old = _empty(), _empty()
        self._seen = 0


def _empty() -> array[int]:
    return array("Q", bytes(8 * IDS))


class Recent:
    """The last values of a source's `dedupe` key. One thread."""

    def __init__(self, size: int = 10_000) -> None:
        self._size = size
        self._values: dict[object, None] = {}

    def seen(self, value: object) -> bool:
        """Whether this value came lately; from now on it did."""
        if value in self._values:
            return True
        self._values[value] = None
        if len(self._values) > self._size:
            del self._values[next(iter(self._values))]
        return False
