"""The main job on one thread: a sensor overheats, a fan turns, the outcome survives."""

from __future__ import annotations


def test_overheating_starts_the_fan_and_the_outcome_survives_an_offline_restart(edge_factory):
    edge = edge_factory("workshop/edge.yaml")  # a real config; only what lies outside the runtime is replaced
    edge.world["workshop.temperature"] = 21.0
    edge.advance("60s")
    assert edge.outcomes == []
    edge.upstream.online = False
    edge.world["workshop.temperature"] = 31.5
    edge.advance("60s")
    [outcome] = edge.outcomes  # it became true once: one outcome, not twelve
    assert outcome.result == {"celsius": 31.5, "fan": True}
    edge.crash()
    edge.restart()
    edge.upstream.online = True
    edge.advance("30s")
    assert [o.task for o in edge.upstream.received] == ["overheat"]
