"""What an app says of itself and asks for. Its exact bytes are what is signed; nothing is read from any other.

JSON, strict and closed: an unknown field, a field that stands there twice, NaN, or a number too large for JSON's other
readers is refused, so that two readers never see two manifests in the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, NoReturn

import orjson
from pydantic import AfterValidator, Field, ValidationError

from edge.apps.refusal import Reason, Refused
from edge.apps.shape import annotation
from edge.config.base import Name, Section
from edge.config.report import did_you_mean
from edge.config.schema import keys, model_at
from edge.config.tasks import Grant, Limits, MemorySection, When
from edge.config.units import LongerThanZero

FORMAT = 1
LARGEST = 64_000  # bytes
_DEEPEST = 32  # levels


def _moment(text: str) -> str:
    _seconds(text)
    return text


def _seconds(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
        seconds = moment.timestamp() if moment.tzinfo is not None else 0.0
    except OverflowError as error:
        raise ValueError(str(error)) from None
    if moment.tzinfo is None or "T" not in text:
        raise ValueError("a moment needs date, time and offset, such as 2026-12-01T00:00:00Z")
    return seconds


def _shape(shape: Any) -> Any:
    if shape is not None:
        annotation(shape)
    return shape


class Life(Section):
    """How long an app is there that nobody promoted."""

    runs: Annotated[int, Field(ge=1, le=2**53)] | None = Field(default=None, description="most runs")
    ttl: LongerThanZero | None = Field(default=None, description="how long it lives")


class Manifest(Section):
    """One version of one app, as it was signed."""

    format: Literal[1] = Field(description="format of the manifest")
    name: Name = Field(description="name of the app")
    version: Annotated[int, Field(ge=1, le=2**53)] = Field(description="higher than any before")
    edge: Annotated[str, Field(max_length=64)] = Field(description="`edge.id` of the gateway it is meant for")
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] = Field(description="of the source's bytes")
    when: When = Field(description="what starts it")
    expires: Annotated[str, AfterValidator(_moment)] | None = Field(default=None, description="not installed after")
    grant: Grant = Field(default=Grant(), description="what it asks to touch")
    limits: Limits = Field(default=Limits(), description="what it asks to spend")
    memory: MemorySection | None = Field(default=None, description="what it asks to remember")
    config: dict[str, Any] = Field(default={}, description="given to every run as `ctx.config`")
    output: Annotated[Any, AfterValidator(_shape)] = Field(default=None, description="shape of its results")
    check: Annotated[str, Field(min_length=1, max_length=1000)] | None = Field(
        default=None, description="whether a result is good"
    )
    life: Life = Field(default=Life(), description="how long it is there")
    description: Annotated[str, Field(max_length=500)] = Field(default="", description="for people")
    owner: Annotated[str, Field(max_length=100)] | None = Field(default=None, description="for people")

    @property
    def expires_at(self) -> float | None:
        """Wall clock seconds after which it is not installed; None: never."""
        return None if self.expires is None else _seconds(self.expires)

    @classmethod
    def parse(cls, data: bytes, edge_id: str) -> Manifest:
        """From exactly these bytes; `{id}` in topics is `edge_id`. Raises `Refused`."""
        if len(data) > LARGEST:
            raise Refused(Reason.TOO_LARGE, f"the manifest has {len(data)} bytes; at most {LARGEST} are taken")
        try:
            fields = json.loads(data.decode(), object_pairs_hook=_once, parse_constant=_no_number, parse_float=_finite)
            _check_depth(fields)
            orjson.dumps(fields)  # what cannot be written again (half a surrogate pair, 2**70) is not JSON to us
        except (ValueError, TypeError, RecursionError) as error:
            raise Refused(Reason.NOT_JSON, f"the manifest is not JSON in UTF-8: {str(error)[:200]}") from None
        if not isinstance(fields, dict):
            raise Refused(Reason.NOT_JSON, "the manifest is not a JSON object")
        try:
            return cls.model_validate(fields, context={"folder": "/", "id": edge_id})
        except ValidationError as error:
            raise Refused(Reason.FIELDS, f"the manifest: {_explain(error)}") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a field stands there twice")
    return found


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number in JSON")


def _finite(text: str) -> float:
    return number if math.isfinite(number := float(text)) else _no_number(text)


def _check_depth(fields: Any, depth: int = 0) -> None:
    """What is deep here is deeper wherever it is shown, and JSON has an end there."""
    if depth > _DEEPEST:
        raise ValueError(f"it is more than {_DEEPEST} levels deep")
    for inner in fields.values() if isinstance(fields, dict) else fields if isinstance(fields, list) else ():
        _check_depth(inner, depth + 1)


def _explain(error: ValidationError) -> str:
    mistakes = error.errors(include_url=False, include_input=False)
    parts = [_explain_one(tuple(one["loc"]), one["type"], one["msg"]) for one in mistakes[:5]]
    return "; ".join(parts) + (f"; and {len(mistakes) - 5} more" if len(mistakes) > 5 else "")


def _explain_one(way: tuple[str | int, ...], kind: str, message: str) -> str:
    where = ".".join(map(str, way))
    if kind != "extra_forbidden":
        return f"{where}: {message}"
    inside = model_at(way[:-1], Manifest)
    hint = did_you_mean(way[-1], keys(inside) if inside is not None else ())
    return f"{where[:80]} is no field{hint and ', ' + hint}"


def digest(source: bytes) -> str:
    """What `sha256` of a manifest must be for this source."""
    return hashlib.sha256(source).hexdigest()


def complete(fields: Mapping[str, Any], source: bytes, edge_id: str) -> bytes:
    """A manifest's bytes from what a person wrote: `format`, `edge` and `sha256` are filled in where absent."""
    known = {"format": FORMAT, "edge": edge_id, "sha256": digest(source)}
    return json.dumps({**known, **fields}, indent=2, ensure_ascii=False).encode()
