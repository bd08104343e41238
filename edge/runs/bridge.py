"""How a task outside this process reaches its `Context`: a method by name, arguments as JSON text.

Grants, limits and the clock are the context's to check, as for a task of any engine. What goes back is what a task
may know: messages that the runtime wrote for it, and of anything else the kind only.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import orjson

from edge.context import Context
from edge.errors import LimitExceeded, NotGranted, RunCancelled, RunTimeout, ToolError

log = logging.getLogger(__name__)

_TEXT = 256_000  # characters of arguments in one call

_METHODS: dict[str, tuple[tuple[type, ...], Callable[..., Any]]] = {
    "device": ((str,), lambda at, name: at.fetch("device", name) and None),
    "device.set": ((str, object), lambda at, name, value: at.held("device", name).set(value)),
    "device.read": ((str,), lambda at, name: at.held("device", name).read()),
    "tool": ((str,), lambda at, name: at.fetch("tool", name) and None),
    "tool.call": ((str, str, list, dict), lambda at, name, do, by, named: at.held("tool", name).call(do, *by, **named)),
    "publish": ((str, object), lambda at, topic, value: at.ctx.publish(topic, value)),
    "note": ((str, dict), lambda at, text, fields: at.ctx.note(text, **fields)),
    "partial": ((str,), lambda at, reason: at.ctx.partial(reason)),
    "remaining": ((), lambda at: at.ctx.remaining()),
    "checkpoint": ((object,), lambda at, value: at.ctx.checkpoint(value)),
    "memory.append": ((object, object), lambda at, value, ttl: at.ctx.memory.append(value, ttl)),
    "memory.read": ((int,), lambda at, limit: at.ctx.memory.read(limit)),
    "memory.search": ((str, int), lambda at, text, limit: at.ctx.memory.search(text, limit)),
    "scratch.get": ((str, object), lambda at, key, default: at.ctx.scratch.get(key, default)),
    "scratch.put": ((str, object), lambda at, key, value: at.ctx.scratch.put(key, value)),
}  # fmt: skip


class Bridge:
    """Belongs to one run. `told` is the kind of each refusal by its message, for the outcome to name it."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.told: dict[str, type[Exception]] = {}
        self._held: dict[tuple[str, str], Any] = {}

    def fetch(self, kind: str, name: str) -> Any:
        """A device or tool, asked for anew. Raises `NotGranted`."""
        found = self._held[kind, name] = self.ctx.device(name) if kind == "device" else self.ctx.tool(name)
        return found

    def held(self, kind: str, name: str) -> Any:
        """The one that was fetched last; the other side may not have asked."""
        return self._held.get((kind, name)) or self.fetch(kind, name)

    def __call__(self, *arguments: Any, **named: Any) -> str:
        """Raises builtin errors only: those are what any other side knows."""
        method, values = _read(arguments, named)
        try:
            return self._do(method, values)
        except NotGranted as error:
            raise self._tell(error, str(error), PermissionError) from None
        except RunTimeout as error:
            raise self._tell(error, str(error), TimeoutError) from None
        except (LimitExceeded, RunCancelled, ToolError) as error:
            raise self._tell(error, str(error), RuntimeError) from None
        except (ValueError, TypeError) as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError  # a subclass may want other arguments
            raise kind(str(error)[:1000]) from None
        except Exception as error:  # noqa: BLE001 - what a device or the system says may name files and addresses
            log.warning("%s for a task outside: %s", method, error, extra={"action": "run_call_failed"})
            raise self._tell(error, f"{method} failed: {type(error).__name__}", RuntimeError) from None

    def call(self, method: str, text: str) -> str:
        """The same for code that is trusted: raises what `ctx` raises, as it is."""
        return self._do(*_read((method, text), {}))

    def _do(self, method: str, values: list[Any]) -> str:
        return orjson.dumps(_METHODS[method][1](self, *values), default=str).decode()

    def _tell(self, error: Exception, message: str, kind: type[Exception]) -> Exception:
        if len(self.told) < 100:
            self.told[message] = type(error)
        return kind(message)


def _read(arguments: tuple[Any, ...], named: dict[str, Any]) -> tuple[str, list[Any]]:
    """The method's name and its arguments, or TypeError: the other side may send whatever it likes."""
    if named or len(arguments) != 2 or not all(type(argument) is str for argument in arguments):
        raise TypeError("this takes the name of a method and its arguments as JSON")
    method, text = arguments
    if method not in _METHODS:
        raise TypeError(f"ctx has no {method[:40]!r} here")
    if len(text) > _TEXT:
        raise ValueError(f"arguments of {len(text)} characters, at most {_TEXT} go through")
    try:
        values = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise ValueError(f"{method}: arguments must be JSON, with finite numbers of at most 64 bits") from None
    wanted = _METHODS[method][0]
    if not isinstance(values, list) or len(values) != len(wanted):
        raise TypeError(f"{method} takes {len(wanted)} arguments")
    for value, kind in zip(values, wanted, strict=True):
        if not isinstance(value, kind):
            raise TypeError(f"{method} takes {kind.__name__}, not {type(value).__name__}")
    return method, values
