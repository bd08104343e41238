"""What the journal is measured against: other ways to make a record durable, on the same disk, in the same run."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import orjson

BATCH = 100
Write = Callable[[Sequence[bytes]], None]
"""Makes these records durable, all of them, before it returns."""


@contextmanager
def raw(folder: Path) -> Iterator[Write]:
    """Append and fdatasync: the least that durability costs."""
    fd = os.open(folder / "raw.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)

    def write(bodies: Sequence[bytes]) -> None:
        os.write(fd, b"".join(bodies))
        os.fdatasync(fd)

    try:
        yield write
    finally:
        os.close(fd)


@contextmanager
def sqlite(folder: Path) -> Iterator[Write]:
    """SQLite with a write-ahead log and synchronous=FULL, one transaction a call."""
    with closing(sqlite3.connect(folder / "store.db", isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute("CREATE TABLE outcomes (id INTEGER PRIMARY KEY, body BLOB)")

        def write(bodies: Sequence[bytes]) -> None:
            database.execute("BEGIN")
            database.executemany("INSERT INTO outcomes (body) VALUES (?)", ((body,) for body in bodies))
            database.execute("COMMIT")

        yield write


@contextmanager
def persist_queue(folder: Path) -> Iterator[Write]:
    """persist-queue's SQLiteAckQueue as its documentation shows it: it has no batches, each `put` is a transaction."""
    queue = importlib.import_module("persistqueue").SQLiteAckQueue(str(folder / "queue"), multithreading=True)

    def write(bodies: Sequence[bytes]) -> None:
        for body in bodies:
            queue.put(body)

    with closing(queue):
        yield write


@contextmanager
def tinydb(folder: Path) -> Iterator[Write]:
    """Stock TinyDB as its documentation shows it: no sync at all, and each insert writes the whole file anew."""
    # by name, because a baseline is no part of the runtime, whose one file for TinyDB is the journal's
    with importlib.import_module("tinydb").TinyDB(folder / "tinydb.json") as database:

        def write(bodies: Sequence[bytes]) -> None:
            database.insert_multiple(map(orjson.loads, bodies))

        yield write


def has_persist_queue() -> bool:
    """Whether `persist_queue` can be measured here: `make bench` installs it, the runtime does without it."""
    return importlib.util.find_spec("persistqueue") is not None
