"""`edge sync`: the way upstream, seen and steered."""

from __future__ import annotations

from typing import Any

from edge.cli.arguments import Arguments
from edge.cli.exits import FINE
from edge.cli.gateway import Gateway
from edge.cli.journal import reader_of
from edge.cli.output import columns, note, paint, paint_state, say, say_json
from edge.errors import RuntimeUnreachable


def status(words: list[str]) -> int:
    """Every upstream: state, pending, delivered."""
    return _sync("status", "Every upstream: is its link up, what is pending, what was delivered.", words)


def now(words: list[str]) -> int:
    """Deliver without waiting for a batch to fill or a retry to be due."""
    return _sync("now", "Try to deliver now instead of waiting for a full batch or the next attempt.", words)


def pause(words: list[str]) -> int:
    """Keep outcomes here; nothing is lost while the journal has room."""
    return _sync("pause", "Keep outcomes here until `edge sync resume`; the journal takes them in meanwhile.", words)


def resume(words: list[str]) -> int:
    """Deliver again, oldest first."""
    return _sync("resume", "Deliver again, oldest first.", words)


def _sync(action: str, summary: str, words: list[str]) -> int:
    arguments = Arguments(f"sync {action}", summary, examples=(f"sync {action}", f"sync {action} default --json"))
    arguments.add_argument("upstream", metavar="UPSTREAM", nargs="?", help="one upstream (default: all)")
    options = (
        arguments.with_config()
        .with_json("a list of {name, state, pending, delivered, paused, last_error}")
        .parse_args(words)
    )
    gateway = Gateway(options.config)
    try:
        found: list[dict[str, Any]] = gateway.ask("sync", action=action, upstream=options.upstream)
    except RuntimeUnreachable as error:
        if action != "status":
            raise
        note(f"{error}; this is what its journal says")
        found = _kept(gateway, options.upstream)
    if options.json:
        say_json(found)
    elif not found:
        say(f"no upstream in {gateway.file}: outcomes stay here")
    else:
        rows = [
            (
                one["name"],
                paint("paused", "yellow") if one["paused"] else paint_state(one["state"]),
                one["pending"],
                one["delivered"],
                one["last_error"] or "",
            )
            for one in found
        ]
        say(columns(rows, ("upstream", "state", "pending", "delivered", "last error")))
    return FINE


def _kept(gateway: Gateway, upstream: str | None) -> list[dict[str, Any]]:
    """As the runtime tells it, without what only a runtime knows."""
    books = reader_of(gateway).stats()["upstreams"]
    return [
        {
            "name": name,
            "state": "not running",
            "pending": one["pending"],
            "delivered": one["delivered"],
            "paused": False,
            "last_error": None,
        }
        for name, one in books.items()
        if upstream in (None, name)
    ]
