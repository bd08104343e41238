"""The outcome's envelope: CloudEvents 1.0, structured JSON (github.com/cloudevents/spec, json-format.md).

Made once, when a run ends; stored and sent as these bytes for ever.
"""

from __future__ import annotations

from typing import Any

import orjson

CONTENT_TYPE = "application/cloudevents+json"
BATCH_CONTENT_TYPE = "application/cloudevents-batch+json"
TYPE = "edge.outcome.v1"


def seal(*, id: str, edge_id: str, task: str, time: str, data: dict[str, Any]) -> bytes:
    """The envelope's bytes. Raises TypeError when `data` holds what JSON cannot."""
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": id,
            "source": f"/edge/{edge_id}/tasks/{task}",
            "type": TYPE,
            "time": time,
            "datacontenttype": "application/json",
            "subject": task,
            "data": data,
        },
        option=orjson.OPT_NON_STR_KEYS,
    )


def pack(bodies: list[bytes]) -> bytes:
    """A batch: the JSON array of envelopes, joined as stored."""
    return b"[" + b",".join(bodies) + b"]"


def unpack(payload: bytes) -> list[dict[str, Any]]:
    """The envelopes of one message: a batch is a JSON array, anything else is one. Raises ValueError."""
    value = orjson.loads(payload)
    envelopes = value if isinstance(value, list) else [value]
    for envelope in envelopes:
        if not isinstance(envelope, dict) or "id" not in envelope:
            raise ValueError("not a CloudEvents envelope: no id")
    return envelopes
