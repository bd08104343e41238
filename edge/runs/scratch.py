"""What a run notes down for itself while it is tried again: gone with its outcome."""

from __future__ import annotations

from typing import Any

import orjson

from edge.errors import LimitExceeded

LARGEST = 64_000  # bytes of JSON, all entries together


class Scratch:
    """Values by key. What goes in must be JSON, and what comes out is a copy."""

    __slots__ = ("_kept", "_size")

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}
        self._size = 0

    def all(self) -> dict[str, Any]:
        """Every value by its key."""
        return {key: orjson.loads(kept) for key, kept in self._kept.items()}

    def copy(self) -> Scratch:
        """All that stands here, for the next attempt; what is put here later does not reach it. Any thread."""
        other = Scratch()
        other._kept = self._kept.copy()
        other._size = sum(len(kept) + len(key) for key, kept in other._kept.items())
        return other

    def get(self, key: str, default: Any = None) -> Any:
        """The value put last, or `default`."""
        kept = self._kept.get(key)
        return default if kept is None else orjson.loads(kept)

    def put(self, key: str, value: Any) -> None:
        """Note it down. Raises `LimitExceeded`, and TypeError for what is not JSON."""
        encoded = orjson.dumps(value)
        size = self._size + len(encoded) - len(self._kept.get(key, b""))
        size += 0 if key in self._kept else len(key)
        if size > LARGEST:
            raise LimitExceeded(f"scratch: {size} bytes with {key[:40]!r}, the limit is {LARGEST}")
        self._kept[key], self._size = encoded, size
