"""`edge journal export`: outcomes out of the journal, for other programs. Reads files; stops nobody."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TextIO

import orjson

from edge.cli.arguments import Arguments
from edge.cli.exits import FINE, Stop
from edge.cli.gateway import Gateway
from edge.cli.journal import reader_of
from edge.cli.output import count, note
from edge.journal import JournalReader
from edge.model import Stored

_COLUMNS = ("time", "id", "task", "status", "source", "event_time", "values", "result", "error", "duration_ms")


def export(words: list[str]) -> int:
    """Streams: a long journal costs no memory."""
    arguments = Arguments(
        "journal export",
        "Outcomes as JSON lines (the envelopes as they are sent), CSV, or the JSON file of a stock TinyDB.",
        examples=(
            "journal export > outcomes.jsonl",
            "journal export --pending default --format csv --output left.csv",
            "journal export --dead default",
        ),
    )
    arguments.add_argument("--format", choices=sorted(_FORMATS), default="jsonl", help="default: jsonl")
    which = arguments.add_mutually_exclusive_group()
    which.add_argument("--pending", metavar="UPSTREAM", help="only what this upstream has not done with")
    which.add_argument("--dead", metavar="UPSTREAM", help="only the dead letters: what this upstream refused for good")
    arguments.add_argument("--output", metavar="FILE", help="a new file (default: stdout)")
    options = arguments.with_config().parse_args(words)
    reader = reader_of(Gateway(options.config))
    chosen = _chosen(reader, options.pending, options.dead)
    written = _FORMATS[options.format]
    if options.output is None:
        written(chosen, reader, sys.stdout)
        return FINE
    try:
        with Path(options.output).open("x", encoding="utf-8", newline="") as file:
            number = written(chosen, reader, file)
    except FileExistsError:
        raise Stop(f"{options.output} exists; name a new file") from None
    note(f"{count(number, 'outcome')} written to {options.output}")
    return FINE


def _chosen(reader: JournalReader, pending: str | None, dead: str | None) -> Iterable[Stored]:
    if pending is not None:
        return reader.pending(known(pending, reader.stats()))
    if dead is not None:
        return (stored for stored, _ in reader.dead_letters(known(dead, reader.stats())))
    return reader.records()


def known(upstream: str, stats: dict[str, Any]) -> str:
    """The name, when the journal has ever kept outcomes for it. Raises Stop."""
    if upstream not in stats["upstreams"]:
        raise Stop(f"the journal knows no upstream {upstream!r}; it knows {', '.join(stats['upstreams']) or 'none'}")
    return upstream


def _lines(chosen: Iterable[Stored], _: JournalReader, out: TextIO) -> int:
    number = 0
    for stored in chosen:
        out.write(stored.record.body.decode() + "\n")
        number += 1
    return number


def _csv(chosen: Iterable[Stored], _: JournalReader, out: TextIO) -> int:
    table = csv.writer(out, lineterminator="\n")
    table.writerow(_COLUMNS)
    number = 0
    for stored in chosen:
        table.writerow(_cells(orjson.loads(stored.record.body)))
        number += 1
    return number


def _cells(envelope: dict[str, Any]) -> tuple[object, ...]:
    data = envelope["data"]
    event, error = data["event"], data["error"]
    return (
        envelope["time"],
        envelope["id"],
        data["task"],
        data["status"],
        event["source"],
        event["time"],
        orjson.dumps(event["values"]).decode(),
        orjson.dumps(data["result"]).decode(),
        f"{error['type']}: {error['message']}" if error else "",
        data["duration_ms"],
    )


def _tinydb(chosen: Iterable[Stored], reader: JournalReader, out: TextIO) -> int:
    """As stock TinyDB's JSON storage writes it: outcomes with their sequence numbers as ids, and the state tables."""
    out.write('{"outcomes": {')
    number = 0
    for number, stored in enumerate(chosen, 1):
        comma = ", " if number > 1 else ""
        out.write(f'{comma}"{stored.sequence}": {stored.record.body.decode()}')
    out.write("}")
    for name, documents in reader.tables().items():
        out.write(f", {json.dumps(name)}: {json.dumps(documents)}")  # whatever numbers and text a table can hold
    out.write("}\n")
    return number


_FORMATS: dict[str, Callable[[Iterable[Stored], JournalReader, TextIO], int]] = {
    "csv": _csv,
    "jsonl": _lines,
    "tinydb": _tinydb,
}
