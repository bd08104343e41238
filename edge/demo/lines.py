"""The demo as plain lines: for pipes, logs, small terminals, and where rich is not installed."""

from __future__ import annotations

from typing import TextIO

from edge.demo.picture import Picture

_EVERY = 2.0


class Lines:
    """A line every other second, and one whenever the caption changes."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._caption = ""
        self._due = 0.0

    def show(self, picture: Picture) -> None:
        if picture.caption != self._caption:
            self._caption = picture.caption
            print(f"-- {picture.caption}", file=self._stream, flush=True)
        elif picture.second < self._due:
            return
        self._due = picture.second + _EVERY
        readings = "; ".join(f"{name} {text}" for name, text in picture.readings.items())
        counters = ", ".join(f"{count} {name}" for name, count in picture.counters.items())
        print(f"{picture.second:3.0f} s  {picture.hour}  {readings}", file=self._stream)
        print(f"       backlog {picture.backlog}, {counters}", file=self._stream, flush=True)

    def close(self) -> None:
        """Nothing to put back."""
