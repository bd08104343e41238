"""One record at a time: how long each takes beside the bare disk, and what a record a second costs in flash."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from edge.bench.material import CLOCK, UPSTREAM, bodies, opened, records, written
from edge.bench.stores import raw
from edge.model import Verdict
from edge.testing.clock import VirtualClock

_DAY = 86_400


def latency(folder: Path, number: int) -> dict[str, dict[str, float]]:
    """Microseconds until a record is durable, by turns in the journal and with write and fdatasync."""
    outcomes = bodies(number)
    ours, bare = [], []
    with opened(folder / "latency") as journal, raw(folder) as write:
        for body, record in zip(outcomes, records(outcomes), strict=True):
            began = CLOCK.monotonic()
            journal.append([record])
            journal.commit()
            between = CLOCK.monotonic()
            write([body])
            ended = CLOCK.monotonic()
            ours.append(between - began)
            bare.append(ended - between)
    return {"journal": _quantiles(ours), "raw": _quantiles(bare)}


def _quantiles(seconds: list[float]) -> dict[str, float]:
    hundredths = statistics.quantiles(seconds, n=100)
    return {"p50": round(hundredths[49] * 1e6, 1), "p99": round(hundredths[98] * 1e6, 1)}


def one_a_second(folder: Path, number: int) -> dict[str, Any]:
    """Bytes on the disk for each byte of outcome, when one comes every second and is acknowledged within it, and
    megabytes a day. No time passes: the journal's clock says that it did, so sweeps and checkpoints come as they
    would. `raw` is append and fdatasync without acknowledgements: a disk writes whole pages."""
    outcomes, clock = bodies(number), VirtualClock()
    size = sum(map(len, outcomes))
    before = written()
    with opened(folder / "seconds", clock) as journal:
        for record in records(outcomes):
            clock.advance(1.0)
            journal.append([record])
            journal.commit()
            found = [stored.sequence for stored in journal.pending(UPSTREAM)]
            journal.settle(UPSTREAM, found, Verdict.DELIVERED)
            journal.commit()  # as the writer thread does when it is told
        formatted = journal.stats()["bytes_written"]
    ours, before = written() - before, written()
    with raw(folder) as write:
        for body in outcomes:
            write([body])
    bare = written() - before
    return {
        "records": number,
        "written_per_byte": round(ours / size, 2),
        "raw_written_per_byte": round(bare / size, 2),
        "handed_over_per_byte": round(formatted / size, 2),
        "mb_per_day": round(ours / number * _DAY / 1e6, 1),
        "raw_mb_per_day": round(bare / number * _DAY / 1e6, 1),
    }
