"""A large backlog: what it costs to add to it, to keep it, to start with it, and to get rid of it."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from edge.bench.material import CLOCK, UPSTREAM, bodies, opened, records, resident, written
from edge.bench.stores import BATCH
from edge.journal import Journal
from edge.model import Verdict

FEW = 1_000  # pending records that cost is compared with
_PROBES = 20  # batches that the cost of an append is the median of


def backlog(folder: Path, pending: int) -> dict[str, Any]:
    """Fill, look at cost, memory and start, drain: in seconds, microseconds, megabytes and bytes for each byte."""
    path, body = folder / "backlog", len(bodies(1)[0])
    before = written()
    with opened(path) as journal:
        memory = resident()
        _fill(journal, FEW)
        few = _append_cost(journal)
        _fill(journal, pending - journal.backlog(UPSTREAM) - _PROBES * BATCH)
        grown = resident() - memory
        many = _append_cost(journal)
        began = CLOCK.monotonic()
    closed = CLOCK.monotonic()
    with opened(path) as journal:
        journal.append(records(bodies(1)))
        journal.commit()
        started = CLOCK.monotonic()
        total = journal.backlog(UPSTREAM)
        drained = _drain(journal)
    return {
        "pending": total,
        "append_us_few": round(few * 1e6, 2),
        "append_us_many": round(many * 1e6, 2),
        "append_ratio": round(many / few, 2),
        "rss_growth_mb": round(grown / 2**20, 1),
        "stop_s": round(closed - began, 3),
        "start_to_append_s": round(started - closed, 3),
        "drain_per_s": round(total / drained),
        "written_per_byte": round((written() - before) / (total * body), 2),
    }


def _fill(journal: Journal, number: int) -> None:
    batch = records(bodies(BATCH))
    for at in range(0, number, BATCH):
        for record in batch[: number - at]:
            journal.append([record])
        journal.commit()


def _append_cost(journal: Journal) -> float:
    """Seconds for one `append`, the median over some batches; what the disk takes is not in it."""
    batch, found = records(bodies(BATCH)), []
    for _ in range(_PROBES):
        began = CLOCK.monotonic()
        for record in batch:
            journal.append([record])
        found.append((CLOCK.monotonic() - began) / BATCH)
        journal.commit()
    return statistics.median(found)


def _drain(journal: Journal) -> float:
    began, after = CLOCK.monotonic(), None
    while found := journal.pending(UPSTREAM, limit=1000, after=after):
        after = found[-1].sequence
        journal.settle(UPSTREAM, [stored.sequence for stored in found], Verdict.DELIVERED)
    journal.commit()
    return CLOCK.monotonic() - began
