"""A change of configuration never touches the backlog."""

from __future__ import annotations

from pathlib import Path

CONFIG = """
edge: {{id: pi}}
devices:
  room: {{driver: tmp102, bus: i2c-1, address: 0x48, every: 5s}}
tasks:
  warm: {{run: ./warm.py, when: {{source: room, channel: temperature, above: 40}}}}
upstream: {upstream}
"""
TASK = """
from edge import Context, Event, task

@task
def warm(event: Event, ctx: Context) -> float:
    return event.values["temperature"]
"""
OLD = "{old: {kind: mqtt, broker: mqtt://old.example}}"


def write(folder: Path, upstream: str) -> Path:
    (folder / "warm.py").write_text(TASK)
    path = folder / "edge.yaml"
    path.write_text(CONFIG.format(upstream=upstream))
    return path


def make_a_backlog(edge_factory, folder: Path):
    edge = edge_factory(write(folder, OLD))
    edge.upstream.online = False
    for _ in range(3):
        edge.world["room.temperature"] = 50.0
        edge.advance("10s")
        edge.world["room.temperature"] = 20.0
        edge.advance("10s")
    assert edge.journal.backlog("old") == 3
    return edge


def test_a_renamed_upstream_takes_its_backlog_with_it(edge_factory, tmp_path):
    edge = make_a_backlog(edge_factory, tmp_path)
    edge.reconfigure(write(tmp_path, "{new: {kind: mqtt, broker: mqtt://new.example, formerly: old}}"))
    edge.advance("10s")

    assert len(edge.upstream.received) == 3
    assert edge.journal.backlog("new") == 0


def test_an_upstream_that_disappears_keeps_its_backlog_until_it_comes_back(edge_factory, tmp_path):
    edge = make_a_backlog(edge_factory, tmp_path)
    edge.reconfigure(write(tmp_path, "{other: {kind: mqtt, broker: mqtt://other.example}}"))
    edge.advance("10s")
    assert edge.upstreams["other"].received == []
    assert any("old" in sentence and "3" in sentence for sentence in edge.runtime.degraded())

    edge.reconfigure(write(tmp_path, OLD))
    edge.upstream.online = True
    edge.advance("10s")

    assert len(edge.upstreams["old"].received) == 3


def test_a_new_broker_behind_the_same_name_gets_the_backlog(edge_factory, tmp_path):
    edge = make_a_backlog(edge_factory, tmp_path)
    edge.reconfigure(write(tmp_path, "{old: {kind: mqtt, broker: mqtt://elsewhere.example, batch: 10}}"))
    edge.upstream.online = True
    edge.advance("10s")

    assert len(edge.upstream.received) == 3
