"""What a small screen of dots shows, drawn in memory: lines of text and bars. Pure; whoever has a screen sends it."""

import textwrap
from collections.abc import Sequence

from drivers.kit.font import WIDTH, drawn

PITCH = WIDTH + 1
"""Dots from one letter to the next; a line takes eight."""


class Canvas:
    """Empty at first. `pages` are what screens take: a byte is eight dots of a column, the lowest bit on top."""

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.pages = [bytearray(width) for _ in range(height // 8)]

    def write(self, line: int, text: str) -> None:
        """Text from the left edge of a line; what does not fit is not there."""
        columns = b"".join(drawn(letter) + b"\0" for letter in text)[: self.width]
        self.pages[line][: len(columns)] = columns

    def bars(self, values: Sequence[float], first: int = 0) -> None:
        """The last values as a bar each, one dot wide, the newest at the right edge, from line `first` to the bottom.

        The highest takes the whole height, the lowest one dot; where all are the same, half of it.
        """
        rows = 8 * (len(self.pages) - first)
        shown = values[-self.width :]
        low, high = min(shown, default=0.0), max(shown, default=0.0)
        for x, value in enumerate(shown, self.width - len(shown)):
            share = (value - low) / (high - low) if high > low else 0.5
            dots = 1 + round(share * (rows - 1))
            column = (1 << dots) - 1 << rows - dots
            for page in self.pages[first:]:
                page[x] = column & 0xFF
                column >>= 8


def wrapped(text: str, columns: int) -> list[str]:
    """The lines of a text: new ones at line ends and at `|`, and where a word does not fit any more."""
    lines: list[str] = []
    for part in text.replace("|", "\n").split("\n"):
        lines += textwrap.wrap(part.strip(), columns) or [""]
    return lines


def as_text(rows: Sequence[str]) -> str:
    """Rows of `#` and `.` as text for people: two rows a line, in half blocks."""
    marks = {"##": "█", "#.": "▀", ".#": "▄", "..": " "}
    upper, lower = rows[0::2], rows[1::2]
    return "\n".join(
        "".join(marks[a + b] for a, b in zip(*pair, strict=True)) for pair in zip(upper, lower, strict=True)
    )
