"""Durations and sizes carry units; a bare number is refused, because nobody can tell 5 seconds from 5 ms by eye."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

_DURATIONS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZES = {"B": 1, "KB": 1000, "MB": 1000**2, "GB": 1000**3, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_PART = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?)\s*([A-Za-z]+)\s*")
_A_DURATION = ("a duration", "a number and its unit, such as 500ms, 10s, 5m, 2h or 1d")
_A_SIZE = ("a size", "a number and its unit, such as 64KB, 16MB or 1GiB")


def parse_duration(text: Any) -> float:
    """Seconds: `500ms`, `10s`, `1h 30m`. Raises ValueError: what is wrong; what to write."""
    return _parse(text, _DURATIONS, *_A_DURATION)


def parse_size(text: Any) -> int:
    """Bytes: `64KB` (1000), `16MiB` (1024). Raises ValueError: what is wrong; what to write."""
    return int(_parse(text, _SIZES, *_A_SIZE))


def _parse(text: Any, units: dict[str, float] | dict[str, int], expected: str, advice: str) -> float:
    if isinstance(text, int | float) and not isinstance(text, bool):
        raise ValueError(f"{text!r} has no unit; write {advice}")
    if not isinstance(text, str):
        raise ValueError(f"this is not {expected}; write {advice}")
    total, position = 0.0, 0
    stripped = text.strip()
    while position < len(stripped):
        match = _PART.match(stripped, position)
        if match is None or match.group(2) not in units:
            raise ValueError(f"{text[:40]!r} is not {expected}; write {advice}")
        total += float(match.group(1)) * units[match.group(2)]
        position = match.end()
    if position == 0:
        raise ValueError(f"{text[:40]!r} is not {expected}; write {advice}")
    return total


def show_duration(seconds: float) -> str:
    """The shortest exact spelling: 0.1 -> `100ms`, 90 -> `90s`, 7200 -> `2h`."""
    for unit in ("d", "h", "m", "s", "ms", "us"):
        count = seconds / _DURATIONS[unit]
        if count >= 1 and math.isclose(count, round(count), rel_tol=1e-12):
            return f"{round(count)}{unit}"
    if seconds == 0:
        return "0s"
    unit = "s" if seconds >= 1 else "ms" if seconds >= 1e-3 else "us"
    return f"{seconds / _DURATIONS[unit]:.9f}".rstrip("0").rstrip(".") + unit


def show_size(count: int) -> str:
    """The shortest exact spelling: 256000000 -> `256MB`, 65536 -> `64KiB`."""
    for unit in ("GB", "GiB", "MB", "MiB", "KB", "KiB"):
        if count and count % _SIZES[unit] == 0:
            return f"{count // _SIZES[unit]}{unit}"
    return f"{count}B"


Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    PlainSerializer(show_duration, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": r"^([0-9]+(\.[0-9]+)?\s*(us|ms|s|m|h|d)\s*)+$"}),
]
"""Seconds in Python, text with a unit in the file."""

LongerThanZero = Annotated[Duration, Field(gt=0)]

Size = Annotated[
    int,
    BeforeValidator(parse_size),
    PlainSerializer(show_size, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": r"^([0-9]+(\.[0-9]+)?\s*(B|[KMG]i?B)\s*)+$"}),
]
"""Bytes in Python, text with a unit in the file."""
