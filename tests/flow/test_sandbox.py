"""A task in the sandbox, in a whole gateway: triggered, walled off, its outcome in the journal."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("pydantic_monty")

CONFIG = """
edge: {id: bench, backend: sim}
devices:
  workshop: {driver: tmp102, bus: i2c-1, address: 0x48, every: 5s}
tasks:
  hot:
    engine: sandbox
    run: ./app.py
    when: {source: workshop, channel: temperature, above: 30}
journal: {path: ./journal}
"""
TASK = """\
from edge import Context, Event, task


@task
def hot(event: Event, ctx: Context) -> dict:
    return {"celsius": event.values["temperature"]}
"""


def test_a_reading_starts_a_task_in_the_sandbox(edge_factory, tmp_path: Path):
    (tmp_path / "app.py").write_text(TASK)
    (tmp_path / "edge.yaml").write_text(CONFIG)
    edge = edge_factory(tmp_path / "edge.yaml")
    edge.world["workshop.temperature"] = 31.5

    edge.advance("10s")

    [outcome] = edge.outcomes
    assert outcome.error is None
    assert outcome.result == {"celsius": 31.5}


def test_the_status_shows_the_engine_and_how_thick_its_wall_is(edge_factory, tmp_path: Path):
    (tmp_path / "app.py").write_text(TASK)
    (tmp_path / "edge.yaml").write_text(CONFIG)
    edge = edge_factory(tmp_path / "edge.yaml")

    [part] = [part for part in edge.runtime.status() if part["kind"] == "engine"]

    assert part["name"] == "sandbox"
    assert (part["state"] == "degraded") == bool(part["last_error"])
