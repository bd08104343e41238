"""The verdict of the demo: both ends must count the same."""

from __future__ import annotations

from typing import Any

import pytest

from edge.collect.receiver import Counts
from edge.demo.summary import Summary, sum_up, tell

RECEIVED = Counts(received=12, accepted=10)


def a_summary(*, received: Counts = RECEIVED, **changed: Any) -> Summary:
    upstream = {"delivered": 10, "pending": 0, "dropped": {}, "expired": 0, "dead": 0} | changed
    stats = {"accepted": 10, "upstreams": {"default": upstream}, "events": {"received": 50}}
    return sum_up(
        stats=stats,
        runs={"success": 10},
        received=received,
        seconds=60.04,
        broker="mosquitto",
        longest_backlog=4,
        notices=1,
    )


def test_it_holds_when_everything_accepted_was_received() -> None:
    summary = a_summary()

    assert summary.conserved
    assert summary.lost == 0
    assert "conservation holds" in tell(summary)


@pytest.mark.parametrize(
    ("changed", "lost", "verdict"),
    [
        ({"received": Counts(9, 9)}, 1, "conservation is broken"),
        ({"received": Counts(11, 11)}, 0, "conservation is broken"),
        ({"received": Counts(8, 8), "delivered": 8, "pending": 2}, 0, "2 outcomes still wait"),
        ({"received": Counts(9, 9), "delivered": 9, "dropped": {"full": 1}}, 1, "conservation is broken"),
        ({"delivered": 9}, 0, "conservation is broken"),
        ({"received": Counts(9, 9), "delivered": 9, "dead": 1}, 1, "conservation is broken"),
    ],
    ids=["lost", "invented", "late", "dropped", "unexplained", "dead"],
)
def test_it_does_not_hold_otherwise(changed: dict[str, Any], lost: int, verdict: str) -> None:
    summary = a_summary(**changed)

    assert not summary.conserved
    assert summary.lost == lost
    assert verdict in tell(summary)


def test_programs_get_every_count_and_the_verdict() -> None:
    assert a_summary().data() == {
        "seconds": 60.0,
        "broker": "mosquitto",
        "events": 50,
        "runs": {"success": 10},
        "accepted": 10,
        "delivered": 10,
        "pending": 0,
        "given_up": 0,
        "received": 10,
        "repeats": 2,
        "longest_backlog": 4,
        "notices": 1,
        "lost": 0,
        "conserved": True,
    }
