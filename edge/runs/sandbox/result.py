"""What came out of the sandbox as plain data: counted as it is walked, because it may hold itself many times over."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from edge.runs.sandbox.schema import mirror

_DEEPEST = 32
_CLASS = 1000  # bytes that a class of no use for the result counts: making one takes this process as long
_LARGEST = 1 << 63


def plain(value: Any, room: int, classes: Mapping[str, type] | None) -> Any:
    """Lists, dicts, scalars and instances of `classes`, of at most `room` bytes as JSON, about. Raises ValueError for
    anything else. Without `classes` an instance is a dict of its fields."""
    return _Walk(room, classes).copy(value, 0)


class _Walk:
    def __init__(self, room: int, classes: Mapping[str, type] | None) -> None:
        self._room = self._left = room
        self._classes = None if classes is None else dict(classes)

    def copy(self, value: Any, depth: int) -> Any:
        self._spend(1)
        if depth > _DEEPEST:
            raise ValueError(f"the result is more than {_DEEPEST} levels deep")
        kind = type(value)
        if value is None or kind is bool:
            return value
        if kind is float:
            if not math.isfinite(value):
                raise ValueError(f"the result holds {value}, which is not JSON: numbers must be finite")
            return value
        if kind is int:
            if not -_LARGEST <= value < _LARGEST:
                raise ValueError("the result holds an integer of more than 64 bits")
            return value
        if kind is str:
            self._spend(len(value))
            return value
        if kind is list or kind is tuple:
            return [self.copy(item, depth + 1) for item in value]
        if kind is dict:
            return {self._key(key): self.copy(item, depth + 1) for key, item in value.items()}
        if getattr(value, "is_dataclass", False) is True:
            return self._instance(value, depth + 1)
        raise ValueError(
            f"the result holds a {kind.__name__}, which is not JSON; return a dataclass, a dict or a scalar"
        )

    def _instance(self, value: Any, depth: int) -> Any:
        fields = {self._key(key): self.copy(item, depth) for key, item in value.attributes.items()}
        if self._classes is None:
            return fields
        if value.name not in self._classes:
            self._spend(_CLASS)
            self._classes[value.name] = mirror(value.name, {})
        made: Any = object.__new__(self._classes[value.name])
        made.__dict__.update(fields)
        return made

    def _key(self, key: Any) -> str:
        if type(key) is not str:
            raise ValueError("the result holds a dict whose keys are not text")
        self._spend(len(key) + 1)
        return key

    def _spend(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise ValueError(f"the result is larger than limits.output, {self._room} bytes")
