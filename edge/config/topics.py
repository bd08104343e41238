"""MQTT topics, filters and broker addresses: what is well formed, what overlaps (MQTT 5.0, section 4.7)."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import urlsplit

MAX_TOPIC_BYTES = 65_535
_SCHEMES = {"mqtt": 1883, "mqtts": 8883}
_MEANT = {"tcp": "mqtt", "http": "mqtt", "ws": "mqtt", "ssl": "mqtts", "tls": "mqtts", "https": "mqtts", "wss": "mqtts"}
# For a topic with one of these a broker may end the connection (MQTT 5.0, 1.5.4), each time it comes.
_UNSENDABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.%]+")


class Address(NamedTuple):
    """Where a broker listens."""

    host: str
    port: int
    tls: bool


def parse_broker(url: str) -> Address:
    """`mqtt://host[:port]` or `mqtts://host[:port]`. Raises ValueError: what is wrong; what to do (never the URL)."""
    if "://" not in url:
        raise ValueError(f"this is not a broker's address; write mqtt://{_without_user(url) or 'localhost:1883'}")
    scheme = url.partition("://")[0].lower()
    if scheme not in _SCHEMES:
        meant = _MEANT.get(scheme, "mqtt")
        raise ValueError(f"a broker is reached by mqtt:// or mqtts://, not {scheme[:20]}://; write {meant}://")
    if "@" in url:
        raise ValueError("the address must not hold a user or password; use user: and password: !secret name")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ValueError("the port must be a number from 1 to 65535; leave it out for the usual one") from error
    if port == 0 or parts.netloc.endswith(":"):
        raise ValueError("the port must be a number from 1 to 65535; leave it out for the usual one")
    if not parts.hostname or not _HOST.fullmatch(parts.hostname):
        raise ValueError("the host is missing or misspelt; such as mqtt://localhost:1883")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("nothing may follow host and port; topics have keys of their own")
    return Address(parts.hostname, port or _SCHEMES[scheme], scheme == "mqtts")


def _without_user(text: str) -> str:
    return "" if "@" in text or " " in text else text[:60]


def filter_problem(text: str) -> str:
    """Why this is no topic filter; empty when it is one."""
    levels = text.split("/")
    if "#" in levels[:-1]:
        return "# stands for everything below and must be the last level"
    for level in levels:
        if len(level) > 1 and ("#" in level or "+" in level):
            return f"+ and # stand for whole levels; {level[:40]!r} mixes one with text"
    return _common_problem(text)


def topic_problem(text: str) -> str:
    """Why this is no topic to publish on; empty when it is one."""
    if "+" in text or "#" in text:
        return "the wildcards + and # are for subscribing; a message has one topic"
    return _common_problem(text)


def unsendable(topic: str) -> str:
    """Why no message can be sent on this topic; empty when one can."""
    if "+" in topic or "#" in topic or not topic:
        return "wildcards and empty topics are for subscribing"
    return _unwritable(topic)


def _unwritable(text: str) -> str:
    if _UNSENDABLE.search(text) or len(text.encode("utf-8", "replace")) > MAX_TOPIC_BYTES:
        return "a topic has no control characters and at most 65,535 bytes"
    return ""


def _common_problem(text: str) -> str:
    if not text:
        return "a topic cannot be empty"
    if problem := _unwritable(text):
        return problem
    braces = re.search(r"\{[^}]*\}?|\}", text.replace("{id}", ""))
    if braces is not None:
        return f"{braces.group()[:40]} is not filled in by anybody; the only placeholder is {{id}}"
    return ""


def overlap(one: str, other: str) -> bool:
    """Whether some topic matches both filters."""
    left, right = one.split("/"), other.split("/")
    # a wildcard at the start does not match topics that begin with $
    if "$" in (left[0][:1], right[0][:1]) and left[0] != right[0]:
        return False
    for index in range(max(len(left), len(right))):
        a = left[index] if index < len(left) else None
        b = right[index] if index < len(right) else None
        if a == "#" or b == "#":  # also matches the level above: `a/#` matches `a`
            return True
        if a is None or b is None or (a != b and "+" not in (a, b)):
            return False
    return True


def includes(outer: str, inner: str) -> bool:
    """Whether every topic that matches the filter `inner` matches `outer` too."""
    wide, narrow = outer.split("/"), inner.split("/")
    if wide[0] in ("+", "#") and narrow[0].startswith("$"):  # wildcards at the start match no $SYS
        return False
    for index, level in enumerate(wide):
        if level == "#":
            return True
        if index >= len(narrow) or narrow[index] == "#":
            # `a/+/#` matches `a/b` and below; `a/#` matches `a` too
            return False
        if level not in ("+", narrow[index]):
            return False
    return len(wide) == len(narrow)
