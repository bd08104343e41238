"""How an app travels: manifest and source together, with a signature and the name of the key that made it."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any

import orjson

from edge.apps.manifest import LARGEST
from edge.apps.refusal import Reason, Refused

_FIELDS = ("manifest", "source", "key", "signature")


@dataclass(frozen=True, slots=True)
class Parcel:
    """Exact bytes. `key` names an entry of `on_the_fly.keys`; without key and signature it is unsigned."""

    manifest: bytes
    source: bytes
    key: str = ""
    signature: bytes = b""

    @property
    def signed(self) -> bool:
        return bool(self.key or self.signature)


def pack(manifest: bytes, source: bytes, key: str, private: bytes) -> bytes:
    """The payload of an MQTT message, signed with `private`, whose other half the gateway knows as `key`.

    Raises ValueError for a private key that is none, UnicodeDecodeError for what is not UTF-8.
    """
    from edge.crypto import sign

    signature = base64.b64encode(sign(private, manifest)).decode()
    texts = {"manifest": manifest.decode(), "source": source.decode(), "key": key, "signature": signature}
    return orjson.dumps(texts)


def heaviest(source: int) -> int:
    """Most bytes of a message whose source has at most so many: a character may be escaped, six for one."""
    return 6 * (source + LARGEST)


def unpack(payload: bytes, largest: int) -> Parcel:
    """The other way, for a source of at most `largest` bytes. Raises `Refused`; unsigned is refused."""
    most = heaviest(largest)
    if len(payload) > most:
        raise Refused(Reason.TOO_LARGE, f"the message has {len(payload)} bytes; at most {most} are taken")
    try:
        fields: Any = orjson.loads(payload)
    except orjson.JSONDecodeError:
        raise Refused(Reason.NOT_JSON, "the message is not JSON") from None
    if not isinstance(fields, dict):
        raise Refused(Reason.NOT_JSON, "the message is not a JSON object")
    unknown = sorted(set(fields) - set(_FIELDS))
    if unknown or not all(isinstance(fields.get(key, ""), str) for key in _FIELDS):
        names = ", ".join(_FIELDS)
        raise Refused(Reason.FIELDS, f"the message has the texts {names} and nothing else; see the guide")
    if not fields.get("key") or not fields.get("signature"):
        raise Refused(Reason.UNSIGNED, "what comes over MQTT must carry key and signature")
    try:
        signature = base64.b64decode(fields["signature"], validate=True)
    except (binascii.Error, ValueError):
        raise Refused(Reason.SIGNATURE, "the signature is not base64") from None
    if "manifest" not in fields or "source" not in fields:
        raise Refused(Reason.FIELDS, "the message lacks manifest or source")
    return Parcel(fields["manifest"].encode(), fields["source"].encode(), fields["key"], signature)
