"""A clock that moves only when told: a day in a second, the same every time."""

from __future__ import annotations

from datetime import UTC, datetime

from edge.clock import Quality

START = datetime(2026, 11, 21, 9, tzinfo=UTC).timestamp()


class VirtualClock:
    """Both clocks of a test. `step_wall` is what NTP, or a missing battery, does to a wall clock."""

    def __init__(self, wall: float = START) -> None:
        self._now = 0.0
        self._offset = wall
        self.trust: Quality = "synced"

    def monotonic(self) -> float:
        return self._now

    def wall(self) -> float:
        return self._offset + self._now

    def quality(self) -> Quality:
        return self.trust

    def advance(self, seconds: float) -> None:
        """Time passes. Raises ValueError for a negative time: monotonic clocks do not go back."""
        if seconds < 0:
            raise ValueError(f"time does not go back: {seconds}")
        self._now += seconds

    def step_wall(self, seconds: float) -> None:
        """The wall clock jumps either way; monotonic time does not notice."""
        self._offset += seconds
