"""TinyDB on the journal: the whole document API, every change one durable frame. The one file that imports tinydb.

Differs from stock TinyDB, on purpose, in three things: what is returned is a copy, so nobody can change the database
by changing a result; document ids never start again by reopening or by removing; a call that raises changes nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import orjson
import tinydb
from tinydb.queries import QueryLike
from tinydb.storages import Storage
from tinydb.table import Document, Table

from edge.journal.errors import JournalError
from edge.journal.store import Change, Documents, Store
from edge.model import Stored

_NOTHING = Documents()


class Backend(Protocol):
    """What the tables need of the journal."""

    @property
    def store(self) -> Store: ...

    @property
    def reading(self) -> threading.RLock: ...

    def change(self, change: Change) -> None: ...

    def records(self) -> Iterator[Stored]: ...

    def commit(self) -> int: ...

    def close(self) -> None: ...


def _copy(value: Any) -> Any:
    """A deep copy of what JSON can hold; copy.deepcopy costs ten times as much."""
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_copy(item) for item in value]
    return value


class _Copies(Mapping[str, Mapping[str, Any]]):
    """A table as TinyDB reads it: document ids as strings. `copied`: for readers outside the table class."""

    def __init__(self, docs: Mapping[int, dict[str, Any]], *, copied: bool) -> None:
        self._docs = docs
        self._copied = copied

    def __getitem__(self, doc_id: str) -> Mapping[str, Any]:
        try:
            doc = self._docs[int(doc_id)]
        except ValueError:
            raise KeyError(doc_id) from None
        return _copy(doc) if self._copied else doc

    def __iter__(self) -> Iterator[str]:
        return map(str, list(self._docs))

    def __len__(self) -> int:
        return len(self._docs)


class _Draft(dict[int, Any]):
    """What an updater of TinyDB works on: documents are copied when touched, and the originals stay.

    A dict, because callers' functions may expect one; every way in that TinyDB uses goes through the overrides.
    """

    def __init__(self, docs: Mapping[int, dict[str, Any]]) -> None:
        super().__init__(docs)
        self._before = docs
        self._own: dict[int, None] = {}  # in the order in which they were touched
        self.cleared = False

    def __getitem__(self, doc_id: int) -> Any:
        doc = super().__getitem__(doc_id)
        if doc_id in self._own:
            return doc
        self._own[doc_id] = None
        mine = _copy(doc)
        super().__setitem__(doc_id, mine)
        return mine

    def __setitem__(self, doc_id: int, doc: Any) -> None:
        self._own[doc_id] = None
        super().__setitem__(doc_id, doc)

    def clear(self) -> None:
        self.cleared = True
        self._own.clear()
        super().clear()

    def change(self, table: str, next_id: int) -> Change:
        """What was done to it."""
        before: Mapping[int, dict[str, Any]] = {} if self.cleared else self._before
        put = {
            doc_id: super(_Draft, self).__getitem__(doc_id)
            for doc_id in self._own
            if doc_id in self and before.get(doc_id) != super(_Draft, self).__getitem__(doc_id)
        }
        remove = [doc_id for doc_id in before if doc_id not in self]
        next_id = 1 if self.cleared else next_id
        return Change(
            table=table, clear=self.cleared, remove=remove, put=put, next=max([next_id, *(i + 1 for i in put)])
        )


class JournalStorage(Storage):
    """The whole database as TinyDB's storage interface shows it; `write` stores only what differs."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend

    def read(self) -> dict[str, dict[str, Any]] | None:
        """All tables; None where there is none."""
        with self.backend.reading:
            store = self.backend.store
            return {name: _Copies(store.tables[name].docs, copied=True) for name in store.names()} or None  # type: ignore[misc]

    def write(self, data: dict[str, dict[str, Any]]) -> None:
        """Make the database equal to `data`, a table at a time."""
        with self.backend.reading:
            store = self.backend.store
            for name in store.names():
                if name not in data:
                    self.backend.change(Change(table=name, drop=True))
            for name, docs in data.items():
                if isinstance(docs, _Copies):
                    continue  # as `read` gave it: unchanged
                put = {int(doc_id): dict(doc) for doc_id, doc in docs.items()}
                self.backend.change(Change(table=name, clear=True, put=put, next=max([0, *put]) + 1))
        self.backend.commit()

    def close(self) -> None:
        self.backend.close()


class _BackedTable(Table):
    """A table that knows the journal behind its storage."""

    @property
    def backend(self) -> Backend:
        storage = self.storage
        assert isinstance(storage, JournalStorage)
        return storage.backend


class JournalTable(_BackedTable):
    """A TinyDB table over `JournalStorage`."""

    def __init__(self, storage: JournalStorage, name: str, cache_size: int = 10, persist_empty: bool = False) -> None:
        self._seen = 0
        super().__init__(storage, name, cache_size=cache_size, persist_empty=persist_empty)

    def search(self, cond: QueryLike) -> list[Document]:
        with self.backend.reading:
            version = self._documents().version
            if version != self._seen:  # another object for the same table changed it
                self._seen = version
                self.clear_cache()
            return [Document(_copy(dict(doc)), doc.doc_id) for doc in super().search(cond)]

    def get(self, cond: Any = None, doc_id: Any = None, doc_ids: Any = None) -> Any:
        with self.backend.reading:
            found: Any = super().get(cond, doc_id, doc_ids)
        if found is None or isinstance(found, list):
            return found and [Document(_copy(dict(doc)), doc.doc_id) for doc in found]
        return Document(_copy(dict(found)), found.doc_id)

    def __iter__(self) -> Iterator[Document]:
        with self.backend.reading:
            found = [Document(_copy(doc), doc_id) for doc_id, doc in self._documents().docs.items()]
        return iter(found)

    def _documents(self) -> Documents:
        return self.backend.store.tables.get(self.name, _NOTHING)

    def _read_table(self) -> Any:
        return _Copies(self._documents().docs, copied=False)

    def _get_next_id(self) -> int:
        with self.backend.reading:
            return self.backend.store.reserve(self.name)

    def _update_table(self, updater: Callable[[dict[int, Any]], None]) -> None:
        backend = self.backend
        with backend.reading:
            draft = _Draft(self._documents().docs)
            updater(draft)
            backend.change(draft.change(self.name, self._documents().next))
            self.clear_cache()
        backend.commit()  # with no lock held: others may be committing


class _Streamed(Mapping[str, Mapping[str, Any]]):
    """The outcomes kept, read from the segments each time."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def __getitem__(self, doc_id: str) -> Mapping[str, Any]:
        for stored in self._backend.records():
            if str(stored.sequence) == doc_id:
                return _envelope(stored)
        raise KeyError(doc_id)

    def __iter__(self) -> Iterator[str]:
        return (str(stored.sequence) for stored in self._backend.records())

    def __len__(self) -> int:
        return sum(1 for _ in self._backend.records())

    def items(self) -> Any:
        return ((str(stored.sequence), _envelope(stored)) for stored in self._backend.records())


def _envelope(stored: Stored) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(stored.record.body)
    return found


class OutcomesTable(_BackedTable):
    """The outcomes as a TinyDB table to search; memory does not grow with what is kept."""

    def __init__(self, storage: JournalStorage, name: str) -> None:
        super().__init__(storage, name, cache_size=0)

    def _read_table(self) -> Any:
        return _Streamed(self.backend)

    def _update_table(self, updater: Callable[[dict[int, Any]], None]) -> None:
        raise JournalError("outcomes cannot be changed: they are what happened")


def _runtime_table(storage: JournalStorage, name: str, **options: Any) -> Table:
    return OutcomesTable(storage, name) if name == "outcomes" else JournalTable(storage, name, **options)


class JournalDB(tinydb.TinyDB):
    """TinyDB whose tables live in a journal."""

    table_class: Any = JournalTable

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend, storage=JournalStorage)


class RuntimeDB(JournalDB):
    """The runtime's own: `outcomes` is what the journal keeps, the other tables are state."""

    table_class = staticmethod(_runtime_table)
