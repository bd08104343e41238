"""Names to addresses within a time, and which addresses are everybody's.

The system's resolver blocks for as long as it likes (half a minute where the name server is gone), so each name is
asked for in a thread of its own, once however many wait for it.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

Resolve = Callable[[str, float], list[str]]
"""The addresses of a name, in the order to try them, within so many seconds. Raises TimeoutError, OSError."""

Spawn = Callable[[str, Callable[[], None]], object]

_AT_ONCE = 8  # names that are being asked for; a name server that is gone must not cost a thread a call
_NAT64 = IPv6Network("64:ff9b::/96")


def ask_system(host: str) -> list[str]:
    """What the system says, however long it takes. Raises OSError."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Resolver:
    """A `Resolve`. `spawn(name, body)` starts a thread. Any thread."""

    def __init__(self, spawn: Spawn, ask: Callable[[str], list[str]] = ask_system) -> None:
        self._spawn = spawn
        self._ask = ask
        self._lock = threading.Lock()
        self._asked: dict[str, _Question] = {}

    def __call__(self, host: str, seconds: float) -> list[str]:
        if _is_address(host):
            return [host]
        question = self._question(host)
        if not question.answered.wait(max(0.0, seconds)):
            raise TimeoutError("the name server does not answer")
        if question.error is not None:
            raise ConnectionError(question.error)
        return question.addresses

    def _question(self, host: str) -> _Question:
        """The one that is under way, or a new one."""
        with self._lock:
            question = self._asked.get(host)
            if question is not None:
                return question
            if len(self._asked) >= _AT_ONCE:
                raise TimeoutError(f"{_AT_ONCE} names are being looked up already and none is answered")
            question = self._asked[host] = _Question()
        try:
            self._spawn(f"resolve-{host}"[:40], lambda: self._answer(host, question))
        except RuntimeError as error:  # no more threads
            question.error = str(error)
            self._done(host, question)
        return question

    def _answer(self, host: str, question: _Question) -> None:
        try:
            question.addresses = self._ask(host)
        except (OSError, UnicodeError) as error:
            question.error = f"its name is not known: {getattr(error, 'strerror', None) or error}"
        finally:
            self._done(host, question)

    def _done(self, host: str, question: _Question) -> None:
        with self._lock:
            del self._asked[host]
        question.answered.set()


class _Question:
    """A name on its way through the system."""

    def __init__(self) -> None:
        self.answered = threading.Event()
        self.addresses: list[str] = []
        self.error: str | None = None


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def is_public(address: str) -> bool:
    """Whether it is an address of the open network: not of a private one, of this machine, of a link or of many.

    An IPv4 address inside an IPv6 one counts as itself, and a tunnel's is never public.
    """
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        inner = _inside(found)
        if inner is not None:
            return is_public(str(inner))
        if found.sixtofour is not None or found.teredo is not None:
            return False
        if found.is_site_local:  # as private as fc00::/7, which came after it
            return False
    return found.is_global and not (found.is_multicast or found.is_reserved or found.is_unspecified)


def _inside(address: IPv6Address) -> IPv4Address | None:
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return IPv4Address(address.packed[-4:]) if address in _NAT64 else None
