"""`edge status`: what works and what does not, part by part."""

from __future__ import annotations

from typing import Any

from edge.cli.arguments import Arguments
from edge.cli.exits import DEGRADED, FINE, Stop
from edge.cli.gateway import Gateway
from edge.cli.output import columns, count, paint, paint_state, say, say_json
from edge.errors import RuntimeUnreachable


def status(words: list[str]) -> int:
    """Exit 3 when a part is degraded, and when no runtime runs."""
    arguments = Arguments("status", "What works and what does not, part by part.", examples=("status", "status --json"))
    arguments.with_config().with_json("a list of {name, kind, state, since, last_error}")
    options = arguments.parse_args(words)
    try:
        answer: dict[str, Any] = Gateway(options.config).ask("status")
    except RuntimeUnreachable as error:
        raise Stop(str(error), DEGRADED) from error
    if options.json:
        say_json(answer["parts"])
    else:
        say(_page(answer))
    return DEGRADED if answer["degraded"] else FINE


def _page(answer: dict[str, Any]) -> str:
    degraded: list[str] = answer["degraded"]
    verdict = paint(f"degraded, {count(len(degraded), 'reason')}", "yellow") if degraded else paint("all fine", "green")
    rows = [
        (part["name"], part["kind"], paint_state(part["state"]), part["since"], part["last_error"] or "")
        for part in answer["parts"]
    ]
    table = columns(rows, ("part", "kind", "state", "since", "last error"))
    names = tuple(f"{part['name']}: " for part in answer["parts"])
    beyond = [paint(reason, "red") for reason in degraded if not reason.startswith(names)]
    return "\n".join([f"{answer['edge']}, process {answer['pid']}: {verdict}", "", table, *beyond])
