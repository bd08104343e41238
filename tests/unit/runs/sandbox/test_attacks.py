"""Whatever a source tries: one explained outcome, a host that neither hangs nor grows, and a sandbox that goes on."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("pydantic_monty")

from edge.runs.sandbox.engine import Sandbox
from edge.runs.sandbox.pool import GRACE
from edge.runs.sandbox.snapshot import LARGEST
from tests.unit.runs.sandbox.attacks import ATTACKS, DOORS, FLOODS, Attack, source
from tests.unit.runs.sandbox.bench import Bench, Unchecked, end
from tests.unit.runs.sandbox.test_snapshot import SignedStore

LIMIT, GROWTH = 0.1, 64_000_000
MACHINE = 3.0  # seconds a busy machine may add; a hang is for ever


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    engine = Sandbox(Unchecked)  # whoever attacks finds his way past a type checker
    yield engine
    engine.close()


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_ends_as_one_explained_outcome(attack: Attack, sandbox: Sandbox, tmp_path: Path) -> None:
    before, began = resident(), time.monotonic()

    ending, run = end(sandbox, source(attack.body), tmp_path, limits={"time": LIMIT})

    assert time.monotonic() - began < LIMIT + GRACE + MACHINE
    assert resident() - before < GROWTH
    assert attack.status in ("*", ending.status.value), ending
    if ending.error is not None:
        assert ending.error["message"]
        assert len(str(ending.error)) < 3000
        assert attack.says in f"{ending.error['type']}: {ending.error['message']}", ending
    else:
        assert len(ending.result or b"") <= run.task.settings.limits.output
    assert not Path("/tmp/edge-attack").exists()


@pytest.mark.parametrize("attack", [*FLOODS, *DOORS], ids=lambda attack: attack.name)
def test_an_attack_on_a_run_that_is_kept_ends_the_same_way(attack: Attack, sandbox: Sandbox, tmp_path: Path) -> None:
    before, began, store = resident(), time.monotonic(), SignedStore()
    sandbox._snapshots = lambda: store

    ending, _ = Bench(tmp_path, sandbox, memory={}, on_crash="resume").run(source(attack.body), time=LIMIT)

    assert time.monotonic() - began < LIMIT + GRACE + MACHINE
    assert resident() - before < GROWTH
    assert attack.status in ("*", ending.status.value), ending
    assert ending.error is None or ending.error["message"]
    assert all(len(kept) <= LARGEST + 32 for kept in store.kept.values())


def test_after_an_attack_the_next_run_is_fine(sandbox: Sandbox, tmp_path: Path) -> None:
    for _ in range(3):
        end(sandbox, source("x = 'x'\nwhile True: x += x"), tmp_path, limits={"time": LIMIT})

    ending, _ = end(sandbox, source("return {'fine': True}"), tmp_path, limits={"time": 10.0})

    assert ending.result == b'{"fine":true}'
