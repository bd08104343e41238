"""Recorded measurements as signals: a CSV file becomes what the simulated world shows.

    series = read_series(open("office.csv"), "Temperature", time="date")
    world["office.temperature"] = replay(series, speed=60)

Files as they are found: rows may have one field more than the header (a row number in front), dates may be quoted or
not, values may be missing, and the time may go back (a clock that was put back): rows that are not later than the
last one kept are left out and counted.
"""

import csv
import difflib
import math
import statistics
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Literal

from drivers.simulation.signals import Hole, Signal


@dataclass(frozen=True, slots=True)
class Series:
    """`times` are seconds since the first row, rising; `left_out` counts rows without a value or a later time."""

    times: tuple[float, ...]
    values: tuple[float, ...]
    left_out: int = 0

    @property
    def usual(self) -> float:
        """The usual distance between two rows in seconds; infinite for a single row."""
        steps = [later - earlier for earlier, later in pairwise(self.times)]
        return statistics.median(steps) if steps else math.inf


def read_series(
    lines: Iterable[str], column: str, *, time: str | None = None, scale: float = 1.0, offset: float = 0.0
) -> Series:
    """One column of CSV text: `scale` * value + `offset`. (degF to degC: scale 5/9, offset -160/9.)

    time   the column of the time: seconds, or dates such as `2015-02-04 17:51:00`; default: the first
    Raises ValueError for a column that is not there, and where no row can be used.
    """
    rows = _rows(lines)
    header = next(rows, [])
    clock = _place(header, time) if time is not None else 0
    place = _place(header, column)
    times: list[float] = []
    values: list[float] = []
    left_out = 0
    for row in rows:
        fields = row[max(len(row) - len(header), 0) :]
        at = _seconds(fields[clock]) if len(fields) > clock else None
        value = _number(fields[place]) if len(fields) > place else None
        if at is None or value is None or (times and at <= times[-1]):
            left_out += 1
            continue
        times.append(at)
        values.append(value * scale + offset)
    if not times:
        raise ValueError(f"no row has a time and a number in the column {column!r}")
    return Series(tuple(at - times[0] for at in times), tuple(values), left_out)


def replay(
    series: Series,
    *,
    begin: float = 0.0,
    speed: float = 1.0,
    hole: float | None = None,
    holes: Literal["keep", "silent"] = "keep",
) -> Signal:
    """The series as a signal: its first row is at the time `begin`, and `speed` recorded seconds pass in one.

    A value holds until the next row. More than `hole` recorded seconds (default: three times the usual distance)
    after a row is a hole, and so is what comes after the last row: there the signal keeps the last value, or has
    none (`silent`: the chip does not answer).
    """
    longest = 3 * series.usual if hole is None else hole

    def at(now: float) -> float:
        recorded = (now - begin) * speed
        row = max(bisect_right(series.times, recorded) - 1, 0)
        if holes == "silent" and recorded - series.times[row] > longest:
            raise Hole(f"nothing was recorded {recorded:g} s after the first row")
        return series.values[row]

    return at


def _rows(lines: Iterable[str]) -> Iterator[list[str]]:
    try:
        yield from csv.reader(lines)
    except csv.Error as error:
        raise ValueError(f"this is no CSV: {error}") from error


def _place(header: list[str], name: str) -> int:
    if name in header:
        return header.index(name)
    near = difflib.get_close_matches(name, header, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(header) or 'none'}"
    raise ValueError(f"there is no column {name!r}; {hint}")


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _seconds(text: str) -> float | None:
    plain = _number(text)
    if plain is not None:
        return plain
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
