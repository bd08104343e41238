"""What closes and opens the bytes of one file: AES-256-GCM under a key of its own, by HKDF-SHA256. Imported only where
a key is given.

Invariants
- A key is drawn for one file: from the master key, a salt that is random for that file, and what the file is for.
- A number closes at most once under a key, so a (key, nonce) pair never comes twice. Numbers of a file only rise;
  one that does not is refused.

Sources: NIST SP 800-38D (GCM: 96-bit nonces, a counter is a fine nonce), RFC 5869 (HKDF).
"""

from __future__ import annotations

from edge.crypto import NONCE_SIZE, TAG_SIZE, Seal, drawn

__all__ = ["TAG_SIZE", "Cipher"]


class Cipher:
    """One file's. One thread closes; any thread opens."""

    def __init__(self, master: bytes, salt: bytes, purpose: bytes) -> None:
        """`purpose` keeps the keys of different uses apart, should a salt ever come twice."""
        self._seal = Seal(drawn(master, salt, purpose))
        self._last = -1

    def close(self, number: int, text: bytes, about: bytes) -> bytes:
        """`text` closed, `TAG_SIZE` bytes longer; it opens only with the same number and `about`, which stays plain.

        Raises ValueError for a number that is not greater than the last.
        """
        if number <= self._last:
            raise ValueError(f"number {number} was used already, or one after it: {self._last}")
        self._last = number
        return self._seal.close(number.to_bytes(NONCE_SIZE, "big"), text, about)

    def open(self, number: int, data: bytes, about: bytes) -> bytes | None:
        """What was closed; None where it is not exactly that any more."""
        return self._seal.open(number.to_bytes(NONCE_SIZE, "big"), data, about)
