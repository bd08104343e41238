"""The two sums that hold in every test of a whole runtime."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def balanced(stats: Mapping[str, Any]) -> bool:
    """Conservation: what was accepted is delivered, pending, or lost with a reason, for every upstream."""
    return all(
        stats["accepted"]
        == counts["local"]
        + counts["delivered"]
        + counts["pending"]
        + sum(counts["dropped"].values())
        + counts["expired"]
        + counts["dead"]
        for counts in stats["upstreams"].values()
    )


def lawful(events: Mapping[str, Any]) -> bool:
    """The law of events, at a moment when none is half-way."""
    told = events["matched"] + events["unmatched"] + events["duplicate"]
    return bool(events["received"] == told + sum(events["suppressed"].values()) + sum(events["rejected"].values()))
