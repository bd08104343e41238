"""TinyDB on the journal: the whole document API, every change one durable frame. The one file that imports tinydb.

Differs from stock TinyDB, on purpose:
- What is returned is a copy, so nobody can change the database by changing a result.
- Document ids never start again by reopening or by removing, and an id that a table gives was never another document's.
- A call that raises changes nothing, with one exception: where the disk fails at the sync, `JournalError` says so,
  the change stands in memory, and the next change or `Journal.commit` that the disk takes makes it durable.
- A call does all that it is documented to do where stock TinyDB does not: `update_multiple` with an iterator,
  `persist_empty` on a table that has documents, an upsert while another thread upserts.
- What JSON makes of a document is there at once, not only after reopening: tuples are lists, keys are strings.
- A document may be nested 100 levels deep, and its id is a whole number; tables are as large as `Limits` allow.

Callers' conditions and functions run without a lock of the journal's, those of a change one call at a time. A function
must not change the table whose update called it: that is a RuntimeError.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NoReturn, Protocol, TypeVar

import orjson
import tinydb
from tinydb.queries import QueryLike
from tinydb.storages import Storage
from tinydb.table import Document, Table

from edge.journal.draft import Draft, copied
from edge.journal.errors import JournalError
from edge.journal.store import Change, Documents, Store
from edge.model import RecordKind, Stored

_Pairs = list[tuple[int, dict[str, Any]]]
_T = TypeVar("_T")


class Backend(Protocol):
    """What the tables need of the journal."""

    @property
    def store(self) -> Store: ...

    def change(self, *changes: Change) -> None: ...

    def records(self) -> Iterator[Stored]: ...

    def record(self, sequence: int) -> Stored | None: ...

    def commit(self) -> int: ...

    def close(self) -> None: ...


class JournalStorage(Storage):
    """The whole database as TinyDB's storage interface shows it. `writing` keeps changes of tables apart; it comes
    before the journal's own locks, which no caller's function ever runs under."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.writing = threading.RLock()

    def read(self) -> dict[str, dict[str, Any]] | None:
        """A copy of all tables; None where there is none."""
        store = self.backend.store
        with store.lock:
            found = {name: list(table.docs.items()) for name, table in store.tables.items()}
        return {name: {str(doc_id): copied(doc) for doc_id, doc in docs} for name, docs in found.items()} or None

    def write(self, data: Mapping[str, Mapping[Any, Any]]) -> None:
        """Make the database equal to `data`, all of it or nothing."""
        with self.writing:
            tables = self.backend.store.tables
            changes = [Change(table=name, drop=True) for name in tables if name not in data]
            for name, docs in data.items():
                put = {int(doc_id): dict(doc) for doc_id, doc in docs.items()}
                given = tables[name].next if name in tables else 1
                changes.append(Change(table=name, clear=True, put=put, next=max(given, *(i + 1 for i in put), 1)))
            self._change(changes)
        self.backend.commit()

    def drop(self, names: Iterable[str]) -> None:
        """Drop those tables of them that there are, all or none."""
        with self.writing:
            tables = self.backend.store.tables
            self._change([Change(table=name, drop=True) for name in names if name in tables])
        self.backend.commit()

    def update(self, name: str, work: Callable[[Draft], _T]) -> _T:
        """Let `work` change a table, which is there afterwards; all it did is one durable frame."""
        with self.writing:
            tables = self.backend.store.tables
            before = tables.get(name)
            version = before.version if before is not None else 0
            draft = Draft(before if before is not None else Documents())
            result = work(draft)
            if tables.get(name) is not before or (before is not None and before.version != version):
                raise RuntimeError(
                    f"table {name!r} was changed by a function that is updating it; only that change counts"
                )
            change = draft.change(name)
            if change is not None or name not in tables:
                self._change([change if change is not None else Change(table=name)])
        self.backend.commit()  # always: the change before may still wait for a disk that failed
        return result

    def _change(self, changes: list[Change]) -> None:
        if changes:
            self.backend.change(*changes)

    def close(self) -> None:
        self.backend.close()


class StoredTable(Table):
    """A table over `JournalStorage`."""

    def __init__(self, storage: JournalStorage, name: str, cache_size: int | None = 10) -> None:
        super().__init__(storage, name, cache_size=cache_size)  # type: ignore[arg-type]
        self._home = storage

    def exchange(self, doc_ids: Iterable[int], documents: Iterable[Mapping[str, Any]]) -> list[int]:
        """Remove the documents of these ids that there are and insert those, all in one durable frame; returns the new
        ids. Not of TinyDB's API, where it takes two calls."""
        gone, given = list(doc_ids), list(documents)

        def work(draft: Draft) -> list[int]:
            for doc_id in draft.chosen(None, gone):
                draft.remove(doc_id)
            return [draft.add(document, draft.next) for document in given]

        return self._home.update(self.name, work)

    def _document(self, doc: Mapping[str, Any], doc_id: int) -> Document:
        """A copy to give away."""
        document = self.document_class(doc, doc_id)
        for key, value in doc.items():
            if type(value) is dict or type(value) is list:
                document[key] = copied(value)
        return document


class JournalTable(StoredTable):
    """A TinyDB table over `JournalStorage`: reads work on what was there when they began."""

    def __init__(
        self, storage: JournalStorage, name: str, cache_size: int | None = 10, persist_empty: bool = False
    ) -> None:
        super().__init__(storage, name, cache_size)
        self._found: Any = self.query_cache_class(capacity=cache_size)
        self._found_at = 0
        if persist_empty:
            storage.update(name, lambda draft: None)

    # -- reading --------------------------------------------------------------------------------------------------

    @property
    def _table(self) -> Documents:
        return self._home.backend.store.tables.get(self.name, _NOTHING)

    def _items(self) -> Iterable[tuple[int, dict[str, Any]]]:
        with self._home.backend.store.lock:
            docs = self._table.docs
            return zip(list(docs), list(docs.values()), strict=True)  # a fifth of what a list of pairs costs

    def __len__(self) -> int:
        with self._home.backend.store.lock:
            return len(self._table.docs)

    def __iter__(self) -> Iterator[Document]:
        for doc_id, doc in self._items():
            yield self._document(doc, doc_id)

    def search(self, cond: QueryLike) -> list[Document]:
        return [self._document(doc, doc_id) for doc_id, doc in self._matches(cond)]

    def count(self, cond: QueryLike) -> int:
        return len(self._matches(cond))

    def _matches(self, cond: QueryLike) -> _Pairs:
        """What meets the condition, from the cache where it has been asked before and nothing changed since."""
        lock = self._home.backend.store.lock
        with lock:
            version = self._table.version
            if version != self._found_at:  # through whichever object for this table it changed
                self._found.clear()
                self._found_at = version
            found: _Pairs | None = self._found.get(cond)
            items = self._items() if found is None else []
        if found is None:
            found = [pair for pair in items if cond(pair[1])]
            if getattr(cond, "is_cacheable", lambda: True)():
                with lock:
                    if self._found_at == version:
                        self._found[cond] = found
        return found

    def clear_cache(self) -> None:
        with self._home.backend.store.lock:
            self._found.clear()

    def get(self, cond: Any = None, doc_id: Any = None, doc_ids: Any = None) -> Any:
        if doc_id is not None:
            with self._home.backend.store.lock:
                doc = self._table.docs.get(_number(doc_id))  # type: ignore[arg-type]
            return None if doc is None else self._document(doc, doc_id)
        if doc_ids is not None:
            wanted = {_number(one) for one in doc_ids}
            return [self._document(doc, one) for one, doc in self._items() if one in wanted]
        if cond is None:
            raise RuntimeError("You have to pass either cond or doc_id or doc_ids")
        return next((self._document(doc, one) for one, doc in self._items() if cond(doc)), None)

    # -- changing -------------------------------------------------------------------------------------------------

    def insert(self, document: Mapping[str, Any]) -> int:
        return self._home.update(self.name, lambda draft: self._add(draft, document))

    def insert_multiple(self, documents: Iterable[Mapping[str, Any]]) -> list[int]:
        given = list(documents)
        return self._home.update(self.name, lambda draft: [self._add(draft, document) for document in given])

    def _add(self, draft: Draft, document: Any) -> int:
        return draft.add(document, document.doc_id if isinstance(document, self.document_class) else draft.next)

    def update(self, fields: Any, cond: QueryLike | None = None, doc_ids: Iterable[int] | None = None) -> list[int]:
        ids = None if doc_ids is None else list(doc_ids)
        return self._home.update(self.name, lambda draft: _update(draft, fields, cond, ids))

    def update_multiple(self, updates: Iterable[tuple[Any, QueryLike]]) -> list[int]:
        given = list(updates)

        def work(draft: Draft) -> list[int]:
            updated = []
            for doc_id in draft.chosen(None, None):
                for fields, cond in given:
                    if cond(draft.look(doc_id)):
                        updated.append(doc_id)
                        _set(fields, draft.edit(doc_id))
            return updated

        return self._home.update(self.name, work)

    def upsert(self, document: Mapping[str, Any], cond: QueryLike | None = None) -> list[int]:
        doc_ids = [document.doc_id] if isinstance(document, self.document_class) else None
        if doc_ids is None and cond is None:
            raise ValueError("without a condition, upsert needs a tinydb.table.Document, which has a doc_id")

        def work(draft: Draft) -> list[int]:
            return _update(draft, document, cond, doc_ids) or [self._add(draft, document)]

        return self._home.update(self.name, work)

    def remove(self, cond: QueryLike | None = None, doc_ids: Iterable[int] | None = None) -> list[int]:
        if cond is None and doc_ids is None:
            raise RuntimeError("Use truncate() to remove all documents")
        ids = None if doc_ids is None else list(doc_ids)

        def work(draft: Draft) -> list[int]:
            removed = []
            for doc_id in draft.chosen(cond, ids):
                removed.append(doc_id)
                draft.remove(doc_id)
            return removed

        return self._home.update(self.name, work)

    def truncate(self) -> None:
        self._home.update(self.name, Draft.clear)


_NOTHING = Documents()


def _update(draft: Draft, fields: Any, cond: QueryLike | None, doc_ids: list[int] | None) -> list[int]:
    updated = []
    for doc_id in draft.chosen(cond, doc_ids):
        updated.append(doc_id)
        _set(fields, draft.edit(doc_id))
    return updated


def _set(fields: Any, doc: dict[str, Any]) -> None:
    if callable(fields):
        fields(doc)
    else:
        doc.update(fields)


def _number(doc_id: Any) -> int | None:
    """The id that TinyDB takes for that one, as it compares them written out."""
    if type(doc_id) is int:
        return doc_id
    text = str(doc_id)
    try:
        return int(text) if str(int(text)) == text else None
    except ValueError:
        return None


class OutcomesTable(StoredTable):
    """The outcomes as a TinyDB table to search, read from the segments each time and by each caller without a lock;
    memory does not grow with what is kept, except for what `all` and `search` return. To ask for a `doc_id`, which
    is the sequence number, costs a look; everything else reads all there is."""

    def __init__(self, storage: JournalStorage, name: str) -> None:
        super().__init__(storage, name, cache_size=0)

    def __iter__(self) -> Iterator[Document]:
        return (self._outcome(stored) for stored in self._home.backend.records())

    def __len__(self) -> int:
        return sum(1 for _ in self._home.backend.records())

    def search(self, cond: QueryLike) -> list[Document]:
        return [document for document in self if cond(document)]

    def count(self, cond: QueryLike) -> int:
        return sum(1 for document in self if cond(document))

    def get(self, cond: Any = None, doc_id: Any = None, doc_ids: Any = None) -> Any:
        if doc_id is not None:
            return self._of(_number(doc_id))
        if doc_ids is not None:
            numbers = sorted({number for one in doc_ids if (number := _number(one)) is not None})
            return [document for number in numbers if (document := self._of(number)) is not None]
        if cond is None:
            raise RuntimeError("You have to pass either cond or doc_id or doc_ids")
        return next((document for document in self if cond(document)), None)

    def _of(self, sequence: int | None) -> Document | None:
        stored = None if sequence is None else self._home.backend.record(sequence)
        return self._outcome(stored) if stored is not None and stored.record.kind is RecordKind.OUTCOME else None

    def _outcome(self, stored: Stored) -> Document:
        return self.document_class(orjson.loads(stored.record.body), stored.sequence)

    def clear_cache(self) -> None:
        """There is none."""

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise JournalError(
            f"table {self.name!r} cannot be changed: outcomes are what happened. Keep what changes in another table"
        )

    insert = insert_multiple = update = update_multiple = upsert = remove = truncate = exchange = _refuse


class JournalDB(tinydb.TinyDB):
    """TinyDB whose tables live in a journal. Any thread."""

    table_class: Any = JournalTable

    def __init__(self, backend: Backend) -> None:
        self._handles: dict[str, Table] = {}
        super().__init__(backend, storage=JournalStorage)

    @property
    def _home(self) -> JournalStorage:
        storage = self.storage
        assert isinstance(storage, JournalStorage)
        return storage

    def table(self, name: str, **options: Any) -> Table:
        table = self._handles.get(name)
        if table is None:  # of two threads that come here, both get the same one
            table = self._handles.setdefault(name, self.table_class(self.storage, name, **options))
        return table

    def tables(self) -> set[str]:
        store = self._home.backend.store
        with store.lock:
            return set(store.tables)

    def drop_table(self, name: str) -> None:
        self._handles.pop(name, None)
        self._home.drop([name])

    def drop_tables(self) -> None:
        self._handles.clear()
        self._home.drop(self.tables())


def _runtime_table(storage: JournalStorage, name: str, **options: Any) -> Table:
    return OutcomesTable(storage, name) if name == "outcomes" else JournalTable(storage, name, **options)


class RuntimeDB(JournalDB):
    """The runtime's own: `outcomes` is what the journal keeps, the other tables are state."""

    table_class = staticmethod(_runtime_table)
