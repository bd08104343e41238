"""Keys of `journal.encrypt`, as text in a secret."""

from __future__ import annotations

import base64
import binascii
import re

KEY_SIZE = 32
_HEX = re.compile(r"[0-9A-Fa-f]{64}")


def parse_key(text: str) -> bytes:
    """The 32 bytes of a key in base64 or in 64 hexadecimal digits. Raises ValueError, which shows none of it."""
    text = text.strip()
    if _HEX.fullmatch(text):
        return bytes.fromhex(text)
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("this is neither base64 nor 64 hexadecimal digits") from None
    if len(key) != KEY_SIZE:
        raise ValueError(f"this is a key of {len(key)} bytes; it takes {KEY_SIZE}")
    return key
