"""Durations and sizes carry units; a bare number is refused, because nobody can tell 5 seconds from 5 ms by eye."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

_DURATIONS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZES = {"B": 1, "KB": 1000, "MB": 1000**2, "GB": 1000**3, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*")


def parse_duration(text: Any) -> float:
    """Seconds: `500ms`, `10s`, `1h 30m`. Raises ValueError saying what was expected."""
    return _parse(text, _DURATIONS, "a duration with a unit, such as 500ms, 10s, 5m, 2h or 1d")


def parse_size(text: Any) -> int:
    """Bytes: `64KB` (1000), `16MiB` (1024). Raises ValueError saying what was expected."""
    return int(_parse(text, _SIZES, "a size with a unit, such as 64KB, 16MB or 1GiB"))


def _parse(text: Any, units: dict[str, float] | dict[str, int], expected: str) -> float:
    if not isinstance(text, str):
        raise ValueError(f"{text!r} has no unit: write {expected}")
    total, position = 0.0, 0
    stripped = text.strip()
    while position < len(stripped):
        match = _PART.match(stripped, position)
        if match is None or match.group(2) not in units:
            raise ValueError(f"{text!r} is not {expected}")
        total += float(match.group(1)) * units[match.group(2)]
        position = match.end()
    if position == 0:
        raise ValueError(f"{text!r} is not {expected}")
    return total


def show_duration(seconds: float) -> str:
    """The shortest exact spelling: 0.1 -> `100ms`, 90 -> `90s`, 7200 -> `2h`."""
    for unit in ("d", "h", "m", "s", "ms"):
        count = seconds / _DURATIONS[unit]
        if count >= 1 and abs(count - round(count)) < 1e-9:
            return f"{round(count)}{unit}"
    return f"{seconds * 1e6:g}us" if seconds < 1e-3 else f"{seconds * 1e3:g}ms"


Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    WithJsonSchema(
        {"type": "string", "pattern": r"^(\d+(\.\d+)?\s*(us|ms|s|m|h|d)\s*)+$", "examples": ["500ms", "10s"]}
    ),
]
Size = Annotated[
    int,
    BeforeValidator(parse_size),
    WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)?\s*(B|[KMG]i?B)$", "examples": ["64KB", "16MB"]}),
]
