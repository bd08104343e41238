"""Encryption at rest, through a whole gateway: the key comes from where secrets come from, and nothing else changes."""

from __future__ import annotations

import pytest

from edge.journal import JournalKeyMissing, key_id

CONFIG = """
edge: {{id: pi}}
mqtt: {{broker: mqtt://plant.example, subscribe: {{shake: {{topic: plant/shake}}}}}}
tasks:
  count:
    run: ./count.py
    when: {{source: shake}}
    grant: {{publish: [plant/counted]}}
journal: {{path: journal{encrypt}}}
upstream: {{kind: mqtt, broker: mqtt://cloud.example}}
"""
TASK = """
from edge import Context, Event, task

@task
def count(event: Event, ctx: Context) -> str:
    ctx.publish("plant/counted", "published in private")
    return "counted in private"
"""
NEW, OLD = "11" * 32, "22" * 32
WORDS = (b"private", b"plant/", b"pi:")


@pytest.fixture
def gateway(edge_factory, tmp_path, monkeypatch):
    """A gateway whose upstream is away, with three outcomes."""
    (tmp_path / "count.py").write_text(TASK)
    monkeypatch.setenv("EDGE_SECRET_NEW", NEW)
    monkeypatch.setenv("EDGE_SECRET_OLD", OLD)

    def configure(encrypt: str):
        path = tmp_path / "edge.yaml"
        path.write_text(CONFIG.format(encrypt=f", encrypt: {encrypt}" if encrypt else ""))
        return path

    def begin(encrypt: str):
        edge = edge_factory(configure(encrypt))
        edge.upstream.online = False
        work(edge)
        return edge, configure

    return begin


def work(edge) -> None:
    for _ in range(3):
        edge.message("plant/shake", {"rms": 4.7})
    edge.advance("5s")


def on_disk(edge) -> bytes:
    return b"".join(
        edge.files.read(f"/journal/{name}", 0, 1 << 30) for name in edge.files.names("/journal") if name != "lock"
    )


def test_nothing_can_be_read_from_the_disk_and_everything_is_delivered(gateway):
    edge, _ = gateway("{key: !secret new}")
    assert not [word for word in WORDS if word in on_disk(edge)]

    edge.crash()
    edge.restart()
    edge.upstream.online = True
    edge.advance("30s")

    assert [outcome.result for outcome in edge.upstream.received] == ["counted in private"] * 3
    assert edge.journal.stats()["degraded"] == []


def test_a_plain_journal_becomes_an_encrypted_one_file_by_file(gateway):
    edge, configure = gateway("")
    assert all(word in on_disk(edge) for word in WORDS)

    edge.reconfigure(configure("{key: !secret new}"))
    work(edge)
    assert edge.journal.stats()["segments"] == {"plain": 1, key_id(bytes.fromhex(NEW)): 1}
    edge.upstream.online = True
    edge.advance("30s")
    edge.advance("2d")

    assert len(edge.upstream.received) == 6
    assert "plain" not in edge.journal.stats()["segments"]
    assert not [word for word in WORDS if word in on_disk(edge)]


def test_a_key_is_changed_without_losing_what_the_old_one_closed(gateway):
    edge, configure = gateway("{key: !secret old}")
    with pytest.raises(JournalKeyMissing):
        edge.reconfigure(configure("{key: !secret new}"))

    edge.reconfigure(configure("{key: !secret new, old_keys: [!secret old]}"))
    work(edge)
    edge.upstream.online = True
    edge.advance("30s")

    assert len(edge.upstream.received) == 6


def test_a_simulation_without_the_key_keeps_its_journal_in_the_clear(gateway, monkeypatch):
    monkeypatch.delenv("EDGE_SECRET_NEW")
    edge, _ = gateway("{key: !secret new}")

    assert len(edge.outcomes) == 3
