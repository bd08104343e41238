"""Edges by hand, and all that a decoder makes of them."""

from drivers.base import Decoder

Told = list[tuple[dict[str, float | bool], float]]


def told(decoder: Decoder, now: float) -> Told:
    """Everything that is certain by `now`, as (values, time)."""
    changes: Told = []
    while (change := decoder.due(now)) is not None:
        changes.append((dict(change[0].values), change[1]))
    return changes
