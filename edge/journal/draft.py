"""One call at work on a table of documents: what it changes is a copy until all of it is done."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from edge.journal.store import Change, Documents


def copied(value: Any) -> Any:
    """A deep copy of an object or a list as JSON has them; copy.deepcopy costs four times as much."""
    if type(value) is dict:
        return {key: copied(item) if type(item) is dict or type(item) is list else item for key, item in value.items()}
    return [copied(item) if type(item) is dict or type(item) is list else item for item in value]


class Draft:
    """A table as the call sees it. `next`: an id that no document of it has or had. Not thread-safe."""

    def __init__(self, table: Documents) -> None:
        self._docs = table.docs
        self.next = table.next
        self._put: dict[int, dict[str, Any]] = {}
        self._removed: dict[int, None] = {}
        self._cleared = False

    def __contains__(self, doc_id: object) -> bool:
        return doc_id in self._put or (doc_id in self._docs and doc_id not in self._removed)

    def chosen(self, cond: Callable[[Mapping[str, Any]], Any] | None, doc_ids: Iterable[int] | None) -> Iterable[int]:
        """The documents that a caller means: those of `doc_ids` that there are, else all that meet `cond`, else all.
        They may be edited and removed meanwhile."""
        if doc_ids is not None:
            return [doc_id for doc_id in doc_ids if doc_id in self]
        if cond is not None:
            return (doc_id for doc_id in list(self._docs) if cond(self.look(doc_id)))
        return list(self._docs)

    def look(self, doc_id: int) -> Mapping[str, Any]:
        """A document to look at, not to change."""
        return self._put[doc_id] if doc_id in self._put else self._docs[doc_id]

    def edit(self, doc_id: int) -> dict[str, Any]:
        """A document to change."""
        if doc_id not in self._put:
            self._put[int(doc_id)] = copied(self._docs[doc_id])
        return self._put[doc_id]

    def add(self, document: object, doc_id: Any) -> int:
        """Add a document under `next` or an id that it brought. Raises ValueError where that is none, or taken."""
        if not isinstance(document, Mapping):
            raise ValueError("Document is not a Mapping")
        own = _whole(doc_id)
        if own in self:
            raise ValueError(f"Document with ID {own} already exists")
        self._put[own] = dict(document)
        self.next = max(self.next, own + 1)
        return own

    def remove(self, doc_id: int) -> None:
        """Remove a document. Raises KeyError where there is none."""
        if doc_id not in self:
            raise KeyError(doc_id)
        self._removed[int(doc_id)] = None

    def clear(self) -> None:
        """Remove all documents; ids start at 1 again."""
        self._cleared, self.next = True, 1

    def change(self, table: str) -> Change | None:
        """What was done; None where nothing was."""
        if not (self._cleared or self._removed or self._put):
            return None
        return Change(table=table, clear=self._cleared, remove=list(self._removed), put=self._put, next=self.next)


def _whole(doc_id: Any) -> int:
    try:
        return operator.index(doc_id)
    except TypeError:
        raise ValueError(f"a document id is a whole number, not {doc_id!r}") from None
