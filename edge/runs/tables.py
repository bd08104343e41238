"""What this room needs of the journal: state tables whose every change is one durable frame, and what is promised."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Protocol

import orjson

_encode = json.JSONEncoder(separators=(",", ":")).encode


class Table(Protocol):
    """Documents by a number that rises. What it gives are copies, with their number as `doc_id`. Any thread.

    Changes raise JournalError: then nothing changed, except where it was the sync that failed.
    """

    def __iter__(self) -> Iterator[Any]: ...

    def get(self, *, doc_id: int) -> Any: ...

    def exchange(self, doc_ids: Iterable[int], documents: Iterable[Mapping[str, Any]]) -> list[int]:
        """Remove those that are there and insert these, in one frame; returns the new numbers."""
        ...


class Tables(Protocol):
    """Any thread."""

    def table(self, name: str) -> Table: ...

    def tables(self) -> Collection[str]:
        """The names of those that there are."""
        ...

    def drop_table(self, name: str) -> None: ...

    def owes(self, id: str) -> bool:
        """Whether a run of that id was durably promised and has no durable outcome yet."""
        ...


def plain(value: Any) -> tuple[Any, int]:
    """The value as JSON gives it back, and the bytes it takes in a table. Raises TypeError for what is not JSON."""
    made = orjson.loads(orjson.dumps(value))
    return made, len(_encode(made))
