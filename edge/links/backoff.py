"""How long to wait before the next attempt: decorrelated jitter, so that a thousand gateways do not come back at once.

Each wait is drawn between `base` and three times the last one, up to `cap` (Brooker, "Exponential backoff and jitter").
"""

from __future__ import annotations

import random


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
