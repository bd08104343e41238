"""What outputs are given beyond on and off: per cent, and a value for each of several channels."""

import math
from collections.abc import Callable
from typing import TypeVar

from drivers.base import Value, told
from drivers.errors import OutOfRange
from drivers.options import names_in


def number_in(value: object) -> float:
    """What a value is as a number, also one in a text; NaN, which fits nowhere, for what is none, as true and false."""
    try:
        return math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return math.nan


def percent(value: Value, part: str) -> float:
    """0 to 100, also as a text; on is 100, off is 0. `OutOfRange` names the part."""
    if isinstance(value, bool) or value in ("on", "off"):
        return 100.0 if value in (True, "on") else 0.0
    number = number_in(value)
    if not 0 <= number <= 100:
        raise OutOfRange(f'{part} takes 0 to 100 (per cent), "on" or "off", not {told(value)}')
    return number


Taken = TypeVar("Taken")


def each(value: Value, channels: tuple[str, ...], part: str, take: Callable[[Value, str], Taken]) -> dict[str, Taken]:
    """What `take` (`on_or_off`, `percent`) makes of a text `p0=on p3=off`, by channel; other values are for all.

    Raises `OutOfRange` where a channel is unknown or named twice, and what `take` raises.
    """
    if not isinstance(value, str) or "=" not in value:
        return dict.fromkeys(channels, take(value, f'{part} (or a text such as "{channels[0]}=on")'))
    wishes = [wish.partition("=") for wish in value.replace(",", " ").split()]
    names_in(" ".join(channel for channel, _, _ in wishes), channels, part)
    return {channel: take(wanted, f"{part}, {channel}:") for channel, _, wanted in wishes}
