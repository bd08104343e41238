"""The type that a task declares for its result, as what turns one into JSON or says where it is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

# Results are checked as they are, not coerced: a task that says int and returns "7" is mistaken.
_STRICT = ConfigDict(strict=True, revalidate_instances="always", allow_inf_nan=False)


def checked(annotation: Any) -> Callable[[Any], bytes]:
    """What turns a result of that type into JSON, and raises ValueError for any other."""
    # Inside a tuple, because a configuration may not be given for a dataclass itself.
    adapter = TypeAdapter(tuple[annotation], config=_STRICT)
    validate = adapter.validator.validate_python

    def check(result: Any) -> bytes:
        try:
            validate((result,))
        except ValidationError as error:
            raise ValueError(_explain(error, annotation)) from None
        return orjson.dumps(result, default=_plain)

    return check


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__name__} is not JSON")


def _explain(error: ValidationError, annotation: Any) -> str:
    expected = getattr(annotation, "__name__", str(annotation))
    parts = []
    for mistake in error.errors(include_url=False)[:5]:
        path = ".".join(str(step) for step in mistake["loc"][1:]) or "the result"
        parts.append(f"{path}: {mistake['msg']}, got {type(mistake['input']).__name__}")
    return f"the task declares {expected}; " + "; ".join(parts)
