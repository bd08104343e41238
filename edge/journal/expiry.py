"""Time to live: what still waits when it is older than `Limits.expire` is counted `expired`, and never sent late.

Age is the journal's own: seconds it was open, so neither a wall clock that steps nor a time without power lets
anything expire. A record expires when its time is over or up to a sixteenth of it earlier, before anyone reads it.
A publish has the time of its class wherever it lies; an outcome that of the stream its frame lies in. Dead letters
that were requeued never expire: someone wants them sent.
"""

from __future__ import annotations

import contextlib

import orjson

from edge.journal.ages import EVER
from edge.journal.books import Stream
from edge.journal.ledger import Ledger
from edge.journal.limits import WORTH, Limits
from edge.journal.segments import PUBLISHES, STREAMS, Segment
from edge.journal.statelog import AGED
from edge.model import RecordClass, Verdict

_PART = 16
_LONGEST = _PART * 3600.0  # seconds: a power cut forgets an hour of waiting at most


class Expiry:
    """Guarded by the journal's books lock."""

    def __init__(self, ledger: Ledger, limits: Limits) -> None:
        self._ledger = ledger
        self._limits = limits
        lives = [seconds for klass in WORTH if (seconds := limits.time_to_live(klass)) is not None]
        self._step = min(*lives, _LONGEST) / _PART if lives else None
        self._done: dict[tuple[str, str], int] = {}
        self._ages = ledger.state.ages
        for segment in sorted(ledger.books.segments(), key=lambda segment: segment.header.first):
            if segment.header.age > self._ages.latest:  # from a time without ticks
                self._ages.tick(segment.header.age, segment.header.first - 1, 0.0)

    def tick(self, sequence: int, *, idle: bool) -> None:
        """Records up to `sequence` were appended before now, those to come are not. Call before they are written, and
        when there are none (`idle`): so a power cut forgets little of the time that what waits has waited."""
        if self._step is None:
            return
        age = self._ledger.age()
        if age - self._ages.latest < self._step or (idle and not self._anything_waits()):
            return
        if self._ages.tick(age, sequence, self._step):
            body = orjson.dumps({"a": age, "q": sequence})
            with contextlib.suppress(OSError):  # it stands in memory, and in the next checkpoint
                self._ledger.note(AGED, body, urgent=True)

    def _anything_waits(self) -> bool:
        books = self._ledger.books
        return any(books.backlog(name) for name in (*books.names(), PUBLISHES))

    def sweep(self) -> None:
        """Give up all that is too old, for everyone. Raises OSError; then the rest is tried the next time."""
        for upstream in (*self._ledger.books.names(), PUBLISHES):
            self.expire(upstream)

    def expire(self, upstream: str) -> None:
        """Give up what has waited too long for `upstream`. Raises OSError; then nothing changed."""
        if self._step is None:
            return
        places: dict[str, tuple[Segment, list[int]]] = {}
        done: dict[tuple[str, str], int] = {}
        for stream in map(self._ledger.books.streams.__getitem__, STREAMS):
            boundary = self._boundary(upstream, stream)
            if boundary <= self._done.get((upstream, stream.name), 0):
                continue
            done[upstream, stream.name] = boundary
            for segment in stream.segments:
                if segment.header.first <= boundary and segment.pending(upstream):
                    ordinals = self._ledger.outbox.until(upstream, segment, boundary)
                    if ordinals:
                        places[segment.name] = segment, ordinals
        if places:
            self._ledger.settle(upstream, places, Verdict.EXPIRED)
        self._done.update(done)

    def _boundary(self, upstream: str, stream: Stream) -> int:
        """The last sequence number in the stream that is too old for `upstream`."""
        seconds = self._limits.time_to_live(RecordClass.PUBLISH.value if upstream == PUBLISHES else stream.name)
        if seconds is None or not stream.segments:
            return 0
        boundary = self._ages.until(self._ledger.age() - seconds)
        return stream.segments[-1].last if boundary == EVER else boundary
