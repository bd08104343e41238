"""A secret of this gateway's own in a file that only its user may read, made when it is needed first."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from typing import Protocol

LENGTH = 32  # bytes


class File(Protocol):
    def write(self, data: bytes) -> None: ...

    def sync(self) -> None: ...

    def close(self) -> None: ...


class Files(Protocol):
    """What this needs of the files seam. Errors are OSError."""

    def names(self, folder: str) -> list[str]: ...

    def read(self, path: str, offset: int, length: int) -> bytes: ...

    def append_private(self, path: str) -> File: ...

    def rename(self, old: str, new: str) -> None: ...

    def remove(self, path: str) -> None: ...

    def sync_folder(self, folder: str) -> None: ...


class KeyFile:
    """`draw` gives so many random bytes, good enough for secrets. Any thread."""

    def __init__(
        self, files: Files, folder: str, name: str, draw: Callable[[int], bytes] = secrets.token_bytes
    ) -> None:
        self._files = files
        self._folder = folder
        self._name = name
        self._draw = draw
        self._lock = threading.Lock()
        self._key: bytes | None = None

    def __call__(self) -> bytes:
        """The 32 bytes. One that is not whole is replaced: what it signed is refused from then on. Raises OSError."""
        with self._lock:
            if self._key is None:
                self._key = self._found() or self._made()
            return self._key

    def _found(self) -> bytes | None:
        if self._name not in self._files.names(self._folder):
            return None
        self._files.sync_folder(self._folder)  # a process that was killed may not have come so far
        key = self._files.read(f"{self._folder}/{self._name}", 0, LENGTH + 1)
        return key if len(key) == LENGTH else None

    def _made(self) -> bytes:
        """Under another name until it is whole and on the medium: a crash leaves a key or none."""
        key, draft = self._draw(LENGTH), f"{self._folder}/{self._name}.new"
        if f"{self._name}.new" in self._files.names(self._folder):
            self._files.remove(draft)
        file = self._files.append_private(draft)
        try:
            file.write(key)
            file.sync()
        finally:
            file.close()
        self._files.rename(draft, f"{self._folder}/{self._name}")
        self._files.sync_folder(self._folder)
        return key
