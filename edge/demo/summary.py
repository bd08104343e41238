"""What a run of the demo came to, counted at both ends: in the gateway's journal and at the receiver."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from edge.cli.output import columns, paint
from edge.collect.receiver import Counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """`accepted`, `delivered`, `pending` and `given_up` (dropped, expired or dead) are the journal's; `received` and
    `repeats` are the receiver's: different outcomes, and those that came more than once."""

    seconds: float
    broker: str
    events: int
    runs: Mapping[str, int]
    accepted: int
    delivered: int
    pending: int
    given_up: int
    received: int
    repeats: int
    longest_backlog: int
    notices: int

    @property
    def lost(self) -> int:
        """Accepted, and neither received nor waiting."""
        return max(0, self.accepted - self.pending - self.received)

    @property
    def conserved(self) -> bool:
        """The journal's law holds, and every outcome that it accepted stands at the receiver."""
        return (
            self.accepted == self.delivered + self.pending + self.given_up
            and self.accepted == self.received
            and not self.given_up
        )

    def data(self) -> dict[str, Any]:
        return {**asdict(self), "lost": self.lost, "conserved": self.conserved}


def sum_up(
    *,
    stats: Mapping[str, Any],
    runs: Mapping[str, int],
    received: Counts,
    seconds: float,
    broker: str,
    longest_backlog: int,
    notices: int,
) -> Summary:
    """From what `edge journal stats` says and what the receiver counted."""
    [upstream] = stats["upstreams"].values()
    return Summary(
        seconds=round(seconds, 1),
        broker=broker,
        events=stats["events"]["received"],
        runs=runs,
        accepted=stats["accepted"],
        delivered=upstream["delivered"],
        pending=upstream["pending"],
        given_up=sum(upstream["dropped"].values()) + upstream["expired"] + upstream["dead"],
        received=received.accepted,
        repeats=received.repeats,
        longest_backlog=longest_backlog,
        notices=notices,
    )  # fmt: skip


def tell(summary: Summary) -> str:
    """For people: the two ends under each other, and the verdict."""
    runs = ", ".join(f"{count} {status}" for status, count in summary.runs.items()) or "none"
    rows = [
        ("events received", summary.events, "readings, pin edges, MQTT messages"),
        ("runs", sum(summary.runs.values()), runs),
        ("outcomes accepted", summary.accepted, "durable in the journal"),
        ("delivered", summary.delivered, "acknowledged by the upstream broker"),
        ("received", summary.received, "stored by the receiver, each once"),
        ("repeats dropped", summary.repeats, "sent again where an acknowledgement was not received"),
        ("lost", summary.lost, ""),
        ("longest backlog", summary.longest_backlog, "outcomes that waited while the upstream was away"),
        ("notices", summary.notices, "published by a task, heard on the plant's broker"),
    ]
    if summary.conserved:
        verdict = paint("conservation holds: every accepted outcome was received", "green")
    elif summary.pending and not summary.lost:
        verdict = paint(f"not finished: {summary.pending} outcomes still wait in the journal", "yellow")
    else:
        verdict = paint("conservation is broken", "red")
    return f"{columns(rows)}\n{verdict} ({summary.seconds:.0f} s, {summary.broker})"
