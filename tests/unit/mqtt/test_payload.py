"""What a payload means, and what is refused."""

from __future__ import annotations

import contextlib
import json

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import PayloadError
from edge.ingest.payload import DEPTH, DIGITS, decode

LIMIT = 100_000


@pytest.mark.parametrize(
    ("payload", "values"),
    [
        (b'{"rms": 4.5, "unit": "mm/s"}', {"rms": 4.5, "unit": "mm/s"}),
        (b" 21.5 ", {"value": 21.5}),
        (b'"on"', {"value": "on"}),
        (b"true", {"value": True}),
        (b"{}", {}),
        (b"[1, 2]", None),
        (b"null", None),
        (b"on", None),
        (b"\x00\xff", None),
        (b"nan", None),
        (b"[" * DEPTH + b"]" * DEPTH, None),
        (b'{"text": "' + b"1" * 400 + b'"}', {"text": "1" * 400}),
        (b'{"text": "' + b"[" * 400 + b'"}', {"text": "[" * 400}),
        (b'{"text": "\\"' + b"[" * 400 + b'"}', {"text": '"' + "[" * 400}),
    ],
)
def test_an_object_is_values_a_scalar_is_value_all_else_is_bytes(payload, values):
    assert decode(payload, LIMIT) == values


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "empty"),
        (b" " * (LIMIT + 1), "too_large"),
        (b'{"a": NaN}', "not_finite"),
        (b"NaN", "not_finite"),
        (b"[1, -Infinity]", "not_finite"),
        (b"1e999", "not_finite"),
        (b"{broken", "malformed"),
        (b'{"a": 1', "malformed"),
        (b'{"a": 1e100,}', "malformed"),
        (b'{"a": "\xff"}', "malformed"),
        (b"  [1,", "malformed"),
        (b"[" * (DEPTH + 1) + b"]" * (DEPTH + 1), "too_deep"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "too_deep"),
        (b"[" * 90_000, "too_deep"),
        (b"1" * (DIGITS + 1), "too_many_digits"),
        (b'{"a": 0.' + b"1" * (DIGITS + 1) + b"}", "too_many_digits"),
    ],
)
def test_what_is_refused_says_why(payload, reason):
    with pytest.raises(PayloadError) as refused:
        decode(payload, LIMIT)

    assert refused.value.reason == reason


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), plain, max_size=5))
@settings(deadline=None, max_examples=150)
def test_any_object_comes_back_as_it_was(values):
    assert decode(orjson.dumps(values), LIMIT) == values


@given(st.binary(max_size=200) | st.text(alphabet='{}[]",:0123456789eE+-.NaInfity \\', max_size=60).map(str.encode))
@settings(deadline=None, max_examples=300)
def test_any_bytes_are_values_bytes_or_a_reason(payload):
    with contextlib.suppress(PayloadError):  # anything else is a bug
        values = decode(payload, LIMIT)
        if values is not None:
            assert json.loads(orjson.dumps(dict(values))) == values
