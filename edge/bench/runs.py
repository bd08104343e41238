"""`edge bench runs`: what a run costs in each engine, beside the bare thing in the same process.

Rounds are interleaved with their baseline, so that what else the machine does falls on both.
"""

from __future__ import annotations

import os
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from edge.bench.material import CLOCK
from edge.bench.micro import BARE, LOOP, PLAIN, TALK, Bench, bare_monty, descendants, resident_kb
from edge.cli.arguments import Arguments
from edge.cli.exits import FINE, Stop
from edge.cli.output import columns, note, say, say_json
from edge.errors import TaskLoadError
from edge.runs.engine import Engine
from edge.runs.inline import Inline
from edge.runs.sandbox.engine import Sandbox
from edge.runs.worker.engine import Worker

ENGINES: Mapping[str, Callable[[], Engine]] = {"inline": Inline, "sandbox": Sandbox, "worker": Worker}

_LIMIT = "100ms"  # of the runs that never end
_ROUNDS, _CALLS = 300, 50  # a round is over before the kernel gives the core to somebody else, mostly
_STARTED, _TURNS = 5, 5
_WARM = 300  # runs before memory is looked at: workers are replaced after 100
_SHAPE = '{"inline_us": {...}, "sandbox_us": {...}, "late_ms": {engine: ...}, "memory_kb": {...}, "cold_ms": {...}}'


def runs(words: list[str]) -> int:
    """Exit 1 where the sandbox cannot start."""
    arguments = Arguments(
        "bench runs",
        "Measure a run in each engine: what it costs, how late it is ended, what it leaves in memory.",
        examples=("bench runs", "bench runs --quick --json"),
    )
    arguments.add_argument("--quick", action="store_true", help="a tenth of everything: figures for a first look")
    arguments.add_argument("--runs", type=int, default=10_000, help="in the sandbox, for its memory (default: 10000)")
    options = arguments.with_json(_SHAPE).parse_args(words)
    if options.runs < 1:
        arguments.error("--runs is 1 or more")
    part = 10 if options.quick else 1
    try:
        with tempfile.TemporaryDirectory(prefix="edge-bench-") as folder:
            found = _measure(Path(folder), part, options.runs // part or 1)
    except TaskLoadError as error:
        raise Stop(str(error)) from error
    if options.json:
        say_json(found)
    else:
        say(columns(_rows(found), ("figure", "ours", "baseline", "", "over", "target")))
    return FINE


def _measure(folder: Path, part: int, many: int) -> dict[str, Any]:
    rounds = max(3, _ROUNDS // part)
    bench = Bench(folder)
    note("starting each engine")
    found: dict[str, Any] = {"cold_ms": {name: _cold(bench, name, max(3, 10 // part)) for name in ENGINES}}
    note("inline")
    found["inline_us"] = {"plain": _inline(bench, PLAIN, {}, rounds), "grants": _inline(bench, TALK, GRANTS, rounds)}
    sandbox = ENGINES["sandbox"]()
    try:
        note("sandbox")
        found["sandbox_us"] = _sandbox(bench, sandbox, rounds)
        note(f"sandbox, {many} runs")
        found["memory_kb"] = _memory(bench, sandbox, many)
    finally:
        sandbox.close()
    found["late_ms"] = {}
    for name in ENGINES:
        if name != "inline":
            note(f"{name}, loops without end")
            found["late_ms"][name] = _late(bench, name, max(5, 200 // part))
    return found


GRANTS = {"grant": {"devices": ["lamp"], "publish": ["out"]}}


def _cold(bench: Bench, name: str, times: int) -> dict[str, float]:
    """Milliseconds from nothing to the end of the first run."""
    took = []
    for _ in range(times):
        began = CLOCK.monotonic()
        engine = ENGINES[name]()
        try:
            bench.once(bench.task(PLAIN, engine))
            took.append(CLOCK.monotonic() - began)
        finally:
            engine.close()
    return {"p50": round(statistics.median(took) * 1e3, 2), "max": round(max(took) * 1e3, 2)}


def _inline(bench: Bench, text: str, settings: Mapping[str, Any], rounds: int) -> dict[str, float]:
    """Microseconds a call of the bare function, and of a run with all its records; what it costs over, in the median
    round and in the least disturbed."""
    task = bench.task(text, Inline(), settings)
    event, ctx, function = bench.event, bench.bare_context, task.program.entry
    bare, ours = [], []
    for _ in range(rounds):
        bare.append(_each(lambda: function(event, ctx), _CALLS))
        ours.append(_each(lambda: bench.once(task), _CALLS))
    over = [one - other for one, other in zip(ours, bare, strict=True)]
    return _us(ours=ours, bare=bare, over=over, least=[min(over)])


def _sandbox(bench: Bench, engine: Engine, rounds: int) -> dict[str, float]:
    """Microseconds a run, and a bare checkout and run of the same computation; one of each in turns."""
    task = bench.task(PLAIN, engine)
    with bare_monty() as run:
        for _ in range(_STARTED):  # processes start
            run(BARE, bench.event)
            bench.once(task)
        ours, bare = [], []
        for _ in range(rounds * _TURNS):
            bare.append(_each(lambda: run(BARE, bench.event), 1))
            ours.append(_each(lambda: bench.once(task), 1))
    found = _us(ours=ours, bare=bare)
    return found | {"ratio": round(found["ours"] / found["bare"], 2)}


def _memory(bench: Bench, engine: Engine, many: int) -> dict[str, int]:
    """Resident kilobytes of this process and of the workers together, before and after."""
    task = bench.task(PLAIN, engine)
    for _ in range(min(many, _WARM)):
        bench.once(task)
    host, workers = resident_kb([os.getpid()]), resident_kb(descendants())
    for count in range(many):
        bench.once(task)
        if count and count % 2500 == 0:
            note(f"{count} of {many}")
    return {
        "runs": many,
        "host_before": host,
        "host_after": resident_kb([os.getpid()]),
        "workers_before": workers,
        "workers_after": resident_kb(descendants()),
    }


def _late(bench: Bench, name: str, times: int) -> dict[str, float]:
    """Milliseconds that a run which never ends is ended after its limit."""
    engine = ENGINES[name]()
    try:
        bench.once(bench.task(PLAIN, engine))
        task = bench.task(LOOP, engine, {"limits": {"time": _LIMIT}})
        took = []
        for _ in range(times):
            began = CLOCK.monotonic()
            bench.once(task)
            took.append((CLOCK.monotonic() - began - task.settings.limits.time) * 1e3)
    finally:
        engine.close()
    took.sort()
    return {
        "p50": round(statistics.median(took), 2),
        "p99": round(took[min(len(took) - 1, int(len(took) * 0.99))], 2),
        "max": round(took[-1], 2),
        "runs": times,
    }


def _each(call: Callable[[], object], times: int) -> float:
    began = CLOCK.monotonic()
    for _ in range(times):
        call()
    return (CLOCK.monotonic() - began) / times


def _us(**rounds: Sequence[float]) -> dict[str, float]:
    return {name: round(statistics.median(seconds) * 1e6, 2) for name, seconds in rounds.items()}


# -- for people ---------------------------------------------------------------------------------------------------


def _rows(found: Mapping[str, Any]) -> list[tuple[object, ...]]:
    plain, grants, sandbox = found["inline_us"]["plain"], found["inline_us"]["grants"], found["sandbox_us"]
    memory = found["memory_kb"]
    targets = {"sandbox": "p99 < 20", "worker": "p99 < 30"}
    return [
        ("inline run, us", plain["ours"], "the function", plain["bare"], plain["over"], "<= 20"),
        ("with a device and a publish, us", grants["ours"], "the function", grants["bare"], grants["over"], "<= 60"),
        ("sandbox run, us", sandbox["ours"], "bare Monty", sandbox["bare"], f"{sandbox['ratio']} x", "<= 1.2 x"),
        *(
            (f"{name} ended late, ms, p99", late["p99"], "p50", late["p50"], "", targets.get(name, ""))
            for name, late in found["late_ms"].items()
        ),
        *(
            (f"{who} after {memory['runs']} runs, KB", memory[f"{who}_after"], "before", memory[f"{who}_before"],
             memory[f"{who}_after"] - memory[f"{who}_before"], "flat")
            for who in ("host", "workers")
        ),
        *(
            (f"{name} from nothing, ms", cold["p50"], "max", cold["max"], "", "")
            for name, cold in found["cold_ms"].items()
        ),
    ]  # fmt: skip
