"""What may stand in `hosts:` and `headers:` of a tool, and in what a task sends with it.

Servers have one form only: what is not written plainly is refused, so that no two readers can take the same text for
two servers.
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address

_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_VALUE = re.compile(r"(?:[!-~](?:[\t -~]*[!-~])?)?")
_OURS = {"host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "expect",
         "keep-alive", "accept-encoding", "proxy-authorization", "proxy-connection", "cookie"}  # fmt: skip
_PORT = re.compile(r"[0-9]{1,5}")


def plain_host(text: str) -> str:
    """Lower case, without the dot at the end; IPv6 in brackets and in its short form.

    Raises ValueError for everything that a resolver or a browser reads in a way of its own: `0x7f.1`, percent signs,
    letters beyond ASCII.
    """
    try:
        if text.startswith("[") and text.endswith("]") and "%" not in text:
            return f"[{IPv6Address(text[1:-1]).compressed}]"
        name = text.lower().removesuffix(".")
        if name.isascii() and len(name) <= 253 and _NAME.fullmatch(name):
            return str(IPv4Address(name)) if _NUMBER.fullmatch(name.rpartition(".")[2]) else name
    except AddressValueError:
        raise ValueError("this is no address; such as 192.0.2.7 or [2001:db8::7]") from None
    if not name.isascii():
        raise ValueError("it has letters beyond a to z; write the form that begins with xn--")
    raise ValueError("this is no name of a server; such as api.example, 192.0.2.7 or [2001:db8::7]")


def plain_server(text: str) -> tuple[str, int | None]:
    """Host and port of `api.example:8443`; None where no port is written. Raises ValueError, `what; what to do`."""
    if "://" in text or "/" in text:
        raise ValueError("only the server belongs here; without https:// and without a path")
    if "@" in text:
        raise ValueError("a user belongs into headers; without the @")
    if "*" in text:
        raise ValueError("names are exact; list every server")
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, ""
    elif ":" in host and not host.startswith("["):
        raise ValueError("an IPv6 address needs brackets; [2001:db8::7]")
    elif not _PORT.fullmatch(port) or not 1 <= int(port) <= 65535:
        raise ValueError("ports go from 1 to 65535; leave it out for the usual one")
    return plain_host(host), int(port) if port else None


def header_problem(name: str, value: str) -> str:
    """Why this header cannot be sent; empty when it can. Never has the value, which may be a secret."""
    if not _TOKEN.fullmatch(name):
        return "this is no name of a header"
    if name.lower() in _OURS:
        return "this header is not yours to set: it decides where the request goes and where it ends"
    return "" if _VALUE.fullmatch(value) else "a value has letters, digits and signs of ASCII, on one line"
