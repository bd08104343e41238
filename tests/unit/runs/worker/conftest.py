"""One fork server for each file of tests; the processes of a test end with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.runs.worker.engine import Worker
from tests.unit.runs.worker.bench import Bench, children, eventually, text

Make = Callable[..., Bench]


@pytest.fixture(scope="module")
def server() -> Iterator[Worker]:
    engine = Worker()
    yield engine
    engine.close()


@pytest.fixture
def worker(server: Worker) -> Iterator[Worker]:
    yield server
    for pool in server._pools:
        pool.close()
    server._pools.clear()
    assert server._forks is None or eventually(lambda: not children(server))


@pytest.fixture
def make(worker: Worker, tmp_path: Path) -> Make:
    def make(body: str, **limits: Any) -> Bench:
        return Bench(worker, text(body), tmp_path, limits)

    return make
