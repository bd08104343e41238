"""A run with `on_crash: resume` goes on where it was: in another process, with its own side, and nothing done twice."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

pytest.importorskip("pydantic_monty")

from edge.model import Status
from edge.runs.run import Ending, Run
from edge.runs.sandbox.engine import Sandbox
from edge.runs.sandbox.pool import Pool
from tests.unit.runs.sandbox.attacks import source
from tests.unit.runs.sandbox.bench import Bench, Unchecked

STEPS = """\
lamp, shelf = ctx.device('lamp'), ctx.tool('shelf')
before = [n * n for n in range(3)]
ctx.scratch.put('a', 7)
ctx.note('begun')
lamp.on()
shelf.put('k', before)
ctx.publish('out', before)
try:
    shelf.get('broken')
except RuntimeError as e:
    said = str(e)
ctx.partial('half of it')
ctx.memory.append({'n': before})
ctx.checkpoint(before)
lamp.set(shelf.get('k')[2])
return {'before': before, 'said': said, 'scratch': ctx.scratch.get('a'), 'config': ctx.config}"""
ACTS = 8  # of these: on, put, publish, the failing get, append, checkpoint, get, set


class Crash(BaseException):
    """The process is gone."""


class SignedStore:
    """Keeps what it signed, and takes nothing else back. `dies` after so many writes."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.writes = 0
        self.dies = 0

    def save_snapshot(self, run_id: str, data: bytes) -> None:
        self.kept[run_id] = self.signature(run_id, data) + data
        self.writes += 1
        if self.writes == self.dies:
            raise Crash

    def load_snapshot(self, run_id: str) -> bytes | None:
        kept = self.kept.get(run_id)
        if kept is None:
            return None
        if not hmac.compare_digest(kept[:32], self.signature(run_id, kept[32:])):
            raise ValueError("its signature is wrong")
        return kept[32:]

    def signature(self, run_id: str, data: bytes) -> bytes:
        return hmac.digest(b"key", run_id.encode() + b"\n" + data, hashlib.sha256)

    def change(self, edit: Callable[[bytes], bytes]) -> None:
        """Signed anew: what the store itself would not notice."""
        data = edit(self.kept["r1"][32:])
        self.kept["r1"] = self.signature("r1", data) + data


Resumable = Callable[[], Bench]


@pytest.fixture
def engines() -> Iterator[list[Sandbox]]:
    made: list[Sandbox] = []
    yield made
    for engine in made:
        engine.close()


@pytest.fixture
def store() -> SignedStore:
    return SignedStore()


@pytest.fixture
def bench(tmp_path: Path, engines: list[Sandbox], store: SignedStore) -> Bench:
    bench = Bench(tmp_path, start(engines, store), on_crash="resume", memory={}, config={"high": 30})
    bench.diary.values.clear()
    return bench


def start(engines: list[Sandbox], store: SignedStore, pool: Callable[[], Pool] = Unchecked) -> Sandbox:
    engines.append(Sandbox(pool, snapshots=lambda: store))
    return engines[-1]


def crash(bench: Bench, text: str, store: SignedStore, after: int) -> None:
    store.dies = after
    with pytest.raises(Crash):
        bench.run(text)
    bench.recovered = True


def again(bench: Bench, engines: list[Sandbox], store: SignedStore, text: str, **limits: Any) -> tuple[Ending, Run]:
    """In a new runtime with new processes."""
    bench.engine = start(engines, store)
    return bench.run(text, **limits)


def left(bench: Bench, ending: Ending, run: Run) -> tuple[Any, ...]:
    published = [(record.id, record.topic, record.body) for record in run.publishes]
    spent = run.usage._replace(cold_ms=0.0)
    return (ending, bench.lamp.history, bench.shelf.kept, bench.diary.values, bench.diary.checkpoint,
            published, run.notes, run.partial, spent)  # fmt: skip


@pytest.mark.parametrize("writes", range(1, ACTS + 1))
def test_after_a_crash_it_goes_on_and_does_nothing_twice(
    writes: int, bench: Bench, engines: list[Sandbox], store: SignedStore, tmp_path: Path
) -> None:
    text = source(STEPS)
    whole = Bench(tmp_path, start(engines, SignedStore()), on_crash="resume", memory={}, config={"high": 30})
    whole.diary.values.clear()
    expected = left(whole, *whole.run(text))
    crash(bench, text, store, writes)

    ending, run = again(bench, engines, store, text)

    assert ending.status is Status.PARTIAL, ending
    found = left(bench, ending, run)
    # Devices are asked for again by the new process, which counts.
    assert found[:-1] == expected[:-1]
    assert found[-1]._replace(steps=0) == expected[-1]._replace(steps=0)


def test_a_crash_before_the_first_act_begins_anew(bench: Bench, engines: list[Sandbox], store: SignedStore) -> None:
    bench.recovered = True

    ending, _ = again(bench, engines, store, source(STEPS))

    assert ending.status is Status.PARTIAL
    assert bench.lamp.history == [True, 4]


def test_another_attempt_begins_anew(bench: Bench, engines: list[Sandbox], store: SignedStore) -> None:
    crash(bench, source(STEPS), store, 1)
    bench.recovered = False

    again(bench, engines, store, source(STEPS))

    assert bench.lamp.history == [True, True, 4]


def test_time_is_limited_after_it_too(bench: Bench, engines: list[Sandbox], store: SignedStore) -> None:
    text = source("ctx.device('lamp').on()\nwhile True: pass")
    bench.settings["limits"] = {"time": "200ms"}
    crash(bench, text, store, 1)

    ending, _ = again(bench, engines, store, text)

    assert ending.status is Status.TIMEOUT


def test_a_flipped_bit_anywhere_is_refused(bench: Bench, engines: list[Sandbox], store: SignedStore) -> None:
    text = source(STEPS)
    crash(bench, text, store, 3)
    good, before = store.kept["r1"], list(bench.lamp.history)
    bench.engine = start(engines, store)

    for place in range(0, len(good), max(1, len(good) // 60)):
        store.kept["r1"] = good[:place] + bytes([good[place] ^ 1 << place % 8]) + good[place + 1 :]
        ending, _ = bench.run(text)
        assert ending.error is not None
        assert ending.error["type"] == "SnapshotRefused"
        assert "cannot be trusted" in ending.error["message"]

    assert bench.lamp.history == before


def test_a_cut_one_is_refused(bench: Bench, engines: list[Sandbox], store: SignedStore) -> None:
    text = source(STEPS)
    crash(bench, text, store, 3)
    good = store.kept["r1"]
    bench.engine = start(engines, store)

    for length in (0, 1, 31, 32, 33, len(good) // 2, len(good) - 1):
        store.kept["r1"] = good[:length]
        ending, _ = bench.run(text)
        assert ending.error is not None
        assert ending.error["type"] == "SnapshotRefused"


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda data: data.replace(b'"run":"r1"', b'"run":"r2"'), "of another run"),
        (lambda data: data.replace(b'"program":"', b'"program":"0'), "of another program"),
        (lambda data: data.replace(b'"version":"', b'"version":"0.'), "of another version"),
        (lambda data: b"", "is damaged"),
        (lambda data: b"[]\n" + data, "is damaged"),
        (lambda data: data.replace(b'"usage":{', b'"usage":{"odd":1,'), "is damaged"),
        (lambda data: data.partition(b"\n")[0] + b"\n", "does not take the run's state up"),
        (lambda data: data.partition(b"\n")[0] + b"\n" + bytes(100), "does not take the run's state up"),
    ],
)
def test_what_is_signed_and_not_this_runs_is_refused(
    edit: Callable[[bytes], bytes], says: str, bench: Bench, engines: list[Sandbox], store: SignedStore
) -> None:
    crash(bench, source(STEPS), store, 3)
    store.change(edit)

    ending, _ = again(bench, engines, store, source(STEPS))

    assert ending.error is not None
    assert says in ending.error["message"]
    assert bench.lamp.history == [True]


def test_a_changed_source_is_another_program(bench: Bench, engines: list[Sandbox], store: SignedStore) -> None:
    crash(bench, source(STEPS), store, 1)

    ending, _ = again(bench, engines, store, source(STEPS + "  # mended"))

    assert ending.error is not None
    assert "of another program" in ending.error["message"]


def test_a_state_that_is_too_large_to_keep_fails_the_run(bench: Bench) -> None:
    ending, _ = bench.run(source("x = 'y' * 2_000_000\nctx.checkpoint(1)\nreturn {'x': len(x)}"))

    assert ending.error is not None
    assert ending.error["type"] == "LimitExceeded"
    assert "at most 256000 are kept" in ending.error["message"]


def test_a_disk_that_refuses_fails_the_run_in_words_of_ours(
    bench: Bench, store: SignedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(run_id: str, data: bytes) -> None:
        raise OSError("/var/lib/edge: no space")

    monkeypatch.setattr(store, "save_snapshot", full)

    ending, _ = bench.run(source("ctx.checkpoint(1)\nreturn {}"))

    assert ending.error is not None
    assert "could not be kept: OSError" in ending.error["message"]
    assert "/var" not in str(ending.error["message"])


def test_who_does_not_ask_for_it_pays_nothing(bench: Bench, engines: list[Sandbox], store: SignedStore) -> None:
    class Straight(Pool):
        def step(self, *arguments: Any, **named: Any) -> Any:
            raise AssertionError("step by step")

    bench.engine = start(engines, store, Straight)
    bench.settings["on_crash"] = "rerun"

    ending, _ = bench.run(source(STEPS))

    assert ending.status is Status.PARTIAL
    assert orjson.loads(ending.result or b"")["before"] == [0, 1, 4]
    assert not store.writes
