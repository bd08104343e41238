"""Where apps are kept: three tables of the journal.

    app_programs   manifest and source of a version, written before anything refers to it
    apps           one document a name; writing it is the moment at which a change has happened, wholly or not at all
    app_audit      one document an entry

A crash between two of them leaves a program that nobody refers to, which is swept at the next start, or a change whose
entry is missing from the audit, which is put there then: the change's own document holds it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any, Protocol

from edge.apps.app_clock import Mark
from edge.apps.parcel import Parcel
from edge.apps.records import Entry, Record
from edge.errors import EdgeError

Document = Mapping[str, Any]
_MARK = ""  # the document that is no app's: how long all have lived


class Rows(Protocol):
    """A TinyDB table whose every change is one durable frame."""

    def all(self) -> list[Any]: ...

    def insert(self, document: Document, /) -> int: ...

    def update(self, fields: Document, /, *, doc_ids: Iterable[int]) -> list[int]: ...

    def remove(self, *, doc_ids: Iterable[int]) -> list[int]: ...


class Tables(Protocol):
    """The journal, as far as apps need it."""

    def table(self, name: str, /) -> Rows: ...


class Store:
    """One thread at a time. Whatever raises `JournalError` may be tried again."""

    def __init__(self, tables: Tables) -> None:
        self._apps = tables.table("apps")
        self._programs = tables.table("app_programs")
        self._ids: dict[str, int] = {}
        self.records: dict[str, Record] = {}
        self.mark = Mark()
        self._read()
        self._sweep()

    def _read(self) -> None:
        documents = self._apps.all()
        self._ids = {document["name"]: document.doc_id for document in documents}
        for document in documents:
            if document["name"] == _MARK:
                self.mark = Mark(document["lived"], document["seen"])
            else:
                self.records[document["name"]] = Record.of(document)

    def _write(self, name: str, document: Document) -> None:
        if name in self._ids:
            self._apps.update(document, doc_ids=[self._ids[name]])
        else:
            self._ids[name] = self._apps.insert(document)

    def entries(self) -> list[Entry]:
        """The last entry of every app, for the audit."""
        return [record.entry for record in self.records.values() if record.entry is not None]

    def add_program(self, name: str, version: int, parcel: Parcel) -> None:
        """Keep a program, of which nobody knows yet."""
        self._sweep()  # of this version there may be one that a failing disk left behind
        self._programs.insert(
            {
                "name": name,
                "version": version,
                "manifest": parcel.manifest.decode(),
                "source": parcel.source.decode(),
                "key": parcel.key,
                "signature": parcel.signature.hex(),
            }
        )

    def program(self, name: str, version: int) -> Parcel:
        """Raises KeyError."""
        for row in self._programs.all():
            if row["name"] == name and row["version"] == version:
                signature = bytes.fromhex(row["signature"])
                return Parcel(row["manifest"].encode(), row["source"].encode(), row["key"], signature)
        raise KeyError(f"{name} {version}")

    def put(self, record: Record) -> None:
        """Write a record: this is the moment."""
        before = self.records.get(record.name)
        try:
            self._write(record.name, record.data())
        except EdgeError:  # a disk that failed at the sync may have taken it all the same: the table says what there is
            self._read()
            raise
        self.records[record.name] = record
        if before is not None and {one.number for one in before.versions} - {one.number for one in record.versions}:
            self._sweep()

    def put_mark(self, mark: Mark) -> None:
        """Write down how long apps have lived."""
        if mark == self.mark:
            return
        self._write(_MARK, {"name": _MARK, **asdict(mark)})
        self.mark = mark

    def _sweep(self) -> None:
        """Drop programs that no record refers to."""
        kept = {(record.name, one.number) for record in self.records.values() for one in record.versions}
        left = [row.doc_id for row in self._programs.all() if (row["name"], row["version"]) not in kept]
        if left:
            self._programs.remove(doc_ids=left)
