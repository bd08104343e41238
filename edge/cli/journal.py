"""`edge journal`: what was accepted, what became of it, and whether it is all there. Reads files; stops nobody."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import asdict
from itertools import starmap
from typing import Any

import orjson

from edge.cli.arguments import Arguments
from edge.cli.exits import DEGRADED, FINE, Stop
from edge.cli.gateway import Gateway
from edge.cli.output import Colour, columns, count, note, paint, plain, say, say_json
from edge.config.units import show_duration
from edge.errors import RuntimeUnreachable
from edge.journal import Damage, JournalReader, Keyring, read_journal
from edge.model import RecordKind, Status, Stored

_COLOURS: dict[str, Colour] = {"success": "green", "partial": "yellow", "cancelled": "yellow"}
_HOUR, _DAY = 3600.0, 86_400.0
_BLOCK = 100  # rows that share column widths: a long journal is printed as it is read


def stats(words: list[str]) -> int:
    """Exit 3 when the numbers do not add up or the journal is degraded."""
    options = (
        Arguments(
            "journal stats",
            "Accepted, delivered, pending, dropped, for every upstream, and whether it adds up.",
            examples=("journal stats", "journal stats --json"),
        )
        .with_config()
        .with_json('{"accepted", "upstreams": {name: {"delivered", "pending", ...}}, "bytes_written_per_day", ...}')
        .parse_args(words)
    )
    gateway = Gateway(options.config)
    try:
        found: dict[str, Any] = gateway.ask("journal_stats")
    except RuntimeUnreachable:
        found = reader_of(gateway).stats()
    found["bytes_written_per_day"] = _per_day(found)
    broken = [name for name, books in found["upstreams"].items() if missing(found["accepted"], books)]
    if options.json:
        say_json(found)
    else:
        say(_books(found))
        if gateway.config.journal.encrypt is not None or set(found.get("segments", ())) - {"plain"}:
            say(f"segments: {', '.join(starmap(_segments, found['segments'].items())) or 'none'}")
        for name in broken:
            say(paint(f"{name} does not add up: {missing(found['accepted'], found['upstreams'][name]):+d}", "red"))
        for reason in found["degraded"]:
            say(paint(f"degraded: {reason}", "yellow"))
    return DEGRADED if broken or found["degraded"] else FINE


def missing(accepted: int, books: dict[str, Any]) -> int:
    """How many accepted records one upstream cannot account for; 0 is the law."""
    known: int = books["delivered"] + books["pending"] + books["expired"] + books["dead"] + books.get("local", 0)
    dropped: int = sum(books["dropped"].values())
    return accepted - known - dropped


def _per_day(found: dict[str, Any]) -> int | None:
    """Flash wear: bytes written for each day the journal was open; None while that is too short to say."""
    return round(found["bytes_written"] * _DAY / found["age"]) if found.get("age", 0.0) >= _HOUR else None


def list_(words: list[str]) -> int:
    """Prints while it reads: a long journal costs no memory."""
    arguments = Arguments(
        "journal list",
        "Outcomes in the journal, oldest first, delivered or not.",
        examples=("journal list --last 20", "journal list --task overheat --json | jq .data.result"),
    )
    arguments.add_argument("--last", type=int, metavar="N", help="only the newest N")
    arguments.add_argument("--task", metavar="NAME", help="only outcomes of this task")
    arguments.add_argument("--status", choices=[status.value for status in Status], help="only outcomes that ended so")
    options = arguments.with_config().with_json("one envelope a line").parse_args(words)
    if options.last is not None and options.last < 1:
        arguments.error("--last takes a number from 1 on")
    chosen = _chosen(reader_of(Gateway(options.config)), options.task, options.status)
    if options.last is not None:
        chosen = iter(deque(chosen, maxlen=options.last))
    rows: list[tuple[str, ...]] = []
    for stored in chosen:
        if options.json:
            say(stored.record.body.decode())
            continue
        rows.append(_row(orjson.loads(stored.record.body)))
        if len(rows) == _BLOCK:
            say(columns(rows))
            rows.clear()
    if rows:
        say(columns(rows))
    return FINE


def show(words: list[str]) -> int:
    """The id may be shortened to its end."""
    arguments = Arguments(
        "journal show", "One outcome in full.", examples=("journal show workshop-pi:01KA5T3M8Q --json",)
    )
    arguments.add_argument("id", metavar="ID", help="id of an outcome as `journal list` prints it, or the end of it")
    options = arguments.with_config().with_json("the outcome's envelope, as it is sent").parse_args(words)
    gateway = Gateway(options.config)
    found = [stored for stored in reader_of(gateway).records(None) if stored.record.id.endswith(options.id)]
    ids = sorted({stored.record.id for stored in found})
    if not ids:
        raise Stop(f"no record {options.id!r} in {gateway.config.journal.path}; `edge journal list` shows what is kept")
    if len(ids) > 1:
        raise Stop(f"{options.id!r} is the end of {count(len(ids), 'id')}; give more of it: {', '.join(ids[:3])}")
    outcome = next((stored for stored in found if stored.record.kind is RecordKind.OUTCOME), None)
    if outcome is None:
        task = orjson.loads(found[0].record.body).get("task")
        raise Stop(
            f"{ids[0]} was accepted for {task} and has no outcome yet; it runs, or will run again after a restart"
        )
    envelope = orjson.loads(outcome.record.body)
    if options.json:
        say_json(envelope)
    else:
        say(_page(envelope, found))
    return FINE


def verify(words: list[str]) -> int:
    """Exit 3 when a frame that was confirmed is damaged, or could not be opened because its key is not given."""
    options = (
        Arguments("journal verify", "Read every frame and check every checksum.", examples=("journal verify",))
        .with_config()
        .with_json("a list of {name, offset, end, what, torn}")
        .parse_args(words)
    )
    gateway = Gateway(options.config)
    reader = reader_of(gateway)
    damages = reader.verify()
    lost = [damage for damage in damages if not damage.torn]
    if options.json:
        say_json([asdict(damage) for damage in damages])
    else:
        for damage in damages:
            say(sentence(damage))
        kept = "checksums only, nothing was opened" if reader.needs else count(_number(reader), "record")
        say(f"{paint('damaged', 'red') if lost else paint('ok', 'green')}  {gateway.config.journal.path}: {kept}")
        for key in reader.needs:
            say(paint(f"key {key} is not given: what is encrypted with it was not opened", "yellow"))
    return DEGRADED if lost or reader.needs else FINE


def _number(reader: JournalReader) -> int:
    return sum(1 for _ in reader.records(None))


def reader_of(gateway: Gateway) -> JournalReader:
    """A look at the gateway's journal. Raises JournalError where there is none, Stop for one that may not be read."""
    path = gateway.config.journal.path
    try:
        reader = read_journal(path, keys=Keyring(*gateway.config.journal.keys))
    except PermissionError as error:
        raise Stop(f"{path}: this user may not read the journal; use sudo, or join the group of that folder") from error
    if reader.needs:  # perhaps it is configured, and only this user cannot read it
        for problem in gateway.examined.problems:
            if problem.path.startswith("journal.encrypt"):
                note(str(problem))
    return reader


def _chosen(reader: JournalReader, task: str | None, status: str | None) -> Iterator[Stored]:
    for stored in reader.records():
        if task is None and status is None:
            yield stored
            continue
        data = orjson.loads(stored.record.body)["data"]
        if task in (None, data["task"]) and status in (None, data["status"]):
            yield stored


def _row(envelope: dict[str, Any]) -> tuple[str, ...]:
    data = envelope["data"]
    what = _first_line(data["error"]) if data["error"] else orjson.dumps(data["result"]).decode()
    return envelope["time"], envelope["id"], data["task"], _painted(data["status"]), _shortened(what)


def _first_line(error: dict[str, Any]) -> str:
    """The type too: all that a KeyError says is the key, and some say nothing."""
    said = next((line.strip() for line in error["message"].splitlines() if line.strip()), "")
    return f"{error['type']}: {said}" if said else str(error["type"])


def _painted(status: str) -> str:
    return paint(status, _COLOURS.get(status, "red"))


def _shortened(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."


def _page(envelope: dict[str, Any], found: list[Stored]) -> str:
    data = envelope["data"]
    event = data["event"]
    values = ", ".join(f"{name} {plain(value)}" for name, value in event["values"].items())
    rows = [
        ("id", envelope["id"]),
        ("task", data["task"]),
        ("status", _painted(data["status"])),
        ("time", f"{envelope['time']} (clock {data['clock']})"),
        ("event", f"{event['source']} at {event['time']}: {values}"),
        ("result", orjson.dumps(data["result"]).decode()),
    ]
    if data["error"]:
        rows.append(("error", f"{data['error']['type']}: {data['error']['message']} ({data['error']['where']})"))
    rows += [("note", " ".join(map(str, note.values()))) for note in data.get("notes", ())]
    rows.append(("took", f"{show_duration(data['duration_ms'] / 1e3)}, limit {data['limits'].get('time', 'none')}"))
    published = [stored.record for stored in found if stored.record.kind is RecordKind.PUBLISH]
    rows += [
        ("published", f"{record.topic}: {_shortened(record.body.decode(errors='replace'))}") for record in published
    ]
    return columns(rows)


def _segments(key: str, number: int) -> str:
    """Plain ones stay so until they are deleted, whatever is configured now."""
    return f"{number} plain" if key == "plain" else f"{number} encrypted with key {key}"


def _books(found: dict[str, Any]) -> str:
    rows = [
        (name, books["pending"], books["delivered"], sum(books["dropped"].values()), books["expired"], books["dead"])
        for name, books in found["upstreams"].items()
    ]
    table = columns(rows, ("upstream", "pending", "delivered", "dropped", "expired", "dead"))
    first = f"{count(found['accepted'], 'outcome')} accepted, {found['bytes']} bytes on disk"
    if found["bytes_written_per_day"] is not None:
        first += f"; {found['bytes_written']} written so far, {found['bytes_written_per_day']} a day"
    return f"{first}\n\n{table}" if rows else f"{first}, no upstream"


def sentence(damage: Damage) -> str:
    """What is damaged, and where."""
    kind = "torn end of a write that was never confirmed" if damage.torn else damage.what
    return f"{damage.name} bytes {damage.offset} to {damage.end}: {kind}"
