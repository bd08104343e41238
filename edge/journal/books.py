"""The books: what was accepted, and what became of it at every upstream.

The law, for every upstream and at any instant:
    accepted = local + delivered + pending + dropped{reason} + expired + dead
`local` are outcomes accepted while that upstream was not configured: kept by retention, owed to nobody. The stream of
dead letters holds copies: nothing in it is accepted, and what is requeued from it is pending instead of dead.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from edge.journal.marks import Marks
from edge.journal.segments import DEAD, PUBLISHES, STREAMS, Segment, parse_name
from edge.journal.tombstones import Tombstone, Tombstones
from edge.journal.voids import Void
from edge.model import RecordClass, RecordKind, Verdict

_HANDED = 1 << 17


@dataclass(slots=True)
class Totals:
    """Records one upstream has done with, by verdict; `dropped` by reason and class."""

    delivered: int = 0
    expired: int = 0
    dead: int = 0
    dropped: dict[str, dict[str, int]] = field(default_factory=dict)

    def add(self, verdict: Verdict, count: int, reason: str = "", klass: str = "") -> None:
        if verdict is Verdict.DELIVERED:
            self.delivered += count
        elif verdict is Verdict.EXPIRED:
            self.expired += count
        elif verdict is Verdict.DEAD:
            self.dead += count
        else:
            classes = self.dropped.setdefault(reason or "unknown", {})
            classes[klass] = classes.get(klass, 0) + count

    def take_back(self, count: int) -> None:
        """So many records are pending again, of which it is not known what had become: most likely delivered."""
        for verdict in ("delivered", "dead", "expired"):
            part = min(count, getattr(self, verdict))
            setattr(self, verdict, getattr(self, verdict) - part)
            count -= part
        self.delivered -= count  # more than were ever done with: the law holds all the same

    @property
    def settled(self) -> int:
        dropped = sum(sum(classes.values()) for classes in self.dropped.values())
        return self.delivered + self.expired + self.dead + dropped

    def stats(self) -> dict[str, Any]:
        """The part of `edge journal stats` that these numbers make."""
        return {
            "delivered": self.delivered,
            "dropped": {reason: sum(classes.values()) for reason, classes in self.dropped.items()},
            "expired": self.expired,
            "dead": self.dead,
            "dropped_by_class": {reason: dict(classes) for reason, classes in self.dropped.items()},
        }


@dataclass(slots=True)
class Stream:
    """The segments of one class, oldest first, and what was ever counted in it."""

    name: str
    segments: list[Segment] = field(default_factory=list)
    number: int = 0
    outcomes: int = 0
    publishes: int = 0
    counts: dict[str, int] = field(default_factory=dict)

    def count(self, segment: Segment, outcomes: int, publishes: int) -> None:
        """That many records more are in `segment`."""
        segment.outcomes += outcomes
        segment.publishes += publishes
        self.outcomes += outcomes
        self.publishes += publishes
        for name in segment.header.upstreams:
            self.counts[name] = self.counts.get(name, 0) + outcomes

    def raise_to(self, outcomes: int, publishes: int, counts: dict[str, int]) -> None:
        """Counts known from elsewhere: the higher is right, because counts only grow."""
        self.outcomes = max(self.outcomes, outcomes)
        self.publishes = max(self.publishes, publishes)
        for name, count in counts.items():
            self.counts[name] = max(self.counts.get(name, 0), count)


class Books:
    """All streams and totals. Not thread-safe: the journal's books lock guards it."""

    def __init__(self) -> None:
        self.streams = {name: Stream(name) for name in (*STREAMS, DEAD)}
        self.totals: dict[str, Totals] = {}
        self.tombstones = Tombstones()
        self.upstreams: tuple[str, ...] = ()
        self._handed: dict[str, dict[int, tuple[Segment, int]]] = {}

    def segments(self) -> Iterator[Segment]:
        """Every segment there is."""
        for stream in self.streams.values():
            yield from stream.segments

    def find(self, name: str) -> Segment | None:
        """The segment of that file name, if there is one."""
        place = parse_name(name)
        segments = self.streams[place[0]].segments if place is not None else []
        return next((segment for segment in segments if segment.name == name), None)

    def names(self) -> list[str]:
        """Every upstream that is configured or was and has counts."""
        names = dict.fromkeys(self.upstreams)
        for stream in self.streams.values():
            names.update(dict.fromkeys(stream.counts))
        return list(names)

    def of(self, upstream: str) -> Totals:
        return self.totals.setdefault(upstream, Totals())

    @property
    def accepted(self) -> int:
        return sum(self.streams[name].outcomes for name in STREAMS)

    def owed(self, upstream: str) -> int:
        """How many records were ever for that upstream."""
        if upstream == PUBLISHES:
            return sum(self.streams[name].publishes for name in STREAMS)
        return sum(stream.counts.get(upstream, 0) for stream in self.streams.values())

    def backlog(self, upstream: str) -> int:
        return self.owed(upstream) - self.of(upstream).settled

    def hand(self, upstream: str, sequence: int, segment: Segment, ordinal: int) -> None:
        """Remember where a record stands that was given to `upstream`; bounded, the oldest is forgotten first."""
        handed = self._handed.setdefault(upstream, {})
        handed[sequence] = segment, ordinal
        if len(handed) > _HANDED:
            del handed[next(iter(handed))]

    def take(self, upstream: str, sequence: int) -> tuple[Segment, int] | None:
        """Where it stands; None where it was not handed out, or long ago."""
        return self._handed.get(upstream, {}).pop(sequence, None)

    def strike(self, segment: Segment) -> None:
        """The segment is deleted: nothing in it can be settled any more."""
        self.streams[segment.header.stream].segments.remove(segment)
        for handed in self._handed.values():
            for sequence in [sequence for sequence, (where, _) in handed.items() if where is segment]:
                del handed[sequence]

    def mark(self, upstream: str, segment: Segment, ordinals: Iterable[int]) -> int:
        """`upstream` has done with these records of the segment; how many of them it had not."""
        if segment.is_dead:  # a letter that is settled was requeued, also where the note that says so is lost
            self.of(upstream).dead -= segment.revive(upstream, ordinals)
        return segment.marks.setdefault(upstream, Marks()).add_all(ordinals)

    def lose(self, tombstone: Tombstone, *, joins: bool = False) -> None:
        """Count what it stands for as dropped, for each of its upstreams. `joins`: see `Tombstones.add`."""
        for upstream in tombstone.upstreams:
            self.of(upstream).add(Verdict.DROPPED, tombstone.count, tombstone.reason, tombstone.klass)
        self.tombstones.add(tombstone, joins=joins)

    def pass_over(self, segment: Segment, void: Void) -> tuple[tuple[str, ...], int]:
        """Nobody waits for what the void stands for; who did until now, and for how many publishes."""
        ordinals = void.ordinals(RecordKind.OUTCOME, segment.header.outcomes)
        missed = tuple(name for name in segment.upstreams if self.mark(name, segment, ordinals))
        return missed, self.mark(PUBLISHES, segment, void.ordinals(RecordKind.PUBLISH, segment.header.publishes))

    def leave_out(self, segment: Segment, void: Void, time: float, *, joins: bool = False) -> None:
        """A void is durable in the segment: what it stands for is dropped. Twice is as good as once."""
        missed, published = self.pass_over(segment, void)
        lost = [(klass, missed, count) for klass, count in void.classes.items() if missed]
        lost.append((RecordClass.PUBLISH.value, (PUBLISHES,), published))
        for klass, upstreams, count in lost:
            if count:
                self.lose(Tombstone(void.first, void.last, klass, "full", upstreams, count, time), joins=joins)

    def stats(self) -> dict[str, Any]:
        """Accepted and, for every upstream, what became of it; publishes have counts of their own."""
        accepted = self.accepted
        upstreams = {}
        for name in self.names():
            upstreams[name] = {
                "pending": self.backlog(name),
                "local": accepted - self.owed(name),
                **self.of(name).stats(),
            }
        publishes = {"accepted": self.owed(PUBLISHES), "pending": self.backlog(PUBLISHES)}
        return {
            "accepted": accepted,
            "upstreams": upstreams,
            "publishes": {**publishes, **self.of(PUBLISHES).stats()},
            "tombstones": self.tombstones.stats(),
        }
