"""What a cron text means, checked against a definition by counting through the minutes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.config.cron import parse_cron_fields
from edge.links.calendar import parse_cron

SATURDAY = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


def ticks(text: str, count: int, begin: datetime = SATURDAY, timezone: str = "UTC") -> list[str]:
    trigger = parse_cron(text, timezone)
    found = []
    moment: datetime | None = begin
    for _ in range(count):
        assert moment is not None
        moment = trigger.after(moment)
        assert moment is not None
        found.append(f"{moment:%a %Y-%m-%d %H:%M}")
    return found


@pytest.mark.parametrize("sunday", ["0", "7", "sun", "SUN"])
def test_0_and_7_and_sun_are_sunday(sunday: str) -> None:
    assert ticks(f"0 0 * * {sunday}", 2) == ["Sun 2026-11-22 00:00", "Sun 2026-11-29 00:00"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30 2 * * *", ["Sun 2026-11-22 02:30", "Mon 2026-11-23 02:30"]),
        ("*/20 * * * *", ["Sat 2026-11-21 09:20", "Sat 2026-11-21 09:40", "Sat 2026-11-21 10:00"]),
        ("0 8-10/2 * * mon-fri", ["Mon 2026-11-23 08:00", "Mon 2026-11-23 10:00", "Tue 2026-11-24 08:00"]),
        ("0 0 * * fri-sun", ["Sun 2026-11-22 00:00", "Fri 2026-11-27 00:00", "Sat 2026-11-28 00:00"]),
        ("0 0 * * 0-0", ["Sun 2026-11-22 00:00", "Sun 2026-11-29 00:00"]),
        ("5 4 1,15 jan,Jul *", ["Fri 2027-01-01 04:05", "Fri 2027-01-15 04:05", "Thu 2027-07-01 04:05"]),
        ("0 0 29 2 *", ["Tue 2028-02-29 00:00", "Sun 2032-02-29 00:00"]),
    ],
)
def test_the_fields_mean_what_crontab_says(text: str, expected: list[str]) -> None:
    assert ticks(text, len(expected)) == expected


def test_with_both_day_fields_restricted_one_of_them_is_enough() -> None:
    assert ticks("0 0 25 * tue", 3) == ["Tue 2026-11-24 00:00", "Wed 2026-11-25 00:00", "Tue 2026-12-01 00:00"]


def test_with_a_star_in_a_day_field_both_must_match() -> None:
    assert ticks("0 0 */2 * mon", 2) == ["Mon 2026-11-23 00:00", "Mon 2026-12-07 00:00"]


def test_the_time_zone_decides_and_summer_time_is_followed() -> None:
    assert ticks("0 9 * * *", 1, datetime(2026, 7, 1, tzinfo=UTC), "Europe/Vienna") == ["Wed 2026-07-01 07:00"]
    assert ticks("0 9 * * *", 1, datetime(2026, 12, 1, tzinfo=UTC), "Europe/Vienna") == ["Tue 2026-12-01 08:00"]


def test_in_a_zone_with_summer_time_a_time_that_comes_twice_fires_twice_and_a_missing_one_an_hour_off() -> None:
    spring, autumn = datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 10, 24, 12, tzinfo=UTC)
    assert ticks("30 2 * * *", 2, spring, "Europe/Vienna") == ["Sun 2026-03-29 01:30", "Mon 2026-03-30 00:30"]
    assert ticks("30 2 * * *", 3, autumn, "Europe/Vienna") == [
        *["Sun 2026-10-25 00:30", "Sun 2026-10-25 01:30", "Mon 2026-10-26 01:30"]
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("60 * * * *", "minute: '60' is not within 0-59"),
        ("* 24 * * *", "hour: '24'"),
        ("* * 0 * *", "day: '0' is not within 1-31"),
        ("* * * 13 *", "month: '13'"),
        ("* * * * 8", "weekday: '8' is not within 0-7 or sun/"),
        ("* * * * funday", "weekday: 'funday'"),
        ("*/0 * * * *", "minute: a step of 0"),
        ("* * * * fri-mon", "runs backwards"),
        ("1,,2 * * * *", "minute: ''"),
        ("* * * *", "4 fields; cron has five"),
        ("0 0 2 * * *", "6 fields; cron has five"),
        ("@daily", "five: minute hour day month weekday"),
        ("* * L * *", "day: 'L'"),
        ("0 0 31 feb,apr *", "never comes"),
    ],
)
def test_a_mistake_is_named_with_its_field(text: str, words: str) -> None:
    with pytest.raises(ValueError) as refused:
        parse_cron(text)
    assert words in str(refused.value)


@pytest.mark.parametrize("zone", ["Europe/Wien", "Mars", "../etc/passwd", ""])
def test_an_unknown_time_zone_is_named(zone: str) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        parse_cron("* * * * *", zone)


def field(lowest: int, highest: int) -> st.SearchStrategy[str]:
    number = st.integers(lowest, highest)
    pair = st.tuples(number, number).map(sorted)
    part: st.SearchStrategy[Any] = st.one_of(
        st.just("*"),
        number.map(str),
        pair.map(lambda p: f"{p[0]}-{p[1]}"),
        st.tuples(pair, st.integers(1, highest)).map(lambda p: f"{p[0][0]}-{p[0][1]}/{p[1]}"),
        st.integers(1, highest).map(lambda step: f"*/{step}"),
    )
    return st.lists(part, min_size=1, max_size=3).map(",".join)


@settings(max_examples=60, deadline=None)
@given(
    text=st.tuples(field(0, 59), field(0, 23), field(1, 31), field(0, 7)).map(
        lambda f: f"{f[0]} {f[1]} {f[2]} * {f[3]}"
    ),
    minutes=st.integers(0, 400 * 1440),
)
def test_the_next_tick_is_the_first_matching_minute(text: str, minutes: int) -> None:
    cron = parse_cron_fields(text)
    begin = SATURDAY + timedelta(minutes=minutes)
    day = (begin + timedelta(minutes=1)).replace(hour=0, minute=0)
    while True:
        in_days, in_week = day.day in cron.days, (day.weekday() + 1) % 7 in cron.weekdays
        if (in_days or in_week) if cron.either_day else (in_days and in_week):
            times = [day.replace(hour=hour, minute=minute) for hour in cron.hours for minute in cron.minutes]
            later = [time for time in times if time > begin]
            if later:
                break
        day += timedelta(days=1)
    assert parse_cron(text).after(begin) == min(later)
