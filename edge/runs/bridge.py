"""How a task outside this process reaches its `Context`: a method by name, arguments as JSON text.

Grants, limits and the clock are the context's to check, as for a task of any engine. What goes back is what a task
may know: messages that the runtime wrote for it, and of anything else the kind only.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, NamedTuple

import orjson

from edge.context import Context
from edge.errors import LimitExceeded, NotGranted, RunTimeout, TaskError, ToolError
from edge.runs.calls import DIRECT, CallLate, Calls

log = logging.getLogger(__name__)

_TEXT = 256_000  # characters of arguments in one call
_TOLD = 100  # refusals whose kind is remembered
_MESSAGE = 2000  # characters of one
_ANY: frozenset[type] = frozenset()
_TEXTS, _INTEGER, _LIST, _DICT = frozenset({str}), frozenset({int}), frozenset({list}), frozenset({dict})
_SECONDS: frozenset[type] = frozenset({int, float, type(None)})
_BUILTIN: dict[type[BaseException], type[Exception]] = {
    NotGranted: PermissionError,
    RunTimeout: TimeoutError,
    CallLate: TimeoutError,
    ToolError: NotImplementedError,
}


class Method(NamedTuple):
    """What may be asked for: the types of its arguments (none listed: any JSON), how long one call may take (0: it
    never blocks), how many are made in a second of one run, and whether it changes something that outlives the run."""

    takes: tuple[frozenset[type], ...]
    do: Callable[..., Any]
    seconds: float = 0.0
    per_second: int = 5000
    acts: bool = False


METHODS: dict[str, Method] = {
    "device": Method((_TEXTS,), lambda at, name: at.fetch("device", name) and None),
    "device.set": Method((_TEXTS, _ANY), lambda at, name, value: at.held("device", name).set(value), 10, 1000, True),
    "device.read": Method((_TEXTS,), lambda at, name: at.held("device", name).read(), 10, 1000),
    "tool": Method((_TEXTS,), lambda at, name: at.fetch("tool", name) and None),
    "tool.call": Method(
        (_TEXTS, _TEXTS, _LIST, _DICT),
        lambda at, name, do, by, named: at.held("tool", name).call(do, *by, **named),
        120, 200, True),
    "publish": Method((_TEXTS, _ANY), lambda at, topic, value: at.ctx.publish(topic, value), 0, 2000, True),
    "note": Method((_TEXTS, _DICT), lambda at, text, fields: at.ctx.note(text, **fields), 0, 2000),
    "partial": Method((_TEXTS,), lambda at, reason: at.ctx.partial(reason)),
    "remaining": Method((), lambda at: at.ctx.remaining()),
    "checkpoint": Method((_ANY,), lambda at, value: at.ctx.checkpoint(value), 10, 100, True),
    "memory.append": Method(
        (_ANY, _SECONDS), lambda at, value, ttl: at.ctx.memory.append(value, ttl), 10, 100, True),
    "memory.read": Method((_INTEGER,), lambda at, limit: at.ctx.memory.read(limit), 10, 500),
    "memory.search": Method((_TEXTS, _INTEGER), lambda at, text, limit: at.ctx.memory.search(text, limit), 10, 200),
    "scratch.get": Method((_TEXTS, _ANY), lambda at, key, default: at.ctx.scratch.get(key, default)),
    "scratch.put": Method((_TEXTS, _ANY), lambda at, key, value: at.ctx.scratch.put(key, value)),
}  # fmt: skip


class Bridge:
    """Belongs to one run. `told` is the kind of each refusal by its message, for the outcome to name it."""

    def __init__(self, ctx: Context, calls: Calls = DIRECT) -> None:
        self.ctx = ctx
        self.told: dict[str, type[BaseException]] = {}
        self._calls = calls
        self._held: dict[tuple[str, str], Any] = {}
        self._pace: dict[str, tuple[float, int]] = {}
        self._failed = 0

    def fetch(self, kind: str, name: str) -> Any:
        """A device or tool, asked for anew. Raises `NotGranted`."""
        found = self._held[kind, name] = self.ctx.device(name) if kind == "device" else self.ctx.tool(name)
        return found

    def held(self, kind: str, name: str) -> Any:
        """The one that was fetched last; the other side may not have asked."""
        return self._held.get((kind, name)) or self.fetch(kind, name)

    def call(self, *arguments: Any, **named: Any) -> str:
        """Do it, in time. Raises what `ctx` raises, and `CallLate`."""
        name, method, values = _read(arguments, named)
        left = self.ctx.remaining()
        self._keep_pace(name, method.per_second, -left)
        if not method.seconds:
            return _encoded(method.do(self, *values))
        try:
            return _encoded(self._calls.make(lambda: method.do(self, *values), min(method.seconds, left)))
        except CallLate as error:
            late = RunTimeout if self.ctx.remaining() <= 0 else CallLate
            raise late(f"{name}: {error}") from None

    def __call__(self, *arguments: Any, **named: Any) -> str:
        """`call` for those who know builtin errors only, and may know nothing of this machine.

        `NotGranted` is a PermissionError there, `RunTimeout` a TimeoutError, `ToolError` a NotImplementedError: a
        RuntimeError as here, and one that nothing else raises. What a task has no name for is an Exception.
        """
        try:
            return self.call(*arguments, **named)
        except (TaskError, CallLate) as error:
            raise self._tell(error, str(error), _BUILTIN.get(type(error), Exception)) from None
        except (ValueError, TypeError) as error:
            plain = TypeError if isinstance(error, TypeError) else ValueError  # a subclass may want other arguments
            raise plain(str(error)[:1000]) from None
        except Exception as error:  # noqa: BLE001 - what a device or the system says may name files and addresses
            name = str(arguments[0])  # it was read, or the error were a TypeError
            self._failed += 1
            if not self._failed & (self._failed - 1):  # the 1st, 2nd, 4th, 8th ...: who loops fills no log
                text = "%s for a task outside: %s (%d so far in this run)"
                log.warning(text, name, error, self._failed, extra={"action": "run_call_failed"})
            kind = OSError if isinstance(error, OSError) else RuntimeError
            raise self._tell(error, f"{name} failed: {type(error).__name__}", kind) from None

    def _keep_pace(self, name: str, most: int, now: float) -> None:
        since, made = self._pace.get(name, (now, 0))
        if now - since >= 1.0:
            since, made = now, 0
        if made >= most:
            raise LimitExceeded(f"{name}: {made} calls within a second, at most {most} are made")
        self._pace[name] = since, made + 1

    def _tell(self, error: BaseException, message: str, kind: type[Exception]) -> Exception:
        message = message[:_MESSAGE]
        if len(self.told) < _TOLD:
            self.told[message] = type(error)
        return kind(message)


def _encoded(value: Any) -> str:
    return orjson.dumps(value, default=str).decode()


def _read(arguments: tuple[Any, ...], named: dict[str, Any]) -> tuple[str, Method, list[Any]]:
    """The method and its arguments, or TypeError: the other side may send whatever it likes."""
    if named or len(arguments) != 2 or not all(type(argument) is str for argument in arguments):
        raise TypeError("this takes the name of a method and its arguments as JSON")
    name, text = arguments
    method = METHODS.get(name)
    if method is None:
        raise TypeError(f"ctx has no {name[:40]!r} here")
    if len(text) > _TEXT:
        raise ValueError(f"arguments of {len(text)} characters, at most {_TEXT} go through")
    try:
        values = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise ValueError(f"{name}: arguments must be JSON, with finite numbers of at most 64 bits") from None
    if type(values) is not list or len(values) != len(method.takes):
        raise TypeError(f"{name} takes {len(method.takes)} arguments")
    for value, kinds in zip(values, method.takes, strict=True):
        if kinds and type(value) not in kinds:
            wanted = " or ".join(sorted(kind.__name__ for kind in kinds))
            raise TypeError(f"{name} takes {wanted}, not {type(value).__name__}")
    return name, method, values
