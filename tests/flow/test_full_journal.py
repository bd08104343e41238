"""What gives way when the journal is full is what the configuration says; and nothing hangs meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.flow.test_configuration_change import TASK
from tests.laws import balanced, lawful

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


PLANT = """
edge: {{id: pi}}
mqtt: {{broker: mqtt://localhost, subscribe: {{plant: {{topic: plant/count}}}}}}
devices:
  room: {{driver: tmp102, bus: i2c-1, address: 0x48, every: 10s}}
tasks:
  count: {{run: ./tasks.py:count, when: {{source: plant, field: n}}}}
  hot: {{run: ./tasks.py:hot, class: alarm, when: {{source: room, channel: temperature, above: 40}}}}
journal: {{max_size: {size}, min_free: 0B, keep_delivered: 0s, when_full: {policy}}}
upstream: {{kind: mqtt, broker: mqtt://cloud.example}}
"""
TASKS = """
from edge import Context, Event, task

@task
def count(event: Event, ctx: Context) -> int:
    return event.values["n"]

@task
def hot(event: Event, ctx: Context) -> str:
    return "hot"
"""
MESSAGES = 1500


class Plant:
    """A gateway whose upstream is away, and a thousand and a half messages that each start a task."""

    def __init__(self, edge_factory, folder: Path, policy: str, size: str = "400KB") -> None:
        (folder / "tasks.py").write_text(TASKS)
        (folder / "edge.yaml").write_text(PLANT.format(policy=policy, size=size))
        self.edge = edge_factory(folder / "edge.yaml")
        self.edge.upstream.online = False

    def send(self) -> None:
        for number in range(MESSAGES):
            self.edge.broker.publish("plant/count", b'{"n": %d}' % number)
        self.edge.advance("10s")

    @property
    def unacknowledged(self) -> int:
        """Messages that the broker holds for the gateway."""
        clients = self.edge.broker._clients.values()
        return sum(len(client.unacknowledged) + len(client.queue) for client in clients)

    @property
    def journal_part(self) -> dict:
        [part] = [part for part in self.edge.runtime.status() if part["name"] == "journal"]
        return part

    def counted(self) -> list[int]:
        return [outcome.result for outcome in self.edge.upstream.received if outcome.task == "count"]

    def is_well(self) -> None:
        stats = self.edge.journal.stats()
        assert self.journal_part["state"] == "ok"
        assert self.unacknowledged == 0
        assert stats["upstreams"]["default"]["pending"] == 0
        assert balanced(stats)
        assert lawful(self.edge.runtime.tally.data())


@pytest.fixture
def make_plant(edge_factory, tmp_path: Path):
    return lambda policy, **options: Plant(edge_factory, tmp_path, policy, **options)


def test_block_acknowledges_nothing_more_lets_alarms_pass_and_loses_nothing(make_plant) -> None:
    plant = make_plant("{telemetry: block}")
    edge = plant.edge
    plant.send()
    begun = edge.journal.stats()["accepted"]
    assert begun < MESSAGES
    assert plant.unacknowledged == MESSAGES - begun
    assert plant.journal_part["state"] == "degraded"
    assert "no more telemetry until some is delivered" in plant.journal_part["last_error"]

    edge.world["room.temperature"] = 60.0
    edge.advance("1m")
    assert [outcome.result for outcome in edge.outcomes][-1] == "hot"
    assert edge.journal.stats()["accepted"] == begun + 1

    edge.upstream.online = True
    edge.advance("5m")
    assert plant.counted() == list(range(MESSAGES))
    assert edge.journal.stats()["upstreams"]["default"]["dropped"] == {}
    plant.is_well()


def test_a_blocked_gateway_that_loses_power_or_stops_takes_up_where_it_was(make_plant) -> None:
    plant = make_plant("block")
    edge = plant.edge
    plant.send()
    edge.crash()
    edge.restart()
    edge.advance("1m")
    assert plant.unacknowledged > 0
    edge.restart()  # a clean stop does not wait for room
    edge.advance("1m")
    edge.upstream.online = True
    edge.advance("5m")

    assert set(plant.counted()) == set(range(MESSAGES))
    plant.is_well()


def test_drop_newest_acknowledges_and_counts_what_it_has_no_room_for(make_plant) -> None:
    plant = make_plant("{telemetry: drop_newest}")
    edge = plant.edge
    plant.send()
    assert plant.unacknowledged == 0
    assert "new telemetry is dropped" in plant.journal_part["last_error"]
    edge.world["room.temperature"] = 60.0
    edge.advance("1m")

    edge.upstream.online = True
    edge.advance("5m")
    stats = edge.journal.stats()
    kept = plant.counted()
    assert kept == list(range(len(kept)))
    assert stats["accepted"] == MESSAGES + 1
    assert stats["upstreams"]["default"]["dropped_by_class"] == {"full": {"telemetry": MESSAGES - len(kept)}}
    assert sum(stone["count"] for stone in stats["tombstones"]) == MESSAGES - len(kept)
    plant.is_well()


def test_a_disk_that_is_full_for_a_while_is_waited_for(make_plant) -> None:
    plant = make_plant("block", size="16MB")
    edge = plant.edge
    edge.files.capacity = sum(edge.files.size(f"/journal/{name}") for name in edge.files.names("/journal")) + 50_000
    plant.send()
    before = plant.unacknowledged
    assert before > 0
    assert "No space left" in plant.journal_part["last_error"]
    edge.advance("10m")
    assert plant.unacknowledged == before

    edge.files.capacity = None
    edge.advance("2m")
    edge.upstream.online = True
    edge.advance("2m")
    assert plant.counted() == list(range(MESSAGES))
    assert edge.journal.stats()["upstreams"]["default"]["dropped"] == {}
    plant.is_well()


@pytest.mark.parametrize("policy", ["drop_oldest", "thin", "drop_newest"])
def test_a_disk_that_is_full_for_a_while_costs_what_is_counted(make_plant, policy: str) -> None:
    plant = make_plant(policy, size="1MB")
    edge = plant.edge
    edge.files.capacity = sum(edge.files.size(f"/journal/{name}") for name in edge.files.names("/journal")) + 400_000
    plant.send()
    assert plant.journal_part["state"] == "degraded"
    edge.files.capacity = None
    edge.advance("2m")
    edge.upstream.online = True
    edge.advance("2m")

    dropped = edge.journal.stats()["upstreams"]["default"]["dropped"]
    assert len(plant.counted()) + sum(dropped.values()) == MESSAGES
    assert dropped
    plant.is_well()
