"""The last QoS 1 deliveries of each client, by packet id: what recognises a message the broker sends again.

Half a megabyte a client, whatever the traffic: a packet id has 16 bits, and a reused one overwrites.
"""

from __future__ import annotations

import struct
import zlib
from array import array
from collections.abc import Iterator, Mapping

from edge.model import Delivery

_IDS = 1 << 16
_CHANGE = struct.Struct("<HQ")


class Digests(Mapping[int, int]):
    """Packet id -> digest of one client, live and read-only. Zero means none: a digest of 0 is never recognised."""

    def __init__(self) -> None:
        self.table = array("Q", bytes(8 * _IDS))
        self.fresh = bytearray(_IDS)  # 1: changed since `Deliveries.saved`

    def __getitem__(self, packet_id: int) -> int:
        digest = self.table[packet_id] if 0 <= packet_id < _IDS else 0
        if not digest:
            raise KeyError(packet_id)
        return digest

    def __iter__(self) -> Iterator[int]:
        return (packet_id for packet_id, digest in enumerate(self.table) if digest)

    def __len__(self) -> int:
        return _IDS - self.table.count(0)


class Deliveries:
    """All clients. Not thread-safe: the journal's books lock guards it."""

    def __init__(self) -> None:
        self._clients: dict[str, Digests] = {}
        self._forgotten: dict[str, int] = {}

    def __getitem__(self, client: str) -> Digests:
        digests = self._clients.get(client)
        if digests is None:  # not `setdefault`: it would make half a megabyte for every message
            digests = self._clients[client] = Digests()
        return digests

    def note(self, delivery: Delivery, sequence: int) -> None:
        """A frame with this delivery is durable; ignored where the session was reset after it."""
        if sequence > self._forgotten.get(delivery.client, 0):
            digests = self[delivery.client]
            digests.table[delivery.packet_id] = delivery.digest
            digests.fresh[delivery.packet_id] = 1

    def forget(self, client: str, sequence: int) -> None:
        """The session is gone, and with it the meaning of its packet ids up to that sequence."""
        self._forgotten[client] = sequence
        digests = self[client]
        digests.table[:] = array("Q", bytes(8 * _IDS))
        digests.fresh[:] = bytes(_IDS)

    def dump(self) -> Iterator[bytes]:
        """One block a client, for a checkpoint."""
        for client, digests in self._clients.items():
            name = client.encode()
            forgotten = self._forgotten.get(client, 0).to_bytes(8, "little")
            yield bytes((len(name),)) + name + forgotten + zlib.compress(digests.table.tobytes(), 1)

    def changes(self) -> Iterator[bytes]:
        """One block a client of what was noted since `saved`: ten bytes a packet id."""
        for client, digests in self._clients.items():
            fresh = [packet_id for packet_id, is_fresh in enumerate(digests.fresh) if is_fresh]
            if fresh:
                name = client.encode()
                parts = (_CHANGE.pack(packet_id, digests.table[packet_id]) for packet_id in fresh)
                yield bytes((len(name),)) + name + b"".join(parts)

    def saved(self) -> None:
        """All of it stands in the state log, durably."""
        for digests in self._clients.values():
            digests.fresh[:] = bytes(_IDS)

    def change(self, block: bytes) -> None:
        """From `changes`; raises ValueError for anything else."""
        length = block[0] + 1
        digests = self[block[1:length].decode()]
        try:
            for packet_id, digest in _CHANGE.iter_unpack(block[length:]):
                digests.table[packet_id] = digest
        except struct.error as error:
            raise ValueError(f"deliveries cannot be read: {error}") from None

    def load(self, block: bytes) -> None:
        """From `dump`; raises ValueError for anything else."""
        length = block[0] + 1
        client = block[1:length].decode()
        self._forgotten[client] = int.from_bytes(block[length : length + 8], "little")
        try:
            table = array("Q", zlib.decompress(block[length + 8 :]))
        except zlib.error as error:
            raise ValueError(f"deliveries cannot be read: {error}") from None
        if len(table) != _IDS:
            raise ValueError("deliveries cannot be read: wrong length")
        self[client].table[:] = table
