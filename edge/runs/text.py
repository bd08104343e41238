"""Text that a task made, as an outcome can hold it."""

from __future__ import annotations

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
