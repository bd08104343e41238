"""`edge bench journal`: what durability costs, beside the bare disk and other stores in the same run.

Everything writes the same record, an outcome's envelope of about 500 bytes, to the same disk.
"""

from __future__ import annotations

import importlib
import os
import statistics
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import orjson

from edge.bench.stores import BATCH, Write, has_persist_queue, persist_queue, raw, sqlite
from edge.cli.arguments import Arguments
from edge.cli.exits import FINE, Stop
from edge.cli.output import columns, note, say, say_json
from edge.clock import SystemClock
from edge.envelope import seal
from edge.journal import Journal, Limits, open_journal
from edge.model import Record, RecordClass, RecordKind, Verdict

_CLOCK = SystemClock()
_UPSTREAM = "cloud"
_PRODUCERS, _OUTSTANDING = 4, 200
_TINY = 200  # documents for stock TinyDB, whose cost grows with each
_FEW = 1_000  # pending records that cost is compared with
_PROBES = 20  # batches that the cost of an append is the median of
_LIMITS = Limits(max_size=1 << 40)


def journal(words: list[str]) -> int:
    """Leaves nothing behind."""
    arguments = Arguments(
        "bench journal",
        "Measure the journal beside append and fdatasync, SQLite (WAL, synchronous=FULL) and stock TinyDB.",
        examples=("bench journal", "bench journal --pending 1000000 --folder /var/lib/edge --json"),
    )
    arguments.add_argument("--records", type=int, default=20_000, help="of each, a tenth one by one (default: 20000)")
    arguments.add_argument("--pending", type=int, default=200_000, help="backlog to fill and drain (default: 200000)")
    arguments.add_argument("--rounds", type=int, default=3, help="of each store, in turns (default: 3)")
    arguments.add_argument("--folder", default=".", help="on the disk that is meant (default: the current one)")
    options = arguments.with_json('{"backlog": {...}, "per_s": {store: rate}, "ratio": {...}}').parse_args(words)
    if options.records < 10 * BATCH or options.pending < 10 * _FEW or options.rounds < 1:
        arguments.error(f"--records is {10 * BATCH} or more, --pending {10 * _FEW} or more, --rounds 1 or more")
    if not os.access(options.folder, os.W_OK | os.X_OK):
        raise Stop(f"{options.folder} is no folder that this user may write to; name another with --folder")
    with tempfile.TemporaryDirectory(prefix="edge-bench-", dir=options.folder) as folder:
        note(f"a backlog of {options.pending}")
        found: dict[str, Any] = {"backlog": backlog(Path(folder), options.pending)}  # first: memory is fresh
        found |= rates(Path(folder), options.records, options.rounds)
    if options.json:
        say_json(found)
    else:
        _show(found)
    return FINE


# -- rates --------------------------------------------------------------------------------------------------------


def rates(folder: Path, records: int, rounds: int) -> dict[str, Any]:
    """Medians of records a second, stores in turns, so that what else the disk does falls on all."""
    found: dict[str, list[float]] = {}
    bytes_per_byte: list[float] = []
    for number in range(rounds):
        note(f"round {number + 1} of {rounds}")
        for name, rate in _round(Path(tempfile.mkdtemp(dir=folder)), records, bytes_per_byte):
            found.setdefault(name, []).append(rate)
    medians = {name: round(statistics.median(each)) for name, each in found.items()}
    ratio = {
        "one_by_one_to_raw": medians["journal, one by one"] / medians["raw, one by one"],
        "four_threads_to_raw_batches": medians["journal, 4 threads"] / medians["raw, batches of 100"],
        "four_threads_to_sqlite_batches": medians["journal, 4 threads"] / medians["sqlite, batches of 100"],
    }
    return {
        "per_s": medians,
        "ratio": {name: round(value, 2) for name, value in ratio.items()},
        "written_per_byte_one_by_one": round(statistics.median(bytes_per_byte), 2),
    }


def _round(folder: Path, records: int, bytes_per_byte: list[float]) -> list[tuple[str, float]]:
    few = records // 10
    stores: list[tuple[str, AbstractContextManager[Write]]] = [("raw", raw(folder)), ("sqlite", sqlite(folder))]
    if has_persist_queue():
        stores.append(("persist-queue", persist_queue(folder / "queue")))
    found = []
    for name, store in stores:
        with store as write:
            found.append((f"{name}, one by one", _timed(write, _bodies(few), 1)))
            found.append((f"{name}, batches of 100", _timed(write, _bodies(records), BATCH)))
    with _opened(folder / "one") as opened:

        def write(bodies: Sequence[bytes]) -> None:
            opened.append(_records(bodies))
            opened.commit()

        bodies, before = _bodies(few), _written()
        found.append(("journal, one by one", _timed(write, bodies, 1)))
        bytes_per_byte.append((_written() - before) / sum(map(len, bodies)))
        found.append(("journal, batches of 100", _timed(write, _bodies(records), BATCH)))
    found.append(("journal, 4 threads", _crowd(folder / "many", records)))
    found.append((f"stock TinyDB, {_TINY} documents", _tinydb(folder, _bodies(_TINY))))
    return found


def _timed(write: Write, bodies: list[bytes], batch: int) -> float:
    began = _CLOCK.monotonic()
    for at in range(0, len(bodies), batch):
        write(bodies[at : at + batch])
    return len(bodies) / (_CLOCK.monotonic() - began)


def _crowd(folder: Path, records: int) -> float:
    """Four producers with 200 records outstanding at most, and one writer, as the runtime has it."""
    moved, ended = threading.Condition(), threading.Event()

    def confirm(_: int) -> None:
        with moved:
            moved.notify_all()

    made = [_records(_bodies(records // _PRODUCERS)) for _ in range(_PRODUCERS)]
    with open_journal(str(folder), clock=_CLOCK, upstreams=[_UPSTREAM], limits=_LIMITS, on_durable=confirm) as opened:

        def produce(mine: list[Record]) -> None:
            for record in mine:
                last = opened.append([record]).sequence
                if last - opened.durable >= _OUTSTANDING:
                    with moved:
                        while last - opened.durable >= _OUTSTANDING:
                            moved.wait()

        def keep_writing() -> None:
            while not ended.is_set():
                if opened.wait(0.05):
                    opened.commit()

        writer = threading.Thread(target=keep_writing)
        producers = [threading.Thread(target=produce, args=(mine,)) for mine in made]
        began = _CLOCK.monotonic()
        for thread in (writer, *producers):
            thread.start()
        for thread in producers:
            thread.join()
        opened.commit()
        seconds = _CLOCK.monotonic() - began
        ended.set()
        writer.join()
    return sum(map(len, made)) / seconds


def _tinydb(folder: Path, bodies: list[bytes]) -> float:
    """As its documentation shows it: no sync at all, the whole file written anew for each document."""
    documents = [orjson.loads(body) for body in bodies]
    # by name, because a baseline is no part of the runtime, whose one file for TinyDB is the journal's
    with importlib.import_module("tinydb").TinyDB(folder / "tinydb.json") as database:
        began = _CLOCK.monotonic()
        for document in documents:
            database.insert(document)
        return len(documents) / (_CLOCK.monotonic() - began)


# -- a backlog ----------------------------------------------------------------------------------------------------


def backlog(folder: Path, pending: int) -> dict[str, Any]:
    """Fill, look at cost, memory and start, drain: in seconds, microseconds, megabytes and bytes for each byte."""
    path, body = folder / "backlog", len(_bodies(1)[0])
    before = _written()
    with _opened(path) as opened:
        memory = _rss()
        _fill(opened, _FEW)
        few = _append_cost(opened)
        _fill(opened, pending - opened.backlog(_UPSTREAM) - _PROBES * BATCH)
        grown = _rss() - memory
        many = _append_cost(opened)
        began = _CLOCK.monotonic()
    closed = _CLOCK.monotonic()
    with _opened(path) as opened:
        opened.append(_records(_bodies(1)))
        opened.commit()
        started = _CLOCK.monotonic()
        total = opened.backlog(_UPSTREAM)
        drained = _drain(opened)
    return {
        "pending": total,
        "append_us_few": round(few * 1e6, 2),
        "append_us_many": round(many * 1e6, 2),
        "append_ratio": round(many / few, 2),
        "rss_growth_mb": round(grown / 2**20, 1),
        "stop_s": round(closed - began, 3),
        "start_to_append_s": round(started - closed, 3),
        "drain_per_s": round(total / drained),
        "written_per_byte": round((_written() - before) / (total * body), 2),
    }


def _fill(opened: Journal, number: int) -> None:
    frame = _records(_bodies(BATCH))
    for at in range(0, number, BATCH):
        for record in frame[: number - at]:
            opened.append([record])
        opened.commit()


def _append_cost(opened: Journal) -> float:
    """Seconds for one `append`, the median over some batches; what the disk takes is not in it."""
    frame, found = _records(_bodies(BATCH)), []
    for _ in range(_PROBES):
        began = _CLOCK.monotonic()
        for record in frame:
            opened.append([record])
        found.append((_CLOCK.monotonic() - began) / BATCH)
        opened.commit()
    return statistics.median(found)


def _drain(opened: Journal) -> float:
    began, after = _CLOCK.monotonic(), None
    while found := opened.pending(_UPSTREAM, limit=1000, after=after):
        after = found[-1].sequence
        opened.settle(_UPSTREAM, [stored.sequence for stored in found], Verdict.DELIVERED)
    opened.commit()
    return _CLOCK.monotonic() - began


# -- what is written, and where it shows --------------------------------------------------------------------------


def _opened(path: Path) -> Journal:
    return open_journal(str(path), clock=_CLOCK, upstreams=[_UPSTREAM], limits=_LIMITS)


def _bodies(number: int) -> list[bytes]:
    event = {"id": "01KA5T3M8Q2W4E6R8T0Y1U3I5P", "source": "room", "time": "2026-11-21T09:00:00.000Z"}
    data = {
        "task": "overheat",
        "status": "success",
        "event": {**event, "values": {"temperature": 31.5}},
        "result": {"celsius": 31.5, "fan": True},
        "error": None,
        "attempts": 1,
        "duration_ms": 0.41,
        "limits": {"time": "2s"},
        "clock": "synced",
    }
    time = "2026-11-21T09:00:00.120Z"
    return [
        seal(id=f"bench:{count:026d}", edge_id="bench", task="overheat", time=time, data=data)
        for count in range(number)
    ]


def _records(bodies: Sequence[bytes]) -> list[Record]:
    return [
        Record(RecordKind.OUTCOME, RecordClass.TELEMETRY, f"bench:{number:026d}", body)
        for number, body in enumerate(bodies)
    ]


def _written() -> int:
    """Bytes this process has caused to be written to a disk: proc(5); 0 on a tmpfs."""
    fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(fields["write_bytes"])


def _rss() -> int:
    """Bytes of memory in use: proc(5)."""
    fields = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) * 1024


def _show(found: Mapping[str, Any]) -> None:
    held, ratio = found["backlog"], found["ratio"]
    say(columns(found["per_s"].items(), ("durable", "records/s")))
    say(
        f"\none by one {ratio['one_by_one_to_raw']} x raw; 4 threads {ratio['four_threads_to_raw_batches']} x raw"
        f" and {ratio['four_threads_to_sqlite_batches']} x SQLite in batches of {BATCH}"
    )
    rows = [
        (f"append with {_FEW} pending, us", held["append_us_few"]),
        (f"append with {held['pending']} pending, us", f"{held['append_us_many']} ({held['append_ratio']} x)"),
        ("memory for them, MB", held["rss_growth_mb"]),
        ("start to first append, s", held["start_to_append_s"]),
        ("drained and settled, records/s", held["drain_per_s"]),
        ("written per byte, at full load", held["written_per_byte"]),
        ("written per byte, one by one", found["written_per_byte_one_by_one"]),
    ]
    say("\n" + columns(rows))
