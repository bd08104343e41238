"""`kind: kv`: values by key in a table of the journal, durable when the call returns."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import orjson

from edge.config.tools import KvTool
from edge.config.units import show_size
from edge.errors import LimitExceeded, ToolError
from edge.runs.tables import Table
from edge.runs.tools.tool import Operation

log = logging.getLogger(__name__)

_KEY = 200  # characters


class Kv:
    """Nobody else changes the table, so where each key is stands in memory from the first use on. Any thread."""

    def __init__(self, name: str, settings: KvTool, table: Callable[[str], Table]) -> None:
        self._name = name
        self._settings = settings
        self._table = functools.partial(table, f"kv.{name}")  # opened at first use: not every runtime has state tables
        self._lock = threading.Lock()
        self._ids: dict[str, int] | None = None

    @property
    def operations(self) -> Mapping[str, Operation]:
        return {"get": self.get, "set": self.set, "delete": self.delete, "keys": self.keys}

    def get(self, key: str, default: Any = None, *, seconds: float) -> Any:
        _check_key(key)
        with self._index(seconds) as ids:
            return self._table().get(doc_id=ids[key])["value"] if key in ids else default

    def set(self, key: str, value: Any, *, seconds: float) -> None:
        """Durable on return. Raises LimitExceeded for one too many or too large, TypeError for what is no JSON."""
        _check_key(key)
        size = len(orjson.dumps(value))
        if size > self._settings.value:
            most = show_size(self._settings.value)
            raise LimitExceeded(f"{self._name}: the value of {key!r} has {size} bytes as JSON, {most} are allowed")
        with self._index(seconds) as ids:
            if key not in ids and len(ids) >= self._settings.entries:
                raise LimitExceeded(f"{self._name}: it holds {len(ids)} keys, and no more are allowed; delete some")
            old = [ids[key]] if key in ids else []
            [ids[key]] = self._table().exchange(old, [{"key": key, "value": value}])

    def delete(self, key: str, *, seconds: float) -> bool:
        """Whether it was there."""
        _check_key(key)
        with self._index(seconds) as ids:
            if key not in ids:
                return False
            self._table().exchange([ids[key]], [])
            del ids[key]
            return True

    def keys(self, prefix: str = "", limit: int = 100, *, seconds: float) -> list[str]:
        """In order; the first `limit` of those that begin with `prefix`."""
        if not isinstance(prefix, str) or type(limit) is not int or limit < 0:
            raise TypeError("keys takes a text and a whole number that is not negative")
        with self._index(seconds) as ids:
            return sorted(key for key in ids if key.startswith(prefix))[:limit]

    def close(self) -> None:
        """The journal closes its tables."""

    @contextmanager
    def _index(self, seconds: float) -> Iterator[dict[str, int]]:
        if not self._lock.acquire(timeout=max(0.0, seconds)):
            raise ToolError(f"{self._name}: other runs kept it busy for {seconds:g} s")
        try:
            if self._ids is None:
                self._ids = {document["key"]: document.doc_id for document in self._table()}
            yield self._ids
        except OSError as error:
            self._ids = None  # a disk that failed may have taken the change or not: read again what is there
            log.warning("%s: %s", self._name, error, extra={"action": "tool_failed"})
            raise ToolError(f"{self._name}: the journal does not take it; its log says why") from error
        finally:
            self._lock.release()


def _check_key(key: Any) -> None:
    if not isinstance(key, str):
        raise TypeError(f"a key is text, not {type(key).__name__}")
    if not 1 <= len(key) <= _KEY:
        raise ValueError(f"a key has 1 to {_KEY} characters, this one {len(key)}")
