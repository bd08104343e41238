"""Tasks in workers, in a whole gateway: triggered, killed at their limit, their outcomes in the journal."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from edge.testing.harness import Harness
from tests.unit.runs.worker.bench import below

CONFIG = """
edge: {id: bench, backend: sim}
mqtt: {broker: "mqtt://localhost", subscribe: {waves: {topic: "plant/waves"}}}
devices:
  workshop: {driver: tmp102, bus: i2c-1, address: 0x48, every: 5s}
  fan: {driver: relay, pin: 17, safe: "off"}
tasks:
  hot:
    engine: worker
    run: ./app.py:hot
    when: {source: workshop, channel: temperature, above: 30}
    grant: {devices: [fan], publish: ["plant/fan"]}
  spectrum:
    engine: worker
    run: ./app.py:spectrum
    when: {source: waves}
    limits: {time: 2s, memory: 64MB}
journal: {path: ./journal}
"""
TASKS = """\
import os
from edge import Context, Event, task


@task
def hot(event: Event, ctx: Context) -> dict:
    ctx.device("fan").on()
    ctx.publish("plant/fan", True)
    return {"celsius": event.values["temperature"], "pid": os.getpid()}


@task(raw=True)
def spectrum(event: Event, ctx: Context) -> dict:
    if event.payload == b"die":
        os._exit(9)
    return {"mean": sum(event.payload) / len(event.payload)}
"""


def test_events_start_tasks_in_workers(edge_factory: Callable[[Path], Harness], tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(TASKS)
    (tmp_path / "edge.yaml").write_text(CONFIG)
    before = below(os.getpid())
    edge = edge_factory(tmp_path / "edge.yaml")
    edge.world["workshop.temperature"] = 31.5

    edge.advance("10s")
    edge.message("plant/waves", bytes([0, 255, 255]))
    edge.message("plant/waves", b"die")
    edge.message("plant/waves", bytes([4]))

    hot, first, crashed, last = edge.outcomes
    assert hot.result["celsius"] == 31.5
    assert hot.result["pid"] in below(os.getpid())
    assert edge.pins.level(17)
    assert [message.topic for message in edge.broker.messages if message.topic == "plant/fan"] == ["plant/fan"]
    assert (first.result, last.result) == ({"mean": 170.0}, {"mean": 4.0})
    assert crashed.error is not None
    assert crashed.error["message"] == "its process ended with exit code 9"
    edge.close()
    assert below(os.getpid()) == before
