"""Micro-apps that arrive while the gateway runs: signed, judged, on trial, promoted, gone; and crashes meanwhile."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pydantic_monty")
pytest.importorskip("cryptography")

import base64

from edge.apps import pack
from edge.model import Status

PRIVATE, PUBLIC = b"\x07" * 32, "6kqCxCdFtZOGz1bV31qf7ZmKfGdlB5cXLK6FVyTlEfw="

CONFIG = """
edge: {id: bench, backend: sim}
devices:
  workshop: {driver: tmp102, bus: i2c-1, address: 0x48, every: 5s}
  fan:      {driver: relay, pin: 27, safe: "off"}
mqtt: {broker: "mqtt://localhost"}
upstream: {kind: mqtt, broker: "mqtt://upstream"}
on_the_fly:
  sources: [workshop]
  schedules: true
  grant: {devices: [fan], publish: ["plant/#"]}
  limits: {time: 500ms, calls: 10}
  ttl: 1h
  trial: {runs: 4, time: 1h}
  keys: {factory: %s}
  remote: true
journal: {path: ./journal}
"""

SOURCE = """\
from edge import Context, Event, task


@task
def watch(event: Event, ctx: Context) -> dict:
    return {"celsius": event.values["temperature"]}
"""

BROKEN = SOURCE.replace('event.values["temperature"]', 'event.values["nothing"]')


def public() -> str:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return base64.b64encode(Ed25519PrivateKey.from_private_bytes(PRIVATE).public_key().public_bytes_raw()).decode()


def manifest(source: str = SOURCE, **fields: Any) -> bytes:
    said = {
        "format": 1,
        "name": "watch",
        "version": 1,
        "edge": "bench",
        "sha256": hashlib.sha256(source.encode()).hexdigest(),
        "when": {"source": "workshop"},
        **fields,
    }
    return json.dumps(said).encode()


def signed(source: str = SOURCE, **fields: Any) -> bytes:
    return pack(manifest(source, **fields), source.encode(), "factory", PRIVATE)


@pytest.fixture
def edge(edge_factory, tmp_path: Path):
    (tmp_path / "edge.yaml").write_text(CONFIG % public())
    edge = edge_factory(tmp_path / "edge.yaml")
    edge.world["workshop.temperature"] = 21.5
    return edge


def send(edge, payload: bytes, name: str = "watch", **fields: Any) -> None:
    edge.message(f"edge/bench/apps/{name}/set", payload, **fields)


def standing(edge, name: str = "watch") -> dict[str, Any]:
    """What the retained state topic says."""
    return json.loads(edge.broker.retained[f"edge/bench/apps/{name}"].payload)


def test_an_app_that_comes_signed_over_mqtt_runs_and_its_outcomes_say_so(edge):
    send(edge, signed())
    edge.advance("5s")

    outcome = edge.upstream.received[-1]
    assert (outcome.task, outcome.status) == ("watch", Status.SUCCESS)
    assert outcome.result == {"celsius": 21.5}
    assert outcome.data["app"] == {"name": "watch", "version": 1}
    assert standing(edge) == {"version": 1, "state": "active", "reason": ""}
