"""`edge journal repair`, `requeue` and `import`: the verbs that change a journal. Refused while a runtime has it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from edge.cli.arguments import Arguments
from edge.cli.exits import DEGRADED, FINE, Stop
from edge.cli.export import known
from edge.cli.gateway import Gateway
from edge.cli.journal import reader_of, sentence
from edge.cli.output import count, paint, say
from edge.clock import SystemClock
from edge.envelope import TYPE
from edge.journal import PUBLISHES, Journal, Keyring, Limits, open_journal
from edge.model import Record, RecordClass, RecordKind

_FRAME = 100  # records imported all or none


def repair(words: list[str]) -> int:
    """Exit 3 when something is damaged afterwards."""
    options = (
        Arguments(
            "journal repair",
            "Write damaged files anew with all that is intact, keep the rest in side files, and count what is lost.",
            examples=("journal repair",),
        )
        .with_config()
        .parse_args(words)
    )
    gateway = Gateway(options.config)
    found = reader_of(gateway).verify()
    with own_journal(gateway) as journal:
        lost = journal.mend(found)
        reasons = journal.stats()["degraded"]
    left = [damage for damage in reader_of(gateway).verify() if not damage.torn]
    for damage in found:
        say(sentence(damage))
    for reason in reasons:
        say(paint(reason, "yellow"))
    for damage in left:
        say(paint(f"still damaged: {sentence(damage)}", "red"))
    path = gateway.config.journal.path
    if not left:
        done = f"repaired, {count(lost, 'record')} lost in what could not be read" if found else "nothing to repair"
        say(f"{paint('ok', 'green')}  {path}: {done}")
    return DEGRADED if left else FINE


def requeue(words: list[str]) -> int:
    """Dead letters are pending again; or an upstream takes over what waits for a name that is gone."""
    arguments = Arguments(
        "journal requeue",
        "Deliver dead letters again; or with --to, give the backlog of an upstream that is gone to another.",
        examples=(
            "journal requeue default --since 2026-11-20",
            "journal requeue default --id 01KA5T3M8Q",
            "journal requeue old-cloud --to default",
        ),
    )
    arguments.add_argument("upstream", metavar="UPSTREAM", help=f"as `journal stats` names it, or {PUBLISHES}")
    arguments.add_argument("--id", metavar="ID", help="only the dead letter whose id ends so")
    arguments.add_argument("--since", metavar="TIME", help="only those accepted then or later: 2026-11-20T06:00Z")
    arguments.add_argument("--until", metavar="TIME", help="only those accepted before; without a zone it is UTC")
    arguments.add_argument("--to", metavar="NAME", help="the upstream of the configuration that takes over the backlog")
    options = arguments.with_config().parse_args(words)
    gateway = Gateway(options.config)
    if options.upstream != PUBLISHES:
        known(options.upstream, reader_of(gateway).stats())
    if options.to is not None:
        if options.id or options.since or options.until:
            arguments.error("--to moves a whole backlog; leave out --id, --since and --until")
        return _move(gateway, options.upstream, options.to)
    since, until = _moment(options.since, 0.0), _moment(options.until, float("inf"))
    with own_journal(gateway) as journal:
        wanted = [
            stored.sequence
            for stored, _ in journal.dead_letters(options.upstream)
            if since <= stored.accepted < until and (options.id is None or stored.record.id.endswith(options.id))
        ]
        number = journal.requeue(options.upstream, wanted)
    say(f"{count(number, 'dead letter')} of {options.upstream} pending again")
    return FINE


def _move(gateway: Gateway, old: str, new: str) -> int:
    configured = gateway.config.upstream
    if new not in configured:
        raise Stop(f"{gateway.file} has no upstream {new!r}; it has {', '.join(configured) or 'none'}")
    if old in configured:
        raise Stop(f"{old} is an upstream of {gateway.file} and delivers itself; --to is for one that is gone")
    before: int = reader_of(gateway).stats()["upstreams"][old]["pending"]
    with own_journal(gateway, formerly={new: old}) as journal:
        left = journal.backlog(old)
    say(f"{count(before - left, 'outcome')} that waited for {old} moved to {new}")
    if left:
        say(f"{count(left, 'outcome')} not moved: accepted for {new} too, when both were configured")
    return FINE


def import_(words: list[str]) -> int:
    """What the journal has already is passed over, so an import that was cut short can be done again."""
    arguments = Arguments(
        "journal import",
        "Take in outcomes that `journal export` wrote, as JSON lines or TinyDB JSON; each upstream gets them.",
        examples=("journal import outcomes.jsonl", "journal import old.json --format tinydb --class alarm"),
    )
    arguments.add_argument("file", metavar="FILE", help="`-` is stdin")
    arguments.add_argument("--format", choices=("jsonl", "tinydb"), default="jsonl", help="default: jsonl")
    arguments.add_argument(
        "--class", dest="klass", choices=("telemetry", "alarm"), default="telemetry", help="worth; default: telemetry"
    )
    options = arguments.with_config().parse_args(words)
    gateway = Gateway(options.config)
    klass = RecordClass(options.klass)
    taken = passed = 0
    with own_journal(gateway) as journal:
        there = {stored.record.id for stored in journal.records()}
        frame: list[Record] = []
        try:
            for record in _read(options.file, options.format, klass):
                if record.id in there:
                    passed += 1
                    continue
                there.add(record.id)
                frame.append(record)
                taken += 1
                if len(frame) == _FRAME:
                    journal.append(frame)
                    frame = []
        finally:
            if frame:
                journal.append(frame)
    say(f"{count(taken, 'outcome')} taken in, {passed} passed over that the journal had")
    return FINE


def _read(name: str, kind: str, klass: RecordClass) -> Iterator[Record]:
    """The outcomes of a file. Raises Stop, with the place, at the first that is none."""
    try:
        with Path("/dev/stdin" if name == "-" else name).open("rb") as file:
            if kind == "jsonl":
                for number, line in enumerate(file, 1):
                    if line.strip():
                        yield _record(line.strip(), f"{name}:{number}", klass)
                return
            found = _parsed(file.read(), name, json.loads)  # which reads every number that tables may hold
    except OSError as error:
        raise Stop(f"{name} cannot be read: {error.strerror}") from error
    outcomes = found.get("outcomes") if isinstance(found, dict) else None
    if not isinstance(outcomes, dict):
        raise Stop(f"{name} is no TinyDB file with a table `outcomes`")
    for number, envelope in outcomes.items():
        place = f"{name}: document {number}"
        try:
            body = orjson.dumps(envelope)
        except TypeError as error:
            raise Stop(f"{place}: not an outcome, it cannot be sent ({error})") from error
        yield _record(body, place, klass)


def _parsed(data: bytes, place: str, parse: Callable[[bytes], Any] = orjson.loads) -> Any:
    try:
        return parse(data)
    except ValueError as error:
        raise Stop(f"{place}: not JSON ({error})") from error


def _record(body: bytes, place: str, klass: RecordClass) -> Record:
    envelope = _parsed(body, place)
    if not isinstance(envelope, dict) or envelope.get("type") != TYPE:
        raise Stop(f"{place}: not an outcome, whose `type` is {TYPE}; what stands before it is taken in")
    if not isinstance(envelope.get("id"), str) or not isinstance(envelope.get("data"), dict):
        raise Stop(f"{place}: an outcome needs `id` and `data`; what stands before it is taken in")
    return Record(RecordKind.OUTCOME, klass, envelope["id"], body)


def own_journal(gateway: Gateway, formerly: dict[str, str] | None = None) -> Journal:
    """The journal, opened for writing as the runtime opens it. Raises JournalLocked with the owner's process id."""
    # What is written must not be encrypted with a stand-in, nor in the clear because a key could not be read.
    config = gateway.config if gateway.config.journal.encrypt is None else gateway.full
    folder = Path(config.journal.path)
    if folder.exists() and folder.stat().st_uid != os.geteuid():
        owner = folder.owner()
        raise Stop(f"{folder} belongs to {owner}, who could not read what you write; use sudo -u {owner}")
    renamed = {name: upstream.formerly for name, upstream in config.upstream.items() if upstream.formerly}
    return open_journal(
        config.journal.path,
        clock=SystemClock(),
        upstreams=tuple(config.upstream),
        limits=Limits.of(config.journal),
        formerly={**renamed, **(formerly or {})},
        keys=Keyring(*config.journal.keys),
    )


def _moment(text: str | None, default: float) -> float:
    """Seconds since 1970 of an ISO 8601 time; UTC where it names no zone."""
    if text is None:
        return default
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Stop(f"{text!r} is no time; write it like 2026-11-20 or 2026-11-20T06:00:00Z") from None
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
