"""The pytest plugin: one fixture, `edge_factory`. Installed with the distribution, so a test needs no import."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from edge.testing.harness import Harness


@pytest.fixture
def edge_factory(request: pytest.FixtureRequest) -> Iterator[Callable[..., Harness]]:
    """`edge_factory("edge.yaml")` is a whole runtime on one thread: real configuration, drivers, triggers, tasks,
    journal and sync over simulated buses, pins, brokers, files and time. Paths are relative to the test's own folder.
    `edge_factory("edge.yaml", recording="bug.rec")` lets the devices play back what `edge record` wrote.
    """
    from edge.testing.harness import Harness  # only tests that ask for it pay for it

    made: list[Harness] = []

    def make(config: str | Path, *, seed: int = 0, recording: str | Path | None = None) -> Harness:
        path = Path(config)
        path = path if path.is_absolute() else request.path.parent / path
        harness = Harness(path, seed=seed, recording=recording)
        made.append(harness)
        return harness

    yield make
    for harness in made:
        harness.close()
