"""Lies that look like measurements: a value that jumps, and one that stands still. Pure: readings and times in.

    near the last good reading             good
    far from it, and alone                 `Unconfirmed`: it is dropped, and the sensor is read again soon
    far from it, and a second one agrees   `Jumped`: told, with its doubt, until it has held for `believe` without a
                                           failure in between; then good
    the same bits for `frozen`             `Frozen`: told, with its doubt, until one of them changes

Where `frozen` is set, a jump is believed only by a reading that differs in a bit from the one before.
What is good is compared with what was good, never with what was doubted: a value that comes back is believed at once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from drivers.errors import DriverError

Values = Mapping[str, float | bool]

BELIEVE: Final = 60.0
"""Seconds that a jump must hold to be believed, where nobody says otherwise."""

_SHORTEST: Final = 0.1
"""Seconds of change that `slew` allows at least: two readings may be closer together than their noise."""


class Unconfirmed(DriverError):
    """One reading far from the last good one: a second that agrees with it is needed."""

    kind = "unconfirmed"
    retry = True


class Doubt(DriverError):
    """A reading that is told, but may be a lie; its `kind` is the mark on the event."""


class Jumped(Doubt):
    """Two readings agree on a value that this place cannot have."""

    kind = "jump"


class Frozen(Doubt):
    """No bit of any channel has changed for longer than a measurement stands still."""

    kind = "frozen"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What the readings of a device do not do. Units are those of the channels, times seconds.

    jump     channel -> how far a reading may be from the last good one, however long ago that was
    slew     channel -> how far it may go in a second, for channels without `jump`; a value that went further and is
             confirmed is good: the part showed it twice, and nobody knows better
    believe  how long a confirmed jump must hold
    frozen   how long all channels may keep every bit
    """

    jump: Mapping[str, float] = field(default_factory=dict)
    slew: Mapping[str, float] = field(default_factory=dict)
    believe: float = BELIEVE
    frozen: float = math.inf

    def __bool__(self) -> bool:
        """Whether there is anything to look at."""
        return bool(self.jump or self.slew) or self.frozen < math.inf

    def reach(self, channel: str, seconds: float) -> float:
        """How far the channel may get within that time."""
        fixed = self.jump.get(channel)
        return self.slew.get(channel, math.inf) * max(seconds, _SHORTEST) if fixed is None else fixed


@dataclass(frozen=True, slots=True)
class _Seen:
    values: Values
    at: float


class Judge:
    """Remembers what one device said. One owner."""

    __slots__ = ("_confirmed", "_expected", "_good", "_last", "_other", "_same_since")

    def __init__(self, expected: Expected) -> None:
        self._expected = expected
        self._good: _Seen | None = None
        self._other: _Seen | None = None  # the latest reading of a level that is not believed
        self._confirmed: float | None = None  # when a second reading agreed with it
        self._last: Values | None = None
        self._same_since = 0.0

    def judge(self, values: Values, now: float) -> Doubt | None:
        """What is doubtful about this reading; None for a good one. Raises `Unconfirmed`."""
        rests = values == self._last
        doubt = self._jumped(values, now, rests=rests and self._expected.frozen < math.inf)
        if not rests:
            self._last, self._same_since = values, now
        elif (still := now - self._same_since) >= self._expected.frozen:
            return Frozen(
                f"no bit of it has changed for {still:.0f} s: a measurement is never that quiet; is the part stuck?"
            )
        return doubt

    def failed(self) -> None:
        """The device could not be read: what jumped has not held."""
        self._other = None

    def _jumped(self, values: Values, now: float, *, rests: bool) -> Doubt | None:
        expected, good, other = self._expected, self._good, self._other
        # nothing is known of a first reading: where jumps count, a second one must agree
        far = tuple(expected.jump) if good is None else self._far(values, now, good)
        if not far:
            self._believe(values, now)
            return None
        if other is None or self._far(values, now, other):
            self._other, self._confirmed = _Seen(values, now), None
            raise Unconfirmed(f"{_told(far[0], values, good)}: a single such reading is not believed")
        self._other = _Seen(values, now)
        self._confirmed = now if self._confirmed is None else self._confirmed
        known_better = good is not None and any(channel in expected.jump for channel in far)
        # a part that got stuck in the middle of a lie holds it for ever: where parts move, rest proves nothing
        if known_better and (rests or now - self._confirmed < expected.believe):
            return Jumped(f"{_told(far[0], values, good)}: doubted until it has held for {expected.believe:g} s")
        self._believe(values, now)
        return None

    def _believe(self, values: Values, now: float) -> None:
        self._good, self._other = _Seen(values, now), None

    def _far(self, values: Values, now: float, seen: _Seen) -> tuple[str, ...]:
        """The channels that cannot have got here from there."""
        reach, seconds = self._expected.reach, now - seen.at
        return tuple(
            channel
            for channel, value in values.items()
            if channel in seen.values and abs(value - seen.values[channel]) > reach(channel, seconds)
        )


def _told(channel: str, values: Values, good: _Seen | None) -> str:
    if good is None:
        return "it is the first reading"
    return f"{channel} jumped from {good.values[channel]:.6g} to {values[channel]:.6g}"
