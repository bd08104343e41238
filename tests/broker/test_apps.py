"""An app over a real Mosquitto: signed, sent, installed by a running gateway, acknowledged when it is durable."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest

pytest.importorskip("pydantic_monty")
pytest.importorskip("cryptography")

from edge import crypto
from edge.apps import pack
from tests.broker.mosquitto import Someone, until

pytestmark = [pytest.mark.broker, pytest.mark.timeout(300)]

CONFIG = """
    edge: {{id: pi, backend: sim}}
    devices:
      workshop: {{driver: tmp102, bus: i2c-1, address: 0x48, every: 200ms}}
    mqtt: {{broker: {url}}}
    on_the_fly: {{sources: [workshop], keys: {{factory: "{public}"}}, remote: true}}
    journal: {{path: ./journal}}
    upstream: {{kind: mqtt, broker: "{url}"}}
"""
SOURCE = """\
from edge import Context, Event, task


@task
def watch(event: Event, ctx: Context) -> dict:
    return {"celsius": event.values["temperature"]}
"""


def signed(private: bytes, version: int) -> bytes:
    manifest = {
        "format": 1,
        "name": "watch",
        "version": version,
        "edge": "pi",
        "sha256": hashlib.sha256(SOURCE.encode()).hexdigest(),
        "when": {"source": "workshop"},
    }
    return pack(json.dumps(manifest).encode(), SOURCE.encode(), "factory", private)


def said(someone: Someone, topic: str) -> list[dict[str, Any]]:
    return [json.loads(payload) for known, payload in list(someone.heard) if known == topic]


def test_a_signed_app_is_installed_over_a_real_link_and_outlives_a_kill(mosquitto, edge_process):
    private, public = crypto.generate()
    edge = edge_process(CONFIG.format(url=mosquitto.url, public=base64.b64encode(public).decode()), "")
    edge.start()
    until(edge.connected)
    state, outcomes = "edge/pi/apps/watch", "edge/pi/outcomes"
    with Someone(mosquitto.port, state, outcomes) as someone:
        until(lambda: "edge/pi/apps/+/set" in mosquitto.log)
        someone.say("edge/pi/apps/watch/set", signed(private, 1).replace(b"celsius", b"kelvins"))
        until(lambda: said(someone, state))
        assert said(someone, state)[-1]["state"] == "refused"

        someone.say("edge/pi/apps/watch/set", signed(private, 2))
        until(lambda: said(someone, state)[-1] == {"version": 2, "state": "active", "reason": ""})
        until(lambda: said(someone, outcomes), 60)
        assert said(someone, outcomes)[-1]["data"]["app"] == {"name": "watch", "version": 2}

        edge.kill()
        edge.start()
        someone.heard.clear()
        until(lambda: said(someone, outcomes), 60)
    [app] = edge.ask("apps_list")
    assert (app["name"], app["version"], app["provenance"], app["held"]) == ("watch", 2, "factory", "")
    assert [entry["action"] for entry in edge.ask("apps_show", name="watch")["audit"]][-2:] == ["install", "refuse"]
    assert edge.stop() == 0
