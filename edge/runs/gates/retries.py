"""Whether and when a failed attempt is followed by another: exponential back-off with jitter, by what it failed of."""

from __future__ import annotations

from collections.abc import Callable

from edge.config.tasks import Retries
from edge.runs.run import Cause, Ending


def pause(settings: Retries | None, ending: Ending, attempt: int, random: Callable[[], float]) -> float | None:
    """Seconds until the next attempt; None where there is none.

    `attempt` counts from 1 over all causes, and is held against the number for the cause of this ending. `random`
    draws from [0, 1): it takes away up to half, so that what failed together does not come back together.
    """
    if settings is None or attempt > _most(settings, ending.cause):
        return None
    full = min(settings.backoff * 2.0 ** (attempt - 1), settings.longest)
    return full * (1.0 - random() / 2.0)


def _most(settings: Retries, cause: Cause) -> int:
    if cause is Cause.TRANSIENT:
        return settings.transient
    if cause is Cause.TIMEOUT:
        return settings.timeout
    return settings.failure if cause is Cause.FAILURE else 0
