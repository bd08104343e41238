"""What closes and opens the bytes of one file: AES-256-GCM under a key of its own, by HKDF-SHA256. The one file that
imports cryptography, and imported only where a key is given.

Invariants
- A key is drawn for one file: from the master key, a salt that is random for that file, and what the file is for.
- A number closes at most once under a key, so a (key, nonce) pair never comes twice. Numbers of a file only rise;
  one that does not is refused.

Sources: NIST SP 800-38D (GCM: 96-bit nonces, a counter is a fine nonce), RFC 5869 (HKDF).
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

TAG_SIZE = 16
_KEY_SIZE = 32
_NONCE_SIZE = 12


class Cipher:
    """One file's. One thread closes; any thread opens."""

    def __init__(self, master: bytes, salt: bytes, purpose: bytes) -> None:
        """`purpose` keeps the keys of different uses apart, should a salt ever come twice."""
        self._aes = AESGCM(HKDF(SHA256(), _KEY_SIZE, salt, purpose).derive(master))
        self._last = -1

    def close(self, number: int, text: bytes, about: bytes) -> bytes:
        """`text` closed, `TAG_SIZE` bytes longer; it opens only with the same number and `about`, which stays plain.

        Raises ValueError for a number that is not greater than the last.
        """
        if number <= self._last:
            raise ValueError(f"number {number} was used already, or one after it: {self._last}")
        self._last = number
        return self._aes.encrypt(number.to_bytes(_NONCE_SIZE, "big"), text, about)

    def open(self, number: int, data: bytes, about: bytes) -> bytes | None:
        """What was closed; None where it is not exactly that any more."""
        try:
            return self._aes.decrypt(number.to_bytes(_NONCE_SIZE, "big"), data, about)
        except InvalidTag:
            return None
