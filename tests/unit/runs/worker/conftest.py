"""One nursery for each file of tests; the processes of a test end with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.runs.worker.engine import Worker
from tests.unit.runs.worker.bench import Bench, children, eventually, text

Make = Callable[..., Bench]


@pytest.fixture(scope="module")
def nursery() -> Iterator[Worker]:
    engine = Worker()
    yield engine
    engine.close()


@pytest.fixture
def worker(nursery: Worker) -> Iterator[Worker]:
    yield nursery
    for pool in nursery._pools:
        pool.close()
    nursery._pools.clear()
    assert nursery._forks is None or eventually(lambda: not children(nursery))


@pytest.fixture
def make(worker: Worker, tmp_path: Path) -> Make:
    def make(body: str, **limits: Any) -> Bench:
        return Bench(worker, text(body), tmp_path, limits)

    return make
