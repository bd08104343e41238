"""What people and programs read: aligned columns, colour on a terminal only, JSON."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import orjson

Colour = Literal["red", "yellow", "green", "dim", "bold"]
_COLOURED = re.compile("\033\\[[0-9]+m")
_CODES = {"red": "31", "yellow": "33", "green": "32", "dim": "2", "bold": "1"}
# Apps, devices and messages write what a person reads here: nothing of it may move the cursor, name the window or turn
# the text around (Unicode's bidirectional controls). Our own colours pass.
_DRIVING = re.compile(
    f"(?!\033\\[(?:0|{'|'.join(_CODES.values())})m)[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]"
)


def harmless(text: str) -> str:
    """Without what a terminal would obey."""
    return _DRIVING.sub("\N{REPLACEMENT CHARACTER}", text)


def paint(text: str, colour: Colour) -> str:
    """Coloured where stdout is a terminal that wants it: see no-color.org."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return f"\033[{_CODES[colour]}m{text}\033[0m"


def paint_state(state: str) -> str:
    """Green for what works, red for what does not, yellow for what is on its way."""
    if state in ("up", "ok", "online", "running", "ready", "connected", "idle"):
        return paint(state, "green")
    return paint(state, "red" if state in ("down", "fail", "failed", "stuck", "damaged", "missing") else "yellow")


def columns(rows: Iterable[Sequence[object]], header: Sequence[str] = ()) -> str:
    """Rows under each other, every column as wide as its widest cell; cells may be painted."""
    cells = [[str(cell).replace("\n", " ") for cell in row] for row in rows]
    if header:
        cells.insert(0, [paint(cell.upper(), "dim") for cell in header])
    widths = [max(_visible(row[at]) for row in cells if at < len(row)) for at in range(max(map(len, cells), default=0))]
    return "\n".join(
        "  ".join(cell + " " * (width - _visible(cell)) for cell, width in zip(row, widths, strict=False)).rstrip()
        for row in cells
    )


def _visible(cell: str) -> int:
    return len(_COLOURED.sub("", cell))


def say(text: str = "") -> None:
    """To stdout."""
    print(harmless(text))


def note(text: str) -> None:
    """To stderr: what a person should know and a program should not read."""
    print(f"edge: {harmless(text)}", file=sys.stderr)


def say_json(value: Any, *, line: bool = False) -> None:
    """To stdout, indented; or on one line."""
    option = orjson.OPT_NON_STR_KEYS | (0 if line else orjson.OPT_INDENT_2)
    print(orjson.dumps(value, option=option).decode())


def plain(value: object) -> str:
    """A value of a channel or a message, short."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "-"}[value]
    if not isinstance(value, float):
        return str(value)
    # a time in seconds is nothing without its last digits
    return f"{value:.0f}" if 1e6 <= abs(value) < 1e15 else f"{value:g}"


def quantity(value: object, unit: str) -> str:
    """`21.5 degC`; true and false have no unit to show."""
    text = plain(value)
    return text if unit in ("bool", "event", "") or value is None else f"{text} {unit}"


def count(number: int, thing: str) -> str:
    """`1 task`, `2 tasks`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
