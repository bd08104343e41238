"""What the five fields of a cron text mean, as crontab(5) has it: 0 and 7 are Sunday."""

from __future__ import annotations

import re
from dataclasses import dataclass

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_PART = re.compile(r"(?:(?P<all>\*)|(?P<first>\w+)(?:-(?P<last>\w+))?)(?:/(?P<step>\d+))?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cron:
    """Every value at which each field matches, in order; weekdays count from Sunday = 0.

    `either_day`: both day fields are restricted, and cron's rule is then that one of them is enough.
    """

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]
    either_day: bool


def parse_cron_fields(text: str) -> Cron:
    """Read `minute hour day month weekday`. Raises ValueError that names the field and what may stand there."""
    fields = text.split()
    if len(fields) != 5:
        raise ValueError(f"{text!r} has {len(fields)} fields; cron has five: minute hour day month weekday")
    minute, hour, day, month, weekday = fields
    months = _values("month", month, 1, 12, {name: number for number, name in enumerate(_MONTHS, 1)})
    days = _values("day", day, 1, 31)
    names = {name: number for number, name in enumerate(_WEEKDAYS)}
    either_day = not day.startswith("*") and not weekday.startswith("*")
    weekdays = {number % 7 for number in _values("weekday", weekday, 0, 7, names)}
    if not either_day and all(min(days) > _LONGEST[number - 1] for number in months):
        raise ValueError(f"{text!r} never comes: no month it names has a day {min(days)}")
    return Cron(
        minutes=_values("minute", minute, 0, 59),
        hours=_values("hour", hour, 0, 23),
        days=days,
        months=months,
        weekdays=tuple(sorted(weekdays)),
        either_day=either_day,
    )


def _values(field: str, text: str, lowest: int, highest: int, names: dict[str, int] | None = None) -> tuple[int, ...]:
    found: set[int] = set()
    for part in text.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise ValueError(f"{field}: {part!r} is not *, a number, a range a-b, or one of these with /step")
        step = int(match["step"] or 1)
        if not 1 <= step <= highest:
            raise ValueError(f"{field}: a step of {step} is not within 1-{highest}")
        if match["all"]:
            first, last = lowest, 6 if field == "weekday" else highest
        else:
            first = _number(field, match["first"], lowest, highest, names or {})
            last = highest if match["step"] else first
            if match["last"] is not None:
                last = _number(field, match["last"], lowest, highest, names or {})
                if field == "weekday" and last == 0 < first:
                    last = 7  # fri-sun goes forward
        if first > last:
            raise ValueError(
                f"{field}: {part!r} runs backwards; write two parts, such as {first}-{highest},{lowest}-{last}"
            )
        found.update(range(first, last + 1, step))
    return tuple(sorted(found))


def _number(field: str, text: str, lowest: int, highest: int, names: dict[str, int]) -> int:
    number = int(text) if text.isdecimal() and len(text) < 4 else names.get(text.lower())
    if number is None or not lowest <= number <= highest:
        choices = f"{lowest}-{highest}" + (f" or {'/'.join(names)}" if names else "")
        raise ValueError(f"{field}: {text!r} is not within {choices}")
    return number
