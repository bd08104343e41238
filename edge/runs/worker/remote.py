"""What a task in a worker sees as `ctx`: what it was given at the start, and calls to the host for all the rest.

Grants, limits and the clock are checked by the host, so the errors that a task sees are the host's own classes.
"""

from __future__ import annotations

import copy
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import orjson

from edge.clock import Clock
from edge.errors import RunTimeout
from edge.model import Event
from edge.runs.worker.frames import CALL_ROOM, Kind

Ask = Callable[[bytes], tuple[Kind, bytes]]
"""A call's frame body to the answer's kind and body."""


class Remote:
    """The `Context` of one run. Any thread of the child, until `end`."""

    def __init__(self, event: Event, config: Mapping[str, Any], given: Mapping[str, Any], ask: Ask, clock: Clock):
        self._event = event
        self._config = config
        self._given = given
        self._ask = ask
        self._clock = clock
        self._end: float = clock.monotonic() + given["remaining"]
        self._lock = threading.Lock()  # one question at a time
        self._over = False

    def end(self) -> None:
        """Wait for a call that goes on, and let no other begin: the next run is not to pay for this one's threads."""
        with self._lock:
            self._over = True

    def call(self, method: str, *arguments: Any, default: Callable[[Any], Any] | None = None) -> Any:
        """What the host's `ctx` returns, or raises."""
        body = method.encode() + b"\n" + orjson.dumps(arguments, default=default)
        if len(body) > CALL_ROOM:
            raise ValueError(f"{method}: a call of {len(body)} bytes, at most {CALL_ROOM} go through")
        with self._lock:
            if self._over:
                raise RunTimeout("this run is over; ctx belongs to one run")
            kind, said = self._ask(body)
        answer = orjson.loads(said)
        if kind is Kind.ERROR:
            raise _load_error(answer)
        return answer

    @property
    def correlation_id(self) -> str:
        return self._event.correlation_id or self._event.id

    @property
    def config(self) -> Mapping[str, Any]:
        return copy.deepcopy(self._config)

    @property
    def readings(self) -> Mapping[str, Mapping[str, float | bool]]:
        return {name: dict(values) for name, values in self._given["readings"].items()}

    @property
    def recalled(self) -> Sequence[Any]:
        return tuple(self._given["recalled"])

    @property
    def resumed(self) -> Any:
        return self._given["resumed"]

    @property
    def scratch(self) -> RemoteScratch:
        return RemoteScratch(self)

    @property
    def memory(self) -> RemoteMemory:
        return RemoteMemory(self)

    def remaining(self) -> float:
        return max(0.0, self._end - self._clock.monotonic())

    def device(self, name: str) -> RemoteDevice:
        self.call("device", name)
        return RemoteDevice(self, name)

    def tool(self, name: str) -> RemoteTool:
        self.call("tool", name)
        return RemoteTool(self, name)

    def publish(self, topic: str, value: Any) -> None:
        self.call("publish", topic, value)

    def note(self, text: str, **fields: Any) -> None:
        self.call("note", str(text), fields, default=str)

    def partial(self, reason: str) -> None:
        self.call("partial", str(reason))

    def checkpoint(self, value: Any) -> None:
        self.call("checkpoint", value)


class RemoteDevice:
    """A granted device."""

    def __init__(self, ctx: Remote, name: str) -> None:
        self._ctx = ctx
        self._name = name

    def on(self) -> None:
        self.set(True)

    def off(self) -> None:
        self.set(False)

    def set(self, value: Any) -> None:
        self._ctx.call("device.set", self._name, value)

    def read(self) -> dict[str, float | bool]:
        values: dict[str, float | bool] = self._ctx.call("device.read", self._name)
        return values


class RemoteTool:
    """A granted tool: each of its operations is a method."""

    def __init__(self, ctx: Remote, name: str) -> None:
        self._ctx = ctx
        self._name = name

    def call(self, operation: str, *arguments: Any, **named: Any) -> Any:
        return self._ctx.call("tool.call", self._name, operation, arguments, named)

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        if operation.startswith("_"):
            raise AttributeError(operation)
        return partial(self.call, operation)


class RemoteMemory:
    """What the task remembers."""

    def __init__(self, ctx: Remote) -> None:
        self._ctx = ctx

    def append(self, value: Any, ttl: float | None = None) -> None:
        self._ctx.call("memory.append", value, ttl)

    def read(self, limit: int = 100) -> list[Any]:
        values: list[Any] = self._ctx.call("memory.read", limit)
        return values

    def search(self, text: str, limit: int = 100) -> list[Any]:
        values: list[Any] = self._ctx.call("memory.search", text, limit)
        return values


class RemoteScratch:
    """Notes of the run to itself: the host keeps them, so that the next attempt finds them."""

    def __init__(self, ctx: Remote) -> None:
        self._ctx = ctx

    def get(self, key: str, default: Any = None) -> Any:
        return self._ctx.call("scratch.get", key, default)

    def put(self, key: str, value: Any) -> None:
        self._ctx.call("scratch.put", key, value)


def dump_error(error: Exception) -> bytes:
    """An error for the other side: its classes, nearest first, and its arguments where they are JSON."""
    plain = all(type(argument) in (str, int, float, bool, type(None)) for argument in error.args)
    classes = [(kind.__module__, kind.__qualname__) for kind in type(error).__mro__ if issubclass(kind, Exception)]
    return orjson.dumps({"classes": classes, "arguments": error.args if plain and error.args else [str(error)]})


def _load_error(answer: Mapping[str, Any]) -> Exception:
    """The error itself, of the nearest class that this process knows: it imports nothing for one."""
    known = (getattr(sys.modules.get(module), name, None) for module, name in answer["classes"])
    kind = next(found for found in known if isinstance(found, type) and issubclass(found, Exception))
    error: Exception = kind.__new__(kind, *answer["arguments"])  # __init__ may want what an error does not keep
    error.args = tuple(answer["arguments"])
    return error
