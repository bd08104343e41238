"""`edge bench journal`: what durability costs, beside the bare disk and other stores in the same run.

Everything writes the same record, an outcome's envelope of about 500 bytes, to the same disk.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.bench.backlog import FEW, backlog
from edge.bench.material import CLOCK, LIMITS, UPSTREAM, bodies, file_system, opened, records, written
from edge.bench.pace import latency, one_a_second
from edge.bench.stores import BATCH, has_persist_queue, persist_queue, raw, sqlite, tinydb
from edge.cli.arguments import Arguments
from edge.cli.exits import FINE, Stop
from edge.cli.output import columns, note, say, say_json
from edge.journal import open_journal
from edge.model import Record

_PRODUCERS, _OUTSTANDING = 4, 200
_TINY = 200  # documents for stock TinyDB, whose cost grows with each
_TURNS = 10  # of each store in a round
_SECONDS = 600  # records of one a second
_IN_MEMORY = ("tmpfs", "ramfs")
_MISSING = "persist-queue is not installed: pip install 'edge-runtime[bench]'"
_SHAPE = '{"backlog": {...}, "per_s": {store: rate}, "ratio": {...}, "latency_us": {...}, "one_a_second": {...}}'


def journal(words: list[str]) -> int:
    """Leaves nothing behind."""
    arguments = Arguments(
        "bench journal",
        "Measure the journal beside append and fdatasync, SQLite (WAL, synchronous=FULL), persist-queue and TinyDB.",
        examples=("bench journal", "bench journal --pending 1000000 --folder /var/lib/edge --json"),
    )
    arguments.add_argument("--records", type=int, default=20_000, help="of each, a tenth one by one (default: 20000)")
    arguments.add_argument("--pending", type=int, default=200_000, help="backlog to fill and drain (default: 200000)")
    arguments.add_argument("--rounds", type=int, default=3, help="of each store, in turns (default: 3)")
    arguments.add_argument("--folder", default=".", help="on the disk that is meant (default: the current one)")
    options = arguments.with_json(_SHAPE).parse_args(words)
    if options.records < 10 * BATCH or options.pending < 10 * FEW or options.rounds < 1:
        arguments.error(f"--records is {10 * BATCH} or more, --pending {10 * FEW} or more, --rounds 1 or more")
    if not os.access(options.folder, os.W_OK | os.X_OK):
        raise Stop(f"{options.folder} is no folder that this user may write to; name another with --folder")
    kind = file_system(Path(options.folder))
    if kind in _IN_MEMORY:
        note(f"{options.folder} is on {kind}, which is memory: these figures mean nothing; name a disk with --folder")
    with tempfile.TemporaryDirectory(prefix="edge-bench-", dir=options.folder) as folder:
        found = _measure(Path(folder), options.records, options.pending, options.rounds)
    if options.json:
        say_json(found | {"file_system": kind})
    else:
        _show(found)
    return FINE


def _measure(folder: Path, number: int, pending: int, rounds: int) -> dict[str, Any]:
    note(f"a backlog of {pending}")
    found: dict[str, Any] = {"backlog": backlog(folder, pending)}  # first: memory is fresh
    found |= rates(folder, number, rounds)
    note("one record at a time")
    return found | {"latency_us": latency(folder, number // 10), "one_a_second": one_a_second(folder, _SECONDS)}


# -- rates --------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Lane:
    """One way to write the same outcomes, as bytes or as records, `batch` of them in a call; and what it took, in
    seconds and bytes on the disk."""

    write: Callable[[Sequence[Any]], None]
    outcomes: Sequence[Any]
    batch: int
    seconds: float = 0.0
    written: int = 0

    def run(self, turn: int) -> None:
        size = len(self.outcomes) // _TURNS
        mine = self.outcomes[turn * size : (turn + 1) * size]
        before, began = written(), CLOCK.monotonic()
        for at in range(0, size, self.batch):
            self.write(mine[at : at + self.batch])
        self.seconds += CLOCK.monotonic() - began
        self.written += written() - before


def rates(folder: Path, number: int, rounds: int) -> dict[str, Any]:
    """Medians of records a second. In every round the stores take short turns, so that what else the disk does falls
    on all of them."""
    found: dict[str, list[_Lane]] = {}
    for count in range(rounds):
        note(f"round {count + 1} of {rounds}")
        with ExitStack() as stack:
            lanes = _lanes(stack, Path(tempfile.mkdtemp(dir=folder)), number)
            for turn in range(_TURNS):
                for lane in lanes.values():
                    lane.run(turn)
        for name, lane in lanes.items():
            found.setdefault(name, []).append(lane)
    size = len(bodies(1)[0])
    per_s, per_byte = {}, {}
    for name, each in found.items():
        per_s[name] = round(statistics.median(len(lane.outcomes) / lane.seconds for lane in each))
        per_byte[name] = round(statistics.median(lane.written / len(lane.outcomes) / size for lane in each), 2)
    ratio = {
        "one_by_one_to_raw": per_s["journal, one by one"] / per_s["raw, one by one"],
        "four_threads_to_raw_batches": per_s["journal, 4 threads"] / per_s["raw, batches of 100"],
        "four_threads_to_sqlite_batches": per_s["journal, 4 threads"] / per_s["sqlite, batches of 100"],
    }
    return {
        "per_s": per_s,
        "ratio": {name: round(value, 2) for name, value in ratio.items()},
        "written_per_byte": per_byte,
    }


def _lanes(stack: ExitStack, folder: Path, number: int) -> dict[str, _Lane]:
    few, many = bodies(number // 10), bodies(number)
    ours = stack.enter_context(opened(folder / "ours"))

    def write(made: Sequence[Record]) -> None:
        ours.append(made)
        ours.commit()

    crowd = stack.enter_context(_crowd(folder / "many"))
    lanes = {}
    for name, one in (("raw", raw(folder)), ("sqlite", sqlite(folder))):
        store = stack.enter_context(one)
        lanes[f"{name}, one by one"] = _Lane(store, few, 1)
        lanes[f"{name}, batches of 100"] = _Lane(store, many, BATCH)
    if has_persist_queue():
        lanes["persist-queue, one by one"] = _Lane(stack.enter_context(persist_queue(folder)), few, 1)
    lanes["journal, one by one"] = _Lane(write, records(few), 1)
    lanes["journal, batches of 100"] = _Lane(write, records(many), BATCH)
    lanes["journal, 4 threads"] = _Lane(crowd, records(many), len(many))
    lanes[f"stock TinyDB, {_TINY} documents"] = _Lane(stack.enter_context(tinydb(folder)), bodies(_TINY), 1)
    return lanes


@contextmanager
def _crowd(folder: Path) -> Iterator[Callable[[Sequence[Record]], None]]:
    """Four producers and one writer, as the runtime has it. No more than 200 records are outstanding, of all four
    together: a producer waits as long as its last record is 197 ahead, and each of the others may add one."""
    moved, ended = threading.Condition(), threading.Event()
    ahead = _OUTSTANDING - _PRODUCERS + 1

    def confirm(_: int) -> None:
        with moved:
            moved.notify_all()

    with open_journal(str(folder), clock=CLOCK, upstreams=[UPSTREAM], limits=LIMITS, on_durable=confirm) as ours:

        def produce(mine: Sequence[Record]) -> None:
            for record in mine:
                last = ours.append([record]).sequence
                if last - ours.durable >= ahead:
                    with moved:
                        while last - ours.durable >= ahead:
                            moved.wait()

        def keep_writing() -> None:
            while not ended.is_set():
                if ours.wait(0.05):
                    ours.commit()

        def write(made: Sequence[Record]) -> None:
            producers = [threading.Thread(target=produce, args=(made[at::_PRODUCERS],)) for at in range(_PRODUCERS)]
            for thread in producers:
                thread.start()
            for thread in producers:
                thread.join()
            ours.commit()

        writer = threading.Thread(target=keep_writing)
        writer.start()
        try:
            yield write
        finally:
            ended.set()
            writer.join()


# -- for people ---------------------------------------------------------------------------------------------------


def _show(found: Mapping[str, Any]) -> None:
    header = ("figure", "ours", "baseline", "", "ratio", "target")
    say(columns([*_rate_rows(found), *_pace_rows(found), *_backlog_rows(found)], header))
    if not has_persist_queue():
        note(_MISSING)


def _rate_rows(found: Mapping[str, Any]) -> Iterator[tuple[object, ...]]:
    rate = found["per_s"]
    crowd = "records/s, 4 threads, 200 outstanding"
    for ours, figure, baseline, target in (
        ("journal, 4 threads", crowd, "raw, batches of 100", ">= 1.3, aim 2"),
        ("journal, 4 threads", crowd, "sqlite, batches of 100", ">= 2"),
        ("journal, batches of 100", "records/s, batches of 100", "raw, batches of 100", ""),
        ("journal, one by one", "records/s, one by one", "raw, one by one", ""),
        ("journal, one by one", "records/s, one by one", "sqlite, one by one", ""),
        ("journal, one by one", "records/s, one by one", "persist-queue, one by one", ""),
        ("journal, one by one", "records/s, one by one", f"stock TinyDB, {_TINY} documents", ""),
    ):
        other = rate.get(baseline)
        ratio = f"{rate[ours] / other:.2f}" if other else ""
        yield figure, rate[ours], baseline, other or "missing", ratio, target


def _pace_rows(found: Mapping[str, Any]) -> Iterator[tuple[object, ...]]:
    ours, bare = found["latency_us"]["journal"], found["latency_us"]["raw"]
    for name, target in (("p50", "<= 1.3"), ("p99", "")):
        ratio = f"{ours[name] / bare[name]:.2f}"
        yield f"one record durable, us, {name}", ours[name], "raw write, fdatasync", bare[name], ratio, target
    second = found["one_a_second"]
    for figure, key in (("written per byte", "written_per_byte"), ("MB a day", "mb_per_day")):
        alone = second["raw_" + key]
        ratio = f"{second[key] / alone:.2f}" if alone else ""
        yield f"{figure}, one record a second", second[key], "raw, unacknowledged", alone, ratio, "stated"


def _backlog_rows(found: Mapping[str, Any]) -> Iterator[tuple[object, ...]]:
    held, raw = found["backlog"], found["written_per_byte"]["raw, batches of 100"]
    ratio = f"{held['written_per_byte'] / raw:.2f}" if raw else ""
    yield "written per byte, full load", held["written_per_byte"], "raw, batches of 100", raw, ratio, "ours <= 1.2"
    few = f"with {FEW} pending"
    pending, cost = held["pending"], held["append_us_few"]
    yield f"append with {pending} pending, us", held["append_us_many"], few, cost, held["append_ratio"], "<= 1.2"
    yield f"memory for {pending} pending, MB", held["rss_growth_mb"], "empty", "", "", "ours < 20"
    yield "start to first append, s", held["start_to_append_s"], "", "", "", "ours < 2"
    yield "drained and acknowledged, records/s", held["drain_per_s"], "", "", "", "ours >= 100000"
