"""Records that were accepted and found no room: what is written in their place (`when_full: drop_newest`).

Invariants
- A void lies in the stream like a frame and is as durable: accepted and dropped are counted by the same bytes.
- What was promised is never left out: `accepted` records are written in frames of their own, with the delivery.
- Where an outcome is left out that ends a promised run, the void names the run: it does not run again.

Format: a note of kind VOID, whose sequence number is the last that it stands for
    body = JSON {first, last, outcomes, publishes, classes, published, ended}
           outcomes, publishes: in the stream before it; classes: {class: outcomes left out}; ended: ids of runs
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

import orjson

from edge.model import RecordKind

VOID = 18


@dataclass(slots=True, kw_only=True)
class Void:
    """See the module's format."""

    first: int
    last: int
    outcomes: int
    publishes: int
    classes: dict[str, int] = field(default_factory=dict)
    published: int = 0
    ended: list[str] = field(default_factory=list)

    @property
    def left_out(self) -> int:
        """How many outcomes it stands for."""
        return sum(self.classes.values())

    def ordinals(self, kind: RecordKind, before: int) -> range:
        """The places of its outcomes or publishes in a segment that began after `before` of them."""
        begin, count = (
            (self.publishes, self.published) if kind is RecordKind.PUBLISH else (self.outcomes, self.left_out)
        )
        return range(max(begin - before, 0), max(begin - before + count, 0))

    def dump(self) -> bytes:
        """The body of the note."""
        return orjson.dumps(asdict(self))

    @classmethod
    def load(cls, body: bytes) -> Void:
        """Raises ValueError or TypeError for what is none."""
        return cls(**orjson.loads(body))
