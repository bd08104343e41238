"""`edge bench drivers`: what drivers, wires and virtual time cost, beside the bare thing of the same run."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from edge.bench import wires
from edge.bench.material import CLOCK
from edge.cli.arguments import Arguments
from edge.cli.exits import FINE
from edge.cli.output import columns, note, say, say_json

_DEVICES = 50
_ROUNDS, _CALLS = 200, 50
_SECONDS = 20.0
_EDGES = 2000
_DAYS = 30
_SHAPE = '{"read_us": {...}, "sampling": {...}, "edge_us": {...}, "virtual": {...}}'


def drivers(words: list[str]) -> int:
    """Always exit 0: the figures are the machine's."""
    arguments = Arguments(
        "bench drivers",
        "Measure readings, fifty devices on four buses, a pin's edge, and how fast virtual time goes.",
        examples=("bench drivers", "bench drivers --quick --json"),
    )
    arguments.add_argument("--quick", action="store_true", help="a tenth of everything: figures for a first look")
    options = arguments.with_json(_SHAPE).parse_args(words)
    with tempfile.TemporaryDirectory(prefix="edge-bench-") as folder:
        found = _measure(Path(folder), 10 if options.quick else 1)
    if options.json:
        say_json(found)
    else:
        say(columns(_rows(found), ("figure", "ours", "baseline", "", "over", "target")))
    return FINE


def _measure(folder: Path, part: int) -> dict[str, Any]:
    note("one BME280 over smbus2")
    found: dict[str, Any] = {"read_us": _read(max(3, _ROUNDS // part))}
    note(f"{_DEVICES} devices at 1 Hz, {_SECONDS / part:g} s")
    found["sampling"] = _sampling(folder, _SECONDS / part)
    note("edges of a pin")
    found["edge_us"] = _edges(folder, _EDGES // part)
    note("an hour of the demo")
    hour = wires.demo_seconds(1 / part)
    days = _DAYS // part
    note(f"{days} days of three sensors")
    month = wires.month_seconds(folder, days)
    found["virtual"] = {
        "demo_speed": round(3600 / part / hour),
        "days": days,
        "days_took_s": round(month, 2),
        "days_speed": round(days * 86400 / month),
    }
    return found


def _read(rounds: int) -> dict[str, float]:
    """Microseconds of a reading in the median round; what the driver costs over smbus2 alone in the median of the
    differences."""
    ours, bare = [], []
    with wires.one_chip() as pair:
        for _ in range(rounds):
            bare.append(_each(pair.bare))
            ours.append(_each(pair.ours))
    over = [one - other for one, other in zip(ours, bare, strict=True)]
    return {"ours": _us(ours), "bare": _us(bare), "over": _us(over)}


def _sampling(folder: Path, seconds: float) -> dict[str, float]:
    found = wires.sampling(folder, _DEVICES, seconds)
    return {
        "devices": _DEVICES,
        "cpu_percent": round(found["share"] * 100, 2),
        "bare_cpu_percent": round(found["bare_share"] * 100, 2),
    }


def _edges(folder: Path, number: int) -> dict[str, float]:
    ours, bare = wires.edges(folder, number), wires.wake_ups(number)
    return {
        "p50": _us(ours),
        "p99": _us(statistics.quantiles(ours, n=100)[98:]),
        "bare_p50": _us(bare),
        "bare_p99": _us(statistics.quantiles(bare, n=100)[98:]),
    }


def _each(call: Callable[[], object]) -> float:
    began = CLOCK.monotonic()
    for _ in range(_CALLS):
        call()
    return (CLOCK.monotonic() - began) / _CALLS


def _us(seconds: list[float]) -> float:
    return round(statistics.median(seconds) * 1e6, 1)


# -- for people ---------------------------------------------------------------------------------------------------


def _rows(found: Mapping[str, Any]) -> list[tuple[object, ...]]:
    read, sampling, edge, virtual = (found[name] for name in ("read_us", "sampling", "edge_us", "virtual"))
    many = f"{sampling['devices']} devices at 1 Hz, CPU %"
    return [
        ("a BME280 read, us", read["ours"], "smbus2 alone", read["bare"], read["over"], "<= 150"),
        (many, sampling["cpu_percent"], "the transfers alone", sampling["bare_cpu_percent"], "", "< 3"),
        ("edge to inbox, us, p50", edge["p50"], "a thread's wake-up", edge["bare_p50"], "", "< 200"),
        ("edge to inbox, us, p99", edge["p99"], "a thread's wake-up", edge["bare_p99"], "", ""),
        ("the demo in virtual time", f"{virtual['demo_speed']} x", "real time", "1 x", "", ">= 2000 x"),
        (f"{virtual['days']} days of three sensors, s", virtual["days_took_s"], "", "", "", f"< {2 * virtual['days']}"),
    ]
