"""How long to wait before the next attempt: decorrelated jitter, so that a thousand gateways do not come back at once.

Each wait is drawn between `base` and three times the last one, up to `cap` (Brooker, "Exponential backoff and jitter").
"""

from __future__ import annotations

import random

from edge.clock import Clock

_STABLE = 10.0  # seconds: a connection that lived this long makes the next wait short again
_SUSPICIOUS = 3  # connections in a row that were accepted and lost sooner


class Backoff:
    """Not thread-safe. `source` is the randomness seam: a seeded one repeats its waits. Seconds throughout."""

    def __init__(self, source: random.Random, *, base: float = 1.0, cap: float = 30.0, slow: float = 60.0) -> None:
        self._random = source
        self._base = base
        self._cap = cap
        self._slow = slow
        self._last = base

    def next(self) -> float:
        """The wait after a failure that may pass by itself."""
        self._last = min(self._cap, self._random.uniform(self._base, self._last * 3))
        return self._last

    def long(self) -> float:
        """The wait after a refusal that a person has to mend."""
        return self._random.uniform(self._slow, 2 * self._slow)

    def reset(self) -> None:
        """It worked: the next wait is short again."""
        self._last = self._base


class Attempts:
    """When to connect next, and what to make of connections that do not last. Not thread-safe."""

    def __init__(self, clock: Clock, backoff: Backoff) -> None:
        self._clock = clock
        self._backoff = backoff
        self._due = clock.monotonic()
        self._short = 0

    @property
    def left(self) -> float:
        """Seconds until the next attempt."""
        return self._due - self._clock.monotonic()

    def plan(self, *, at_once: bool = False, late: bool = False) -> None:
        """The next attempt, as the back-off says where nothing else does."""
        wait = 0.0 if at_once else self._backoff.long() if late else self._backoff.next()
        self._due = self._clock.monotonic() + wait

    def lived(self, seconds: float) -> str:
        """A connection ended after that long; where several in a row did not last, what that may mean.

        Mosquitto 2.0 says nothing to a client whose session is taken over, nor to one that publishes what it may not.
        """
        if seconds >= _STABLE:
            self._short = 0
            self._backoff.reset()
        else:
            self._short += 1
        if self._short < _SUSPICIOUS:
            return ""
        return f" {self._short} times within seconds: another client with the id {{client_id}}, or a topic not ours?"
