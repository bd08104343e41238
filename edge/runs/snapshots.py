"""Sandbox sessions on disk, signed: what a run goes on from must be what this gateway saved for this very run.

A snapshot is code that will be run, and what is in the journal may have been changed: by a bad disk, or by whoever gave
it back from a backup. So each carries an HMAC-SHA256 over its run, the library's version and its bytes, with a key that
is not in the journal.
"""

from __future__ import annotations

import base64
import hmac
from binascii import Error as NotBase64
from collections.abc import Callable

from edge.errors import LimitExceeded, SnapshotRefused
from edge.runs.checkpoints import OnePerRun
from edge.runs.tables import Tables

LARGEST = 256_000  # bytes of one
_MOST = 16  # with their base64 they fit one table


class Snapshots:
    """`version` is that of the library whose sessions they are, `key` gives the 32 bytes they are signed with.

    Any thread.
    """

    def __init__(self, journal: Tables, version: str, key: Callable[[], bytes]) -> None:
        self._kept = OnePerRun(journal, "snapshots", _MOST)
        self._version = version
        self._key = key

    def save_snapshot(self, run_id: str, data: bytes) -> None:
        """Keep `data`, and only it, for this run; durable on return. Of more than 16 runs the oldest is forgotten.

        Raises LimitExceeded, OSError, JournalError.
        """
        if len(data) > LARGEST:
            raise LimitExceeded(f"snapshot: {len(data)} bytes, the limit is {LARGEST}")
        signature = self._sign(run_id, data).hex()
        text = base64.b64encode(data).decode()
        self._kept.put(run_id, {"version": self._version, "hmac": signature, "data": text})

    def load_snapshot(self, run_id: str) -> bytes | None:
        """What was saved last; None where nothing was. Raises SnapshotRefused, OSError."""
        document = self._kept.get(run_id)
        if document is None:
            return None
        if document.get("version") != self._version:
            raise SnapshotRefused(
                f"the snapshot of run {run_id} was made by version {document.get('version')} of the sandbox, and this "
                f"is {self._version}; the run cannot go on from it, start it anew"
            )
        try:
            data = base64.b64decode(document["data"], validate=True)
            given = bytes.fromhex(document["hmac"])
        except (KeyError, TypeError, ValueError, NotBase64):
            data, given = b"", b""
        if not hmac.compare_digest(given, self._sign(run_id, data)):
            raise SnapshotRefused(
                f"the snapshot of run {run_id} is not what this gateway saved for it: it was changed, belongs to "
                "another run, or its key was replaced; the run cannot go on from it, start it anew"
            )
        return data

    def sweep(self) -> None:
        """Remove those of runs that are over. Raises JournalError."""
        self._kept.sweep()

    def _sign(self, run_id: str, data: bytes) -> bytes:
        parts = (run_id.encode(), self._version.encode(), data)
        signed = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
        return hmac.digest(self._key(), signed, "sha256")
