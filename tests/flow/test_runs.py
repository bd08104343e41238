"""What a run is given, how it is followed from gateway to gateway, and who hears of it."""

from __future__ import annotations

from pathlib import Path

FIRST = """
edge: {id: cellar, backend: sim}
mqtt: {broker: "mqtt://localhost", subscribe: {level: {topic: tank/level}}}
devices:
  room: {driver: tmp102, bus: i2c-1, address: 0x48, every: 5s}
tasks:
  full:
    run: ./tasks.py:full
    when: {source: level, above: 90}
    config: {names: [tank, sump]}
    readings: [room]
    grant: {publish: [tank/full]}
    check: result.celsius > 30
runs: {observers: ["./observers.py:Count"]}
journal: {path: ./journal}
"""
SECOND = """
edge: {id: attic, backend: sim}
mqtt: {broker: "mqtt://localhost", subscribe: {full: {topic: tank/full}}}
tasks:
  alarm:
    run: ./tasks.py:alarm
    when: {source: full}
    grant: {publish: [alarm]}
journal: {path: ./journal}
"""
TASKS = """
from edge import Context, Event, task

@task
def full(event: Event, ctx: Context) -> dict:
    ctx.config["names"].append("changed here only")
    ctx.readings["room"]["temperature"] = 0
    ctx.publish("tank/full", {"level": event.values["value"], "names": ctx.config["names"]})
    return {"celsius": ctx.readings["room"]["temperature"], "followed": ctx.correlation_id}

@task
def alarm(event: Event, ctx: Context) -> dict:
    ctx.publish("alarm", "full")
    return {"names": event.values["names"], "followed": ctx.correlation_id}
"""
OBSERVERS = """
from pathlib import Path
from edge import ObservedEnd, ObservedRun, Observer

class Count(Observer):
    def __init__(self):
        self.file = Path(__file__).with_name("heard")

    def finished(self, run: ObservedRun, end: ObservedEnd) -> None:
        self.file.write_text(f"{run.task} {end.status} {run.correlation_id} {end.usage['publishes']}")
"""


def gateways(edge_factory, folder: Path):
    (folder / "tasks.py").write_text(TASKS)
    (folder / "observers.py").write_text(OBSERVERS)
    (folder / "first.yaml").write_text(FIRST)
    (folder / "second.yaml").write_text(SECOND)
    return edge_factory(folder / "first.yaml"), edge_factory(folder / "second.yaml")


def published(edge, topic: str):
    [message] = [message for message in edge.broker.messages if message.topic == topic]
    return message


def test_one_correlation_id_follows_event_run_publish_and_outcome_through_a_second_gateway(edge_factory, tmp_path):
    cellar, attic = gateways(edge_factory, tmp_path)
    cellar.world["room.temperature"] = 31.5
    cellar.advance("10s")
    cellar.message("tank/level", 95)
    [first] = cellar.outcomes
    onwards = published(cellar, "tank/full")

    attic.message("tank/full", onwards.payload, properties=onwards.properties)  # the broker between them
    [second] = attic.outcomes
    last = dict(published(attic, "alarm").properties)

    followed = first.event["id"]  # where it began
    assert first.result == {"celsius": 31.5, "followed": followed}
    assert dict(onwards.properties) == {"correlation_id": followed, "hops": "1"}
    assert (second.result["followed"], second.data["correlation_id"]) == (followed, followed)
    assert second.event["id"] != followed
    assert last == {"correlation_id": followed, "hops": "2"}


def test_what_a_run_is_given_is_its_own_copy(edge_factory, tmp_path):
    cellar, _ = gateways(edge_factory, tmp_path)
    cellar.world["room.temperature"] = 31.5
    cellar.advance("10s")
    cellar.message("tank/level", 95)

    [outcome] = cellar.outcomes
    assert outcome.status == "success", outcome.error
    assert outcome.result["celsius"] == 31.5
    assert b"changed here only" not in published(cellar, "tank/full").payload


def test_a_result_that_the_check_of_the_configuration_does_not_like_is_partial_and_still_publishes(
    edge_factory, tmp_path
):
    cellar, _ = gateways(edge_factory, tmp_path)
    cellar.world["room.temperature"] = 20.0
    cellar.advance("10s")
    cellar.message("tank/level", 95)

    [outcome] = cellar.outcomes
    assert outcome.status == "partial"
    assert outcome.data["partial"] == "check: result.celsius > 30 is not so: result.celsius is 20"
    assert 'edge_goal_violations_total{task="full"} 1' in cellar.runtime.telemetry.render()
    assert published(cellar, "tank/full")


def test_an_observer_of_the_configuration_hears_of_the_run(edge_factory, tmp_path):
    cellar, _ = gateways(edge_factory, tmp_path)
    cellar.world["room.temperature"] = 31.5
    cellar.advance("10s")
    cellar.message("tank/level", 95)

    assert (tmp_path / "heard").read_text() == f"full success {cellar.outcomes[0].event['id']} 1"
