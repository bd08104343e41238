"""What gives way when the journal is full is what the configuration says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.flow.test_configuration_change import TASK

CONFIG = """
edge: {{id: pi}}
devices:
  room: {{driver: tmp102, bus: i2c-1, address: 0x48, every: 1s}}
tasks:
  warm: {{run: ./warm.py, when: {{source: room, channel: temperature, above: -50, each: true}}}}
journal: {{max_size: 64KB, keep_delivered: 0s, when_full: {policy}}}
upstream: {{kind: mqtt, broker: mqtt://cloud.example}}
"""


@pytest.mark.parametrize(("policy", "reason"), [("drop_oldest", "full"), ("thin", "thinned")])
def test_a_full_journal_gives_way_as_configured_and_still_adds_up(
    edge_factory, tmp_path: Path, policy: str, reason: str
) -> None:
    (tmp_path / "warm.py").write_text(TASK)
    (tmp_path / "edge.yaml").write_text(CONFIG.format(policy=policy))
    edge = edge_factory(tmp_path / "edge.yaml")
    edge.upstream.online = False
    edge.advance("5m")
    [first, *_] = edge.journal.stats()["upstreams"]["default"]["dropped"]
    assert first == reason

    edge.upstream.online = True
    edge.advance("5m")
    found = edge.journal.stats()
    books = found["upstreams"]["default"]
    assert books["pending"] == 0
    assert found["accepted"] == books["delivered"] + sum(books["dropped"].values())
    assert books["delivered"] > 100
