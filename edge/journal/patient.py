"""Reading from a disk with bad places: what cannot be read comes back as zeros, so that the rest can be used.

Zeros are no frame, so whatever stood there is salvaged around, set aside, counted and reported like any damage.
"""

from __future__ import annotations

from itertools import pairwise

from edge.journal.files import File, Files, Lock

_BLOCK = 4096
_TRIES = 2


class PatientFiles:
    """The files seam with reads that do not give up at the first error. A missing file stays an error."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self.make_folder = files.make_folder
        self.append_private = files.append_private
        self.names = files.names
        self.size = files.size
        self.truncate = files.truncate
        self.rename = files.rename
        self.remove = files.remove
        self.sync_folder = files.sync_folder
        self.free = files.free

    def append(self, path: str) -> File:
        return self._files.append(path)

    def lock(self, path: str) -> Lock:
        return self._files.lock(path)

    def read(self, path: str, offset: int, length: int) -> bytes:
        try:
            return self._files.read(path, offset, length)
        except FileNotFoundError:
            raise
        except OSError:
            end = min(offset + length, self._files.size(path))
            edges = [offset, *range((offset // _BLOCK + 1) * _BLOCK, end, _BLOCK), end]
            return b"".join(self._block(path, at, to - at) for at, to in pairwise(edges))

    def _block(self, path: str, offset: int, length: int) -> bytes:
        for _ in range(_TRIES):
            try:
                return self._files.read(path, offset, length)
            except FileNotFoundError:
                raise
            except OSError:
                continue
        return bytes(length)
