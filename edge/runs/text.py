"""Text that a task made, as an outcome can hold it."""

from __future__ import annotations

import threading

MESSAGE = 2000  # characters of an error that an outcome keeps


def described(error: BaseException) -> str:
    """`str(error)`, whatever its class makes of that, as text that JSON takes; at most `MESSAGE` characters."""
    try:
        return legible(str(error), MESSAGE)
    except BaseException as broken:  # noqa: BLE001 - an exception's own __str__ is the task's code too
        return f"its __str__ raised {type(broken).__name__[:100]}"


def legible(text: str, length: int) -> str:
    """The beginning of a text, without what no JSON can hold: half a character."""
    return text[:length].encode("utf-8", "replace").decode()


def for_a_test(error: BaseException) -> bool:
    """Whether somebody stops a test, and not the code of a task or observer: that never runs in the main thread
    otherwise. Anything else that foreign code raises ends that code only, asyncio's CancelledError too."""
    return isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread()
