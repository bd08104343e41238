"""The law of events: received = unmatched + suppressed{reason} + rejected{reason} + duplicate + matched.

Every event is counted once as received and once as what became of it; a message that cannot become an event counts
as one.
"""

from __future__ import annotations

import logging

from edge.errors import PayloadError
from edge.telemetry import Counter, Telemetry

log = logging.getLogger(__name__)

DUPLICATE = "duplicate"
_UNREADABLE = "unreadable"  # the source of what could not be decoded


class Tally:
    """Counts what becomes of events. Used by the leading thread; read from any."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._sources: dict[str, Counter] = {}
        self._matched = telemetry.counter("edge_events_matched_total")
        self._unmatched = telemetry.counter("edge_events_unmatched_total")
        self._duplicate = telemetry.counter("edge_events_duplicate_total")

    def received(self, source: str) -> None:
        counter = self._sources.get(source)
        if counter is None:
            counter = self._sources[source] = self._telemetry.counter("edge_events_total", source=source)
        counter.add()

    def matched(self) -> None:
        self._matched.add()

    def missed(self, suppressed: str | None) -> None:
        """No trigger started anything: none held, or one that held was suppressed for a reason."""
        if suppressed is None:
            self._unmatched.add()
        else:
            self._telemetry.counter("edge_events_suppressed_total", reason=suppressed).add()

    def refused(self, error: PayloadError) -> None:
        """A message that is no event; said in the log, except repeats, which are the protocol's daily bread."""
        self.received(_UNREADABLE)
        if error.reason == DUPLICATE:
            self._duplicate.add()
            return
        counter = self._telemetry.counter("edge_events_rejected_total", reason=error.reason)
        counter.add()
        count = counter.value
        if not count & (count - 1):  # the 1st, 2nd, 4th, 8th ...: a flood of bad messages is not a flood of lines
            log.warning(
                "message rejected (%s, %d so far): %s",
                error.reason,
                count,
                error,
                extra={"action": "event_rejected", "reason": error.reason},
            )

    def data(self) -> dict[str, object]:
        """The law's two sides, as plain data."""
        telemetry = self._telemetry
        return {
            "received": telemetry.total("edge_events_total"),
            "matched": self._matched.value,
            "unmatched": self._unmatched.value,
            "duplicate": self._duplicate.value,
            "suppressed": {
                dict(key)["reason"]: n for key, n in telemetry.counts("edge_events_suppressed_total").items()
            },
            "rejected": {dict(key)["reason"]: n for key, n in telemetry.counts("edge_events_rejected_total").items()},
        }
