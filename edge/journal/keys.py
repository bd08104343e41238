"""Keys: what the frames of a file are checked with, and opened where they are closed.

Every file has a `FileKey`. A plain journal's is only the number that its checksums begin with. With encryption each
file names, in the clear, a random salt and the id of the master key that its own key is drawn from; the `Keyring`
holds the master keys.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from edge.journal.errors import JournalError

if TYPE_CHECKING:
    from edge.journal.cipher import Cipher

_SALT_SIZE = 16


def key_id(master: bytes) -> str:
    """Eight hexadecimal digits that name a master key and say nothing else of it."""
    return sha256(b"edge journal key id\n" + master).hexdigest()[:8]


@dataclass(frozen=True, slots=True)
class FileKey:
    """One file's. `seed`: what the checksums of its frames begin with. In a file with closed frames, `about` is what
    they are bound to besides their own head, and `cipher` closes and opens them, or `needs` is the id of the master
    key that is missing for it."""

    seed: int
    cipher: Cipher | None = None
    about: bytes = b""
    needs: str = ""


PLAIN = FileKey(0)
"""Of what is in the clear and belongs to no journal yet: a segment's header."""


class Keyring:
    """The master keys of a journal: `current` (its id) for new files, none where that is empty; all for reading."""

    def __init__(
        self, current: bytes | None = None, old: Sequence[bytes] = (), *, draw: Callable[[int], bytes] = os.urandom
    ) -> None:
        """Keys of 32 bytes. `draw` gives so many random bytes, good enough for secrets. Raises `JournalError` where
        there is a key and the library for it is not installed."""
        self.current = "" if current is None else key_id(current)
        self._masters = {key_id(master): master for master in (*old, *([] if current is None else [current]))}
        self._draw = draw
        if self._masters:
            self._cipher = _cipher()

    @property
    def names(self) -> tuple[str, ...]:
        """The ids of all keys."""
        return tuple(self._masters)

    def salt(self) -> str:
        """A new file's, in hexadecimal digits; empty where new files are plain."""
        return self._draw(_SALT_SIZE).hex() if self.current else ""

    def of_file(self, seed: int, salt: str, master: str, *, purpose: str, name: str) -> FileKey:
        """The key of the file that names this salt and the id of this master key; a plain one without a salt. Raises
        ValueError where the salt is none."""
        if not salt:
            return FileKey(seed)
        drawn = bytes.fromhex(salt)
        about = f"{name}\n".encode() + drawn
        if master not in self._masters:
            return FileKey(seed, about=about, needs=master)
        return FileKey(seed, self._cipher(self._masters[master], drawn, f"edge journal {purpose}".encode()), about)


def _cipher() -> type[Cipher]:
    try:
        from edge.journal.cipher import Cipher  # a plain journal pays nothing for it
    except ImportError as error:
        raise JournalError(
            "the journal has a key, and the library for encryption is not installed:"
            " pip install 'edge-runtime[encryption]'"
        ) from error
    return Cipher
