"""A gateway's apps on a journal in memory, and parcels to send to it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from edge import crypto
from edge.apps import Apps, Known, Parcel, Proving
from edge.apps.manifest import digest
from edge.config.on_the_fly import OnTheFly
from edge.journal import Limits, open_journal
from edge.model import Status
from edge.telemetry import Telemetry
from edge.testing.clock import VirtualClock
from edge.testing.files import MemoryFiles

SOURCE = b'''"""Say what it is like."""
from edge import Context, Event, task

@task
def look(event: Event, ctx: Context) -> dict[str, float]:
    return {"celsius": event.values["temperature"]}
'''
PRIVATE = bytes(range(32))
OTHER_PRIVATE = bytes(range(1, 33))


def public(private: bytes) -> str:
    """The other half, as edge.yaml has it."""
    import base64

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return base64.b64encode(Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()).decode()


KEYS = {"ops": public(PRIVATE), "lab": public(OTHER_PRIVATE)}
CEILING: dict[str, Any] = {
    "apps": 3,
    "sources": ["workshop"],
    "schedules": True,
    "grant": {"devices": ["fan"], "publish": ["plant/#"], "tools": ["weather", "*"], "deny_tools": ["shell"]},
    "limits": {"time": "1s", "calls": 50, "per_minute": 60, "tools": {"weather": 5}},
    "memory": {"entries": 100},
    "ttl": "1d",
    "trial": {"runs": 10, "time": "1h"},
    "keys": KEYS,
    "remote": True,
}
KNOWN = Known(
    tasks=frozenset({"overheat"}),
    sources=frozenset({"workshop", "fan"}),
    tools={"weather": False, "kv": True, "shell": False},
)


def manifest(source: bytes = SOURCE, **fields: Any) -> bytes:
    """A manifest that is fine unless told otherwise; a field that is None is left out."""
    known = {
        "format": 1,
        "name": "look",
        "version": 1,
        "edge": "box",
        "sha256": digest(source),
        "when": {"source": "workshop", "channel": "temperature", "above": 30},
        **fields,
    }
    return json.dumps({key: value for key, value in known.items() if value is not None}).encode()


def parcel(source: bytes = SOURCE, **fields: Any) -> Parcel:
    """Unsigned, as the command line sends it."""
    return Parcel(manifest(source, **fields), source)


def signed(source: bytes = SOURCE, key: str = "ops", private: bytes = PRIVATE, **fields: Any) -> Parcel:
    """Signed by a key that the gateway knows."""
    data = manifest(source, **fields)
    return Parcel(data, source, key, crypto.sign(private, data))


class Gateway:
    """Apps that can crash and come again. `settings` and `proving` take effect at the next start."""

    def __init__(self) -> None:
        self.files = MemoryFiles()
        self.clock = VirtualClock()
        self.telemetry = Telemetry()
        self.ceiling: dict[str, Any] | None = CEILING
        self.known = KNOWN
        self.proving = Proving()
        self.changed: list[str] = []
        self.forgotten: list[str] = []
        self.table_size = 8_000_000
        self.start()

    def start(self) -> None:
        self.journal = open_journal(
            "/journal",
            clock=self.clock,
            files=self.files,
            upstreams=(),
            limits=Limits(table_size=self.table_size),
            formerly={},
            keys=None,
            on_durable=lambda sequence: None,
        )
        self.apps = Apps(
            edge_id="box",
            ceiling=None if self.ceiling is None else OnTheFly.model_validate(self.ceiling),
            known=self.known,
            proving=self.proving,
            tables=self.journal,
            clock=self.clock,
            telemetry=self.telemetry,
            changed=self.changed.append,
            forget=self.forgotten.append,
        )

    def stop(self) -> None:
        self.apps.close()
        self.journal.close()

    def restart(self) -> None:
        self.stop()
        self.start()

    def crash(self, seed: int = 0) -> None:
        self.files.crash(seed)
        self.start()

    def under(self, **changes: Any) -> None:
        """Start again with another ceiling."""
        assert self.ceiling is not None
        self.ceiling = {**self.ceiling, **changes}
        self.restart()

    def run(self, *endings: Status, name: str = "look", goal_missed: bool = False) -> int:
        """Runs that end so, a tick after each; how many were let."""
        let = 0
        for ending in endings:
            leave = self.apps.begin(name)
            if leave is not None:
                let += 1
                self.apps.finished(leave, ending, goal_missed)
            self.apps.tick()
        return let

    def versions(self) -> dict[str, int]:
        return {app.name: app.version for app in self.apps.list()}


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


Send = Callable[..., Parcel]
