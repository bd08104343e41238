"""The one host function of a run: a method of its `Context` by name, arguments as JSON text.

Grants, limits and the clock are the context's to check, as for a task of any engine. What goes back in is what a task
may know: messages that the runtime wrote for it, and of anything else the kind only.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import orjson

from edge.context import Context
from edge.errors import LimitExceeded, NotGranted, RunCancelled, RunTimeout

log = logging.getLogger(__name__)

_TEXT = 256_000  # characters of arguments in one call

_METHODS: dict[str, tuple[tuple[type, ...], Callable[..., Any]]] = {
    "device": ((str,), lambda ctx, name: ctx.device(name) and None),
    "device.set": ((str, object), lambda ctx, name, value: ctx.device(name).set(value)),
    "device.read": ((str,), lambda ctx, name: ctx.device(name).read()),
    "publish": ((str, object), lambda ctx, topic, value: ctx.publish(topic, value)),
    "note": ((str, dict), lambda ctx, text, fields: ctx.note(text, **fields)),
    "partial": ((str,), lambda ctx, reason: ctx.partial(reason)),
    "remaining": ((), lambda ctx: ctx.remaining()),
}


class Bridge:
    """Belongs to one run. `told` is the kind of each refusal by its message, for the outcome to name it."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self.told: dict[str, type[Exception]] = {}

    def __call__(self, *arguments: Any, **named: Any) -> str:
        """Raises builtin errors only: those are what the sandbox knows."""
        method, values = _read(arguments, named)
        try:
            return orjson.dumps(_METHODS[method][1](self._ctx, *values), default=str).decode()
        except NotGranted as error:
            raise self._tell(error, PermissionError) from None
        except RunTimeout as error:
            raise self._tell(error, TimeoutError) from None
        except (LimitExceeded, RunCancelled) as error:
            raise self._tell(error, RuntimeError) from None
        except ValueError as error:
            raise ValueError(str(error)[:1000]) from None
        except Exception as error:  # noqa: BLE001 - what a device or the system says may name files and addresses
            log.warning("%s for a task in the sandbox: %s", method, error, extra={"action": "sandbox_call_failed"})
            raise RuntimeError(f"{method} failed: {type(error).__name__}") from None

    def _tell(self, error: Exception, kind: type[Exception]) -> Exception:
        if len(self.told) < 100:
            self.told[str(error)] = type(error)
        return kind(str(error))


def _read(arguments: tuple[Any, ...], named: dict[str, Any]) -> tuple[str, list[Any]]:
    """The method's name and its arguments, or TypeError: the other side may send whatever it likes."""
    if named or len(arguments) != 2 or not all(type(argument) is str for argument in arguments):
        raise TypeError("this takes the name of a method and its arguments as JSON")
    method, text = arguments
    if method not in _METHODS:
        raise TypeError(f"ctx has no {method[:40]!r} in the sandbox")
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
