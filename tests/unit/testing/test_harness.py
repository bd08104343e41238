"""The test kit does not let a test pass, or fail without a reason, because of a slip in the test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edge.testing.harness import Harness

CONFIG = """
edge: {id: bench, backend: sim}
devices:
  room: {driver: tmp102, bus: i2c-1, address: 0x48, every: 5s}
tasks:
  look: {run: ./look.py:look, when: {source: room, channel: temperature}}
journal: {path: ./journal}
"""
TASK = """
from edge import Context, Event, task

@task
def look(event: Event, ctx: Context) -> dict:
    return dict(event.values)
"""


@pytest.fixture
def edge(tmp_path: Path, edge_factory: Callable[..., Harness]) -> Harness:
    (tmp_path / "edge.yaml").write_text(CONFIG)
    (tmp_path / "look.py").write_text(TASK)
    return edge_factory(tmp_path / "edge.yaml")


@pytest.mark.parametrize(
    ("name", "hint"),
    [("room.temprature", "did you mean 'room.temperature'?"), ("x", "there are room.temperature")],
)
def test_a_signal_that_no_device_has_is_refused(edge: Harness, name: str, hint: str) -> None:
    with pytest.raises(KeyError, match=f"no device has the signal '{name}'") as raised:
        edge.world[name] = 40.0

    assert hint in str(raised.value)


def test_a_response_to_a_signal_that_no_device_has_is_refused(edge: Harness) -> None:
    with pytest.raises(KeyError, match=r"did you mean 'room\.temperature'"):
        edge.world.response("room.temprature", gain=1, seconds=60)


def test_a_signal_takes_numbers_only(edge: Harness) -> None:
    with pytest.raises(TypeError, match="takes a number"):
        edge.world["room.temperature"] = "hot"  # type: ignore[assignment]


def test_what_the_configuration_does_not_have_is_named(edge: Harness) -> None:
    with pytest.raises(LookupError, match="has no `upstream:`"):
        _ = edge.upstream
    with pytest.raises(LookupError, match="no device is on a bus 'i2c-7'; there are i2c-1"):
        edge.bus("i2c-7")


def test_nothing_runs_between_a_crash_and_a_restart(edge: Harness) -> None:
    edge.advance("20s")
    before = len(edge.outcomes)
    edge.crash(power=False)
    edge.advance("1h")

    assert len(edge.outcomes) == before
    assert edge.clock.monotonic() == pytest.approx(3620, abs=1)
    with pytest.raises(AssertionError, match="restart"):
        edge.fire("look")

    edge.restart()
    edge.advance("1s")
    assert len(edge.outcomes) == before + 1


def test_a_failed_assertion_shows_what_works(edge: Harness) -> None:
    edge.bus("i2c-1").detach(0x48)
    edge.advance("1m")
    assert repr(edge) == "<bench after 1m: room failed, journal ok>"

    edge.crash()
    assert repr(edge) == "<bench after 1m: down>"


def test_another_configuration_is_found_beside_the_first(edge: Harness, tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text(CONFIG.replace("bench", "other"))
    edge.reconfigure("other.yaml")

    assert edge.config.edge.id == "other"
