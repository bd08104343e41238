"""`kind: http`: requests to the servers on a list, and to no other, whatever an answer or a name server says."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import urlencode, urljoin

import orjson

from edge.config.http import header_problem, plain_server
from edge.config.tools import HttpTool
from edge.config.units import show_size
from edge.errors import LimitExceeded, NotGranted, ToolError
from edge.links.http import Answer, Request, TooLarge, Wire
from edge.runs.tools.tool import Operation

_HOPS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_PORTS = {"https": 443, "http": 80}
_URL = re.compile(r"(https?)://([^/?#]*)([/?][^#]*)?(?:#.*)?", re.IGNORECASE)
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f\\]")
_LENGTH = 4000  # characters of a URL
_HEADERS = 20
_TOLD = ("content-type", "date", "etag", "last-modified", "link", "location", "retry-after")
_CHARSETS = {"iso-8859-1", "windows-1252"}

Query = Mapping[str, Any] | None


class Place(NamedTuple):
    """Where a request goes: all that is sent is made of this, so there is nothing to read in two ways."""

    scheme: str
    host: str
    port: int
    target: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}{self.target}"


@dataclass(frozen=True, slots=True)
class Reach:
    """Which servers a tool may speak to."""

    servers: tuple[tuple[str, int | None], ...]
    insecure: bool

    @classmethod
    def of(cls, settings: HttpTool) -> Reach:
        return cls(tuple(map(plain_server, settings.hosts)), settings.insecure)

    def has(self, place: Place) -> bool:
        """A server without a port on the list has the usual one."""
        wanted = (place.host, None if place.port == _PORTS[place.scheme] else place.port)
        return wanted in self.servers or (place.host, place.port) in self.servers

    def place(self, url: Any) -> Place:
        """A URL, or the path of the only server. Raises ValueError and TypeError for what is neither."""
        if not isinstance(url, str):
            raise TypeError(f"a URL is text, not {type(url).__name__}")
        if len(url) > _LENGTH or _FORBIDDEN.search(url):
            raise ValueError(
                f"a URL has at most {_LENGTH} characters, and no spaces, backslashes or control characters"
            )
        if url.startswith("/") and not url.startswith("//"):
            return self._path(url.partition("#")[0])
        match = _URL.fullmatch(url)
        if match is None:
            raise ValueError("this is neither a path such as /today nor a URL such as https://api.example/today")
        scheme, server, target = match[1].lower(), match[2], match[3] or "/"
        try:
            host, port = plain_server(server)
        except ValueError as error:
            raise ValueError(f"the server of this URL cannot be used: {error}") from None
        return Place(scheme, host, port or _PORTS[scheme], target if target.startswith("/") else f"/{target}")

    def _path(self, path: str) -> Place:
        if len(self.servers) > 1:
            raise ValueError("there are several servers: write the URL, not only its path")
        host, port = self.servers[0]
        scheme = "http" if self.insecure else "https"
        return Place(scheme, host, port or _PORTS[scheme], path)


class Http:
    """One connection a request, so nothing of one task's stays for another. Any thread."""

    def __init__(self, name: str, settings: HttpTool, wire: Wire) -> None:
        self._name = name
        self._settings = settings
        self._wire = wire
        self._reach = Reach.of(settings)
        self._secret = {key.lower(): value.get_secret_value() for key, value in settings.headers.items()}

    @property
    def operations(self) -> Mapping[str, Operation]:
        shapes = {"GET": self._plain, "HEAD": self._plain}
        return {
            method.lower(): partial(shapes.get(method, self._carrying), method) for method in self._settings.methods
        }

    def close(self) -> None:
        """No connection outlives its call."""

    def _plain(
        self, method: str, /, url: str, query: Query = None, headers: Mapping[str, str] | None = None, *, seconds: float
    ) -> dict[str, Any]:
        """{status, headers, json or text}. Redirects are followed as long as they stay on the list."""
        return self._told(method, self._send(method, self._start(url, query), headers, None, seconds))

    def _carrying(
        self,
        method: str,
        /,
        url: str,
        json: Any = None,
        query: Query = None,
        headers: Mapping[str, str] | None = None,
        *,
        seconds: float,
    ) -> dict[str, Any]:
        """The same with a body. Redirects are not followed: the answer says where to."""
        body = None if json is None else orjson.dumps(json)
        return self._told(method, self._send(method, self._start(url, query), headers, body, seconds))

    def _start(self, url: str, query: Query) -> Place:
        place = self._reach.place(url)
        if query:
            mark = "&" if "?" in place.target else "?"
            place = place._replace(target=f"{place.target}{mark}{urlencode(_pairs(query))}")
        if not self._reach.has(place):
            raise NotGranted(f"{self._name}: {_server(place)} is not one of tools.{self._name}.hosts")
        if place.scheme == "http" and not self._reach.insecure:
            raise NotGranted(f"{self._name}: only https is allowed; insecure: true allows http")
        return place

    def _send(
        self, method: str, place: Place, headers: Mapping[str, str] | None, body: bytes | None, seconds: float
    ) -> Answer:
        deadline = self._wire.now() + seconds
        sent = {**_checked(headers), **self._secret}
        if body is not None:
            sent["content-type"] = sent.get("content-type", "application/json")
        size = len(body or b"") + len(str(place)) + sum(len(key) + len(value) for key, value in sent.items())
        if size > self._settings.request:
            most = show_size(self._settings.request)
            raise LimitExceeded(f"{self._name}: the request has {size} bytes, {most} are allowed")
        for _ in range(_HOPS + 1):
            answer = self._exchange(method, place, sent, body, deadline, seconds)
            onward = answer.headers.get("location")
            if answer.status not in _REDIRECTS or onward is None or method not in ("GET", "HEAD"):
                return answer
            before, place = place, self._onward(place, onward)
            if place[:3] != before[:3]:
                sent = dict(self._secret)  # what a task sends along was meant for the server that it named
        raise ToolError(f"{self._name}: {_server(place)} sends it on more than {_HOPS} times")

    def _exchange(
        self, method: str, place: Place, headers: Mapping[str, str], body: bytes | None, deadline: float, seconds: float
    ) -> Answer:
        request = Request(
            method=method,
            scheme=place.scheme,
            host=place.host,
            port=place.port,
            target=place.target,
            headers=headers,
            body=body,
        )
        who = f"{self._name}: {_server(place)}"
        try:
            return self._wire.exchange(request, deadline=deadline, most=self._settings.response)
        except PermissionError as error:
            raise NotGranted(f"{who}: {error}; private: true allows that") from None
        except TooLarge:
            most = show_size(self._settings.response)
            raise LimitExceeded(f"{who}: the answer has more than {most}") from None
        except TimeoutError as error:
            raise ToolError(f"{who}: no whole answer within {seconds:g} s: {error}") from None
        except OSError as error:
            raise ToolError(f"{who}: {error}") from None

    def _onward(self, place: Place, location: str) -> Place:
        """Where a redirect leads, judged like the URL of a task. Raises ToolError: the server is at fault."""
        try:
            onward = self._reach.place(urljoin(str(place), location))
        except ValueError as error:
            raise ToolError(f"{self._name}: {_server(place)} sends it on to nowhere: {error}") from None
        if not self._reach.has(onward):
            raise ToolError(
                f"{self._name}: {_server(place)} sends it on to {_server(onward)}, which is not on the list"
            )
        if onward.scheme == "http" and place.scheme == "https":
            raise ToolError(f"{self._name}: {_server(place)} sends it on from https to http")
        return onward

    def _told(self, method: str, answer: Answer) -> dict[str, Any]:
        told: dict[str, Any] = {
            "status": answer.status,
            "headers": {key: answer.headers[key][:1000] for key in _TOLD if key in answer.headers},
        }
        kind, _, options = answer.headers.get("content-type", "").lower().partition(";")
        kind = kind.strip()
        if answer.body and (kind == "application/json" or kind.endswith("+json")):
            return {**told, "json": self._json(answer.body)}
        return {**told, "text": answer.body.decode(_charset(options), "replace")}

    def _json(self, body: bytes) -> Any:
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError:
            raise ToolError(f"{self._name}: the answer says that it is JSON, and is not") from None


def _server(place: Place) -> str:
    return place.host if place.port == _PORTS[place.scheme] else f"{place.host}:{place.port}"


def _charset(options: str) -> str:
    found = re.search(r'charset="?([a-z0-9_-]+)', options)
    return found[1] if found is not None and found[1] in _CHARSETS else "utf-8"


def _pairs(query: Any) -> Sequence[tuple[str, str]]:
    if not isinstance(query, Mapping):
        raise TypeError("query is a mapping of names and values")
    pairs = []
    for key, value in query.items():
        for one in value if isinstance(value, list | tuple) else (value,):
            if not isinstance(key, str) or not isinstance(one, str | int | float):
                raise TypeError("query has names and texts, numbers, true or false, or lists of them")
            pairs.append((key, str(one).lower() if isinstance(one, bool) else str(one)))
    return pairs


def _checked(headers: Any) -> dict[str, str]:
    """By lower-case name: what would change whose answer it is, or where the request ends, is not a task's to say."""
    if headers is None:
        return {}
    if not isinstance(headers, Mapping) or len(headers) > _HEADERS:
        raise TypeError(f"headers is a mapping of at most {_HEADERS} names and texts")
    for key, value in headers.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise TypeError("headers has names and texts")
        problem = header_problem(key, value)
        if problem:
            raise ValueError(f"header {key[:40]!r}: {problem}")
    return {key.lower(): value for key, value in headers.items()}
