"""The time that apps live by: seconds that only add up, across restarts. Steps of the wall clock do not count.

While the gateway runs, the monotonic clock decides. For the time it was off there is only the wall clock, which counts
where it was synced before and is synced again: otherwise that time does not count, and an app lives longer, never
shorter, than it says. What was not written down before a power cut is caught up with in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge.clock import Clock


@dataclass(frozen=True, slots=True)
class Mark:
    """What is written down: seconds lived, and the wall clock then, None where it was not synced."""

    lived: float = 0.0
    seen: float | None = None


class AppClock:
    """Any thread reads; one calls `catch_up`."""

    def __init__(self, clock: Clock, mark: Mark) -> None:
        self._clock = clock
        self._begun = clock.monotonic()
        self._before = mark.lived
        self._seen = mark.seen
        self.catch_up()

    def now(self) -> float:
        """Seconds lived."""
        return self._before + self._clock.monotonic() - self._begun

    def catch_up(self) -> None:
        """Count the time that it was off, once the wall clock can say how long that was."""
        if self._seen is not None and self._clock.quality() == "synced":
            here = self._clock.monotonic() - self._begun
            self._before += max(0.0, self._clock.wall() - self._seen - here)
            self._seen = None

    def mark(self) -> Mark:
        """What to write down now. Until it caught up, the moment seen last moves on with the monotonic clock, so that
        the time it was off is still what is missing."""
        if self._seen is not None:
            return Mark(self.now(), self._seen + self._clock.monotonic() - self._begun)
        synced = self._clock.quality() == "synced"
        return Mark(self.now(), self._clock.wall() if synced else None)
