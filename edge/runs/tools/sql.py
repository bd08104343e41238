"""`kind: sql`: one statement at a time on an SQLite file, with its values apart.

Three walls, each enough by itself against changing what may only be read: the file is opened read-only, the
connection refuses writing, and an authoriser names what a statement may be made of. A connection lives for one call,
so nothing that a task leaves behind (a transaction, a temporary table) reaches another, and any thread may call.
"""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote

from edge.config.tools import SqlTool
from edge.errors import LimitExceeded, NotGranted, ToolError
from edge.runs.tools.tool import Operation

_VALUE = 100_000  # bytes that one value may have; the time of some functions grows with its square
_ANSWER = 2_000_000  # bytes, about, that all values of an answer may have
_PARAMS = 1000
_STATEMENT = 20_000  # characters
_HEAP = 32_000_000  # bytes that SQLite may hold in this process, all connections together
_STEPS = 200  # instructions of SQLite's between two looks at the clock: some ten microseconds

_READING = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
_WRITING = {sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE, sqlite3.SQLITE_CREATE_TABLE,
            sqlite3.SQLITE_CREATE_INDEX, sqlite3.SQLITE_REINDEX}  # fmt: skip
_PRAGMAS = {"table_info", "table_xinfo", "table_list", "index_list", "index_info", "foreign_key_list", "data_version"}
# They reach out of the database, or cannot be interrupted: `printf('%.*c', 1000000000, 'x')`.
_FUNCTIONS = {"load_extension", "fts3_tokenizer", "readfile", "writefile", "edit", "printf", "format"}
_NAMES = {
    getattr(sqlite3, f"SQLITE_{name.upper().replace(' ', '_')}"): name
    for name in (
        "insert", "update", "delete", "pragma", "function", "attach", "detach", "transaction", "savepoint",
        "create table", "create temp table", "create index", "create view", "create trigger", "create vtable",
        "drop table", "drop index", "drop view", "drop trigger", "alter table", "analyze", "reindex",
    )
}  # fmt: skip
_LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: _VALUE,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 4 * _STATEMENT,
    sqlite3.SQLITE_LIMIT_COLUMN: 200,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 100,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 50,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 200,
    sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER: _PARAMS,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 10,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}
_OURS = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_CORRUPT,
         sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY,
         sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_SCHEMA}  # fmt: skip
"""What is wrong with the file or the disk; whatever else SQLite says is about the statement."""


class Sql:
    """`now` is monotonic seconds. Any thread."""

    def __init__(self, name: str, settings: SqlTool, now: Callable[[], float]) -> None:
        self._name = name
        self._settings = settings
        self._now = now

    @property
    def operations(self) -> Mapping[str, Operation]:
        reading: dict[str, Operation] = {"query": self.query}
        return {**reading, "execute": self.execute} if self._settings.write else reading

    def query(self, sql: str, params: Sequence[Any] = (), *, seconds: float) -> list[dict[str, Any]]:
        """The rows, each by the names of its columns; binary values as base64. Raises ValueError for a statement that
        is wrong, NotGranted for one that does more than read, LimitExceeded, ToolError."""
        _check(sql, params)
        with self._open(seconds, write=False) as connection, closing(connection.execute(sql, params)) as cursor:
            return list(self._rows(cursor))

    def execute(self, sql: str, params: Sequence[Any] = (), *, seconds: float) -> dict[str, Any]:
        """One change, done wholly or not at all: how many rows, and the number of the last that was added."""
        _check(sql, params)
        with self._open(seconds, write=True) as connection, closing(connection.execute(sql, params)) as cursor:
            cursor.fetchone()  # of RETURNING: the statement is done when it has been stepped through
            return {"rowcount": max(cursor.rowcount, 0), "lastrowid": cursor.lastrowid}

    def close(self) -> None:
        """No connection outlives its call."""

    @contextmanager
    def _open(self, seconds: float, *, write: bool) -> Iterator[sqlite3.Connection]:
        file = Path(self._settings.file)
        if not file.is_file():
            raise ToolError(f"{self._name}: there is no database yet at tools.{self._name}.file")
        deadline = self._now() + seconds
        denied: list[str] = []
        try:
            # Locks are waited for at most twice, to begin and to end: half the time for each.
            uri = f"file:{quote(str(file))}?mode={'rw' if write else 'ro'}"
            with closing(sqlite3.connect(uri, uri=True, timeout=seconds / 2, isolation_level=None)) as connection:
                _fence(connection, denied, self._settings.size if write else None)
                connection.set_progress_handler(lambda: self._now() > deadline, _STEPS)
                yield connection
        except (sqlite3.Error, sqlite3.Warning) as error:
            if denied:
                raise NotGranted(f"{self._name}: {denied[0]}; {self._allowed()}") from None
            self._explain(error, seconds)
        except MemoryError:
            raise LimitExceeded(f"{self._name}: the statement needs too much memory") from None

    def _rows(self, cursor: sqlite3.Cursor) -> Iterator[dict[str, Any]]:
        columns = [column[0] for column in cursor.description or ()]
        twice = next((column for column in columns if columns.count(column) > 1), None)
        if twice is not None:
            raise ValueError(f"two columns are called {twice!r}; name one of them with AS")
        size = 0
        for number, row in enumerate(cursor, 1):
            size += sum(len(value) if isinstance(value, str | bytes) else 8 for value in row)
            if number > self._settings.rows:
                raise LimitExceeded(f"{self._name}: over {self._settings.rows} rows; write LIMIT, or ask for less")
            if size > _ANSWER:
                raise LimitExceeded(f"{self._name}: the answer has over {_ANSWER} bytes; ask for less")
            yield dict(zip(columns, map(_plain, row), strict=True))

    def _explain(self, error: Exception, seconds: float) -> NoReturn:
        name, code = self._name, getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code == sqlite3.SQLITE_INTERRUPT:
            raise ToolError(f"{name}: it took longer than {seconds:g} s") from None
        if code == sqlite3.SQLITE_TOOBIG:
            raise LimitExceeded(f"{name}: a value has over {_VALUE} bytes") from None
        if code in _OURS:
            raise ToolError(f"{name}: {error}") from None
        raise ValueError(f"{name}: {error}") from None

    def _allowed(self) -> str:
        rest = "execute may insert, update, delete and create tables" if self._settings.write else "nothing else may"
        return f"query may only read, {rest}"


def _fence(connection: sqlite3.Connection, denied: list[str], size: int | None) -> None:
    """`denied` is told what a statement asked for and did not get; `size` is how large the file may get by it, None
    where it may not change."""
    if size is None:
        connection.execute("PRAGMA query_only = ON")
    else:  # SQLite takes the present size where that is more
        (page,) = connection.execute("PRAGMA page_size").fetchone()
        connection.execute(f"PRAGMA max_page_count = {max(1, size // page)}")
    # What a statement sorts or holds back stays in memory, which has an end: a file in /var/tmp has none.
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute(f"PRAGMA hard_heap_limit = {_HEAP}")
    connection.execute("PRAGMA trusted_schema = OFF")
    for limit, most in _LIMITS.items():
        connection.setlimit(limit, most)
    allowed = _READING if size is None else _READING | _WRITING

    def authorise(action: int, one: str | None, other: str | None, base: str | None, trigger: str | None) -> int:
        if action == sqlite3.SQLITE_PRAGMA:
            fine = str(one).lower() in _PRAGMAS
        elif action == sqlite3.SQLITE_FUNCTION:
            fine = str(other).lower() not in _FUNCTIONS
        else:  # that table is the file itself, page by page
            fine = action in allowed and one != "sqlite_dbpage"
        if not fine:
            denied.append(f"{_NAMES.get(action, f'action {action}')} {other or one or ''}".rstrip() + " is not allowed")
        return sqlite3.SQLITE_OK if fine else sqlite3.SQLITE_DENY

    connection.set_authorizer(authorise)


def _check(sql: Any, params: Any) -> None:
    if not isinstance(sql, str) or not isinstance(params, list | tuple):
        raise TypeError("a statement is text, and its values are a list")
    if len(sql) > _STATEMENT:
        raise ValueError(f"a statement of {len(sql)} characters, at most {_STATEMENT} are read")
    if len(params) > _PARAMS:
        raise ValueError(f"{len(params)} values, at most {_PARAMS} go with a statement")
    for value in params:
        if not isinstance(value, str | bytes | int | float | None):
            raise TypeError(f"a value is text, a number, true, false or nothing, not {type(value).__name__}")
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise ValueError("a whole number has at most 64 bits")


def _plain(value: Any) -> Any:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value
