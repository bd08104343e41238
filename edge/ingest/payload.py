"""What a payload means: a JSON object is values, a number, a string or a boolean is `value`, all else stays bytes.

Bounds are checked before anything is built from the bytes: size, nesting (32), digits of one number (300). NaN and
infinity are refused: they are not JSON, and most receivers of an outcome could not read them.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

import orjson

from edge.errors import PayloadError

DEPTH = 32
DIGITS = 300
MALFORMED = "malformed"

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_LONG_NUMBER = re.compile(rb"[0-9]{%d}" % (DIGITS + 1))


def decode(payload: bytes, limit: int) -> Mapping[str, Any] | None:
    """The values of an event, or None for what is not JSON. Raises PayloadError: empty, too_large, too_deep,
    too_many_digits, not_finite, malformed (it begins like JSON)."""
    if not payload:
        raise PayloadError("empty", "the payload is empty")
    if len(payload) > limit:
        raise PayloadError("too_large", f"the payload has {len(payload)} bytes, max_payload is {limit}")
    _check_bounds(payload)
    try:
        value = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        _explain(payload, error)
        return None
    if isinstance(value, dict):
        return value
    if isinstance(value, (int, float, str)):
        return {"value": value}
    return None


def _check_bounds(payload: bytes) -> None:
    """Counting brackets and bytes clears nearly every message; only the rest is looked at without its strings."""
    deep = payload.count(b"{") + payload.count(b"[") > DEPTH
    if not deep and len(payload) <= DIGITS:
        return
    long = len(payload) > DIGITS and _LONG_NUMBER.search(payload) is not None
    if not deep and not long:
        return
    bare = _STRING.sub(b'""', payload)
    if long and _LONG_NUMBER.search(bare):
        raise PayloadError("too_many_digits", f"a number in the payload has more than {DIGITS} digits")
    if deep and _nesting(bare) > DEPTH:
        raise PayloadError("too_deep", f"the payload is nested deeper than {DEPTH}")


def _nesting(bare: bytes) -> int:
    depth = deepest = 0
    for byte in bare:
        if byte in b"{[":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"}]":
            depth -= 1
    return deepest


def _explain(payload: bytes, error: orjson.JSONDecodeError) -> None:
    """Why it is not JSON, asked of a slower parser that knows NaN and infinity by name."""
    try:
        json.loads(payload, parse_constant=_not_finite, parse_float=_finite)
    except ValueError as slower:
        if isinstance(slower, PayloadError):
            raise
    if payload.lstrip()[:1] in (b"{", b"["):
        raise PayloadError(MALFORMED, f"the payload begins like JSON and is not: {error}")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _not_finite(text)


def _not_finite(text: str) -> float:
    raise PayloadError("not_finite", f"the payload has the number {text[:20]}; JSON knows neither NaN nor infinity")
