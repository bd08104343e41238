"""`edge apps`: micro-apps that are installed while the gateway runs; through its runtime, else on its journal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson

from edge.apphost.desk import AppDesk
from edge.cli.arguments import Arguments
from edge.cli.exits import DEGRADED, FINE, MISTAKE
from edge.cli.gateway import Gateway
from edge.cli.output import columns, count, note, paint, paint_state, say, say_json
from edge.cli.programs import read_program
from edge.cli.rights import Tools, goal, may, spends
from edge.cli.sentences import when
from edge.config.tasks import TaskSettings
from edge.config.units import show_duration
from edge.errors import RuntimeUnreachable

_PATIENCE = 60.0  # seconds: an app is proved before the answer comes


def install(words: list[str]) -> int:
    """Exit 1 when it is refused, 3 when it is installed and does not run."""
    arguments = Arguments(
        "apps install",
        "Install a micro-app: its source with a manifest beside it, both in a folder, or what `apps pack` made.",
        examples=(
            "apps install watch.py",
            'apps install watch.py --when \'{"source": "workshop", "channel": "temperature"}\' --ttl 2h',
            "apps install watch.json",
        ),
    )
    arguments.add_argument("file", metavar="FILE", help="NAME.py (with NAME.yaml or .json), a manifest, or a folder")
    arguments.add_argument("--when", metavar="JSON", help="what starts it, as `when:` in edge.yaml")
    arguments.add_argument("--grant", metavar="JSON", help="what it asks to touch, as `grant:` in edge.yaml")
    arguments.add_argument("--ttl", metavar="TIME", help="how long it lives, such as 2h (default: on_the_fly.ttl)")
    arguments.add_argument("--runs", metavar="NUMBER", type=int, help="after so many runs it is gone")
    arguments.with_config().with_json("{accepted, name, version, state, reason, message, held}")
    options = arguments.parse_args(words)
    program = read_program(options.file, arguments, options)
    answer = _ask(Gateway(options.config), "install", **program)
    if options.json:
        say_json(answer)
    else:
        _say_verdict(answer)
    if not answer["accepted"]:
        return MISTAKE
    return DEGRADED if answer["held"] else FINE


def _say_verdict(answer: dict[str, Any]) -> None:
    if not answer["accepted"]:
        say(f"{paint('refused', 'red')}  {answer['reason']}: {answer['message']}")
        return
    what = f"{answer['name']} version {answer['version']}: {answer['state']}"
    say(f"{paint('installed', 'green')}  {what}")
    for text in (answer["message"], answer["held"] and f"it does not run: {answer['held']}"):
        if text:
            say(paint(text, "yellow"))


def list_(words: list[str]) -> int:
    """Exit 3 when one of them does not run."""
    arguments = Arguments("apps list", "Installed micro-apps.", examples=("apps list", "apps list --json"))
    arguments.with_config().with_json("a list of {name, version, state, held, provenance, owner, runs, failed, ...}")
    options = arguments.parse_args(words)
    found: list[dict[str, Any]] = _ask(Gateway(options.config), "list")
    if options.json:
        say_json(found)
    elif not found:
        say("no apps are installed")
    else:
        rows = [
            (one["name"], one["version"], _state(one), one["provenance"], _runs(one), _left(one), one["held"])
            for one in found
        ]
        say(columns(rows, ("app", "version", "state", "from", "runs", "left", "")))
    return DEGRADED if any(one["held"] for one in found) else FINE


def show(words: list[str]) -> int:
    """Least privilege made visible, and who did what to it."""
    options = _named("show", "One app: what starts it, all it may touch, how it does, and who did what to it.",
                     "{name, version, state, ..., manifest, settings, source, audit}").parse_args(words)  # fmt: skip
    return tell(Gateway(options.config), options.name, as_json=options.json)


def tell(gateway: Gateway, name: str, *, as_json: bool) -> int:
    """The page of one app."""
    one = _ask(gateway, "show", name=name)
    if as_json:
        say_json(one)
        return DEGRADED if one["held"] else FINE
    say(columns(_page(one, gateway.config.tools)))
    say()
    rows = [
        (entry["time"], entry["by"], entry["action"], entry["version"] or "", entry["message"] or entry["reason"] or "")
        for entry in one["audit"]
    ]
    say(columns(rows, ("time", "by", "what", "version", "")))
    return DEGRADED if one["held"] else FINE


def installed(gateway: Gateway) -> list[str]:
    """The names of all apps; without `on_the_fly:` there is nothing to look for."""
    return [] if gateway.config.on_the_fly is None else [one["name"] for one in _ask(gateway, "list")]


def _page(one: dict[str, Any], tools: Tools) -> list[tuple[str, str]]:
    rows = [("app", one["name"]), ("version", _versions(one)), ("state", _state(one)), ("from", one["provenance"])]
    if one["held"]:
        rows.append(("held", paint(one["held"], "yellow")))
    if one["description"]:
        rows.append(("what", one["description"]))
    if one["persistent"]:
        updates = ", ".join(one["keys"]) or "this device only"
        rows.append(("owner", f"{one['owner']}; new versions from {updates}"))
    if one["settings"] is not None:
        settings = TaskSettings.model_validate({**one["settings"], "engine": "sandbox"})
        rows += [
            ("runs", when(settings)),
            *(("may", line) for line in may(settings, tools)),
            ("may not", "anything else"),
            *(("given", f"{key} = {orjson.dumps(value).decode()}") for key, value in settings.config.items()),
            *(("limits", line) for line in spends(settings)),
            *([] if settings.check is None else [("good if", goal(settings.check))]),
        ]
    return [*rows, ("so far", _runs(one)), ("left", _left(one) or "no end")]


def remove(words: list[str]) -> int:
    """Its versions stay known, so that none of them can be installed again."""
    options = _named("remove", "Take an app away. What was promised to it ends as `cancelled`; no old version can come "
                     "back.", "the audit's entry").parse_args(words)  # fmt: skip
    entry = _ask(Gateway(options.config), "remove", name=options.name)
    if options.json:
        say_json(entry)
    else:
        say(f"{paint('removed', 'green')}  {entry['name']} version {entry['version']}")
    return FINE


def promote(words: list[str]) -> int:
    """It stays in the sandbox, whoever promotes it."""
    arguments = _named("promote", "Make an app stay: it has no more time or runs to live, and an owner.", "the app",
                       example="apps promote watch --owner anna")  # fmt: skip
    arguments.add_argument("--owner", metavar="WHO", required=True, help="who answers for it")
    arguments.add_argument(
        "--keys", metavar="NAMES", help="who may send new versions, of on_the_fly.keys (default: who could before)"
    )
    options = arguments.parse_args(words)
    keys = None if options.keys is None else [key for key in options.keys.split(",") if key]
    one = _ask(Gateway(options.config), "promote", name=options.name, owner=options.owner, keys=keys)
    return _changed(one, options.json, "promoted")


def rollback(words: list[str]) -> int:
    """Also what ends a trial."""
    options = _named("rollback", "Go back to the version before; ends a trial.", "the app").parse_args(words)
    one = _ask(Gateway(options.config), "rollback", name=options.name)
    return _changed(one, options.json, "rolled back")


def _changed(one: dict[str, Any], as_json: bool, what: str) -> int:
    if as_json:
        say_json(one)
    else:
        say(f"{paint(what, 'green')}  {one['name']} version {one['version']}: {one['state']}")
    return DEGRADED if one["held"] else FINE


# -- shared ----------------------------------------------------------------------------------------------------------


def _named(verb: str, summary: str, shape: str, example: str = "") -> Arguments:
    arguments = Arguments(f"apps {verb}", summary, examples=(example or f"apps {verb} watch",))
    arguments.add_argument("name", metavar="NAME", help="name of an app, as `edge apps list` shows it")
    return arguments.with_config().with_json(shape)


def _ask(gateway: Gateway, verb: str, **arguments: Any) -> Any:
    """The runtime's answer; without one, that of its journal. Raises Stop with what it refused."""
    try:
        return gateway.ask(f"apps_{verb}", timeout=_PATIENCE, **arguments)
    except RuntimeUnreachable:
        note(f"no runtime runs for {gateway.file}: working on its journal")
        with _alone(gateway) as desk:
            return getattr(desk, verb)(**arguments)


@contextmanager
def _alone(gateway: Gateway) -> Iterator[AppDesk]:
    """The apps without a runtime. Raises JournalLocked with the owner's process id."""
    from edge.apphost import open_apps
    from edge.cli.mending import own_journal
    from edge.clock import SystemClock
    from edge.runs.memory import Memories
    from edge.runs.sandbox.engine import Sandbox
    from edge.telemetry import Telemetry

    sandbox = Sandbox()
    with own_journal(gateway) as journal:
        clock = SystemClock()
        memories = Memories(journal, clock, gateway.config.journal.tables)
        apps = open_apps(gateway.config, journal, sandbox, clock=clock, telemetry=Telemetry(), forget=memories.forget)
        try:
            yield AppDesk(gateway.config.edge.id, lambda: apps)
            apps.close()
        finally:
            sandbox.close()


def _state(one: dict[str, Any]) -> str:
    return paint("held", "yellow") if one["held"] else paint_state(one["state"])


def _versions(one: dict[str, Any]) -> str:
    before = "" if one["previous"] is None else f", {one['previous']} is kept to go back to"
    return f"{one['version']}{before}"


def _runs(one: dict[str, Any]) -> str:
    text = f"{one['runs']}, {one['failed']} failed"
    return f"{text}, {one['goal_missed']} missed the goal" if one["goal_missed"] else text


def _left(one: dict[str, Any]) -> str:
    time = "" if one["left_seconds"] is None else _about(one["left_seconds"])
    runs = "" if one["left_runs"] is None else count(one["left_runs"], "run")
    return " or ".join(filter(None, (runs, time)))


def _about(seconds: float) -> str:
    unit = next((unit for unit in (86_400, 3600, 60) if seconds >= 2 * unit), 1)
    return show_duration(round(seconds / unit) * unit)
