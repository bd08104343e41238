"""What is done with keys: AES-256-GCM, keys drawn from keys, ed25519. The one file that imports cryptography; imported
only where a key is given.

Sources: NIST SP 800-38D (GCM: 96-bit nonces), RFC 5869 (HKDF), RFC 8032 (Ed25519: keys of 32 bytes, signatures of 64).
"""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

NONCE_SIZE = 12
TAG_SIZE = 16
KEY_SIZE = 32  # of AES-256, and of both halves of an ed25519 pair


class Seal:
    """AES-256-GCM under one key. A nonce must never come twice, which the caller sees to. Any thread."""

    def __init__(self, key: bytes) -> None:
        self._aes = AESGCM(key)

    def close(self, nonce: bytes, text: bytes, about: bytes) -> bytes:
        """`text` closed, `TAG_SIZE` bytes longer; `about` stays plain and is bound to it."""
        return self._aes.encrypt(nonce, text, about)

    def open(self, nonce: bytes, data: bytes, about: bytes) -> bytes | None:
        """What was closed; None where it is not exactly that any more."""
        try:
            return self._aes.decrypt(nonce, data, about)
        except InvalidTag:
            return None


def drawn(master: bytes, salt: bytes, purpose: bytes) -> bytes:
    """A key of `KEY_SIZE` bytes by HKDF-SHA256."""
    return HKDF(SHA256(), KEY_SIZE, salt, purpose).derive(master)


def generate() -> tuple[bytes, bytes]:
    """A new ed25519 pair from the system's randomness: private, public."""
    private = Ed25519PrivateKey.generate()
    return private.private_bytes_raw(), private.public_key().public_bytes_raw()


def sign(private: bytes, data: bytes) -> bytes:
    """The signature over `data`. Raises ValueError for a key that is none."""
    return Ed25519PrivateKey.from_private_bytes(private).sign(data)


def verify(public: bytes, signature: bytes, data: bytes) -> bool:
    """Whether the holder of `public`'s other half signed exactly `data`. False for a key or signature that is none."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True
