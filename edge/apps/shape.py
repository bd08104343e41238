"""`output` of a manifest: the shape of a result as plain JSON, over a closed list of types.

"number"                                   one of boolean, integer, number, string, null, any
["number"]                                 a list of them
{"celsius": "number", "note?": "string"}   an object with these keys and no others; `?`: may be absent
"""

from __future__ import annotations

from typing import Any, NotRequired

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

_TYPES: dict[str, Any] = {"boolean": bool, "integer": int, "number": float, "string": str, "null": None, "any": Any}
_DEEPEST = 8
_MOST = 200  # keys and types in all


def annotation(shape: Any) -> Any:
    """The type of a result of that shape. Raises ValueError: what is wrong; what to write."""
    return _Shapes().of(shape, 0)


class _Shapes:
    def __init__(self) -> None:
        self._count = 0

    def of(self, shape: Any, depth: int) -> Any:
        self._count += 1
        if depth > _DEEPEST or self._count > _MOST:
            raise ValueError(f"a shape is at most {_DEEPEST} levels deep and has at most {_MOST} parts")
        if isinstance(shape, str) and shape in _TYPES:
            return _TYPES[shape]
        if isinstance(shape, list) and len(shape) == 1:
            item: Any = self.of(shape[0], depth + 1)
            return list[item]
        if isinstance(shape, dict) and shape:
            return self._object(shape, depth)
        known = ", ".join(_TYPES)
        raise ValueError(f'{str(shape)[:40]!r} is no shape; write one of {known}, [shape] or {{"key": shape}}')

    def _object(self, shape: dict[str, Any], depth: int) -> Any:
        fields: dict[str, Any] = {}
        for key, inner in shape.items():
            name, part = key.removesuffix("?"), self.of(inner, depth + 1)
            if not name or name in fields:
                raise ValueError(f"{key[:40]!r} is no key of a shape, or stands there twice")
            fields[name] = NotRequired[part] if key.endswith("?") else part
        made: Any = TypedDict("output", fields)  # type: ignore[misc]
        return with_config(ConfigDict(extra="forbid", strict=True, allow_inf_nan=False))(made)
