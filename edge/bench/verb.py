"""`edge bench path`, and `edge bench` alone: the figures that matter, as ratios against baselines of the same run."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge.bench.path import BASELINE, OURS, Incomplete, Round, WholePath
from edge.bench.subject import share_cores
from edge.cli.arguments import Arguments
from edge.cli.exits import DEGRADED, FINE, Stop
from edge.cli.output import columns, note, say, say_json
from edge.links.embedded import NoBroker, find_mosquitto

_ROWS = {
    "burst_per_s": "burst, messages/s",
    "cpu_us_per_message": "CPU, us a message",
    "latency_p50_ms": "latency p50, ms",
    "latency_p99_ms": "latency p99, ms",
    "first_outcome_s": "start to first outcome, s",
    "rss_idle_mb": "memory idle, MB",
    "rss_loaded_mb": "memory after the burst, MB",
}


def bench(words: list[str]) -> int:
    """Exit 1 without Mosquitto, 3 when a subject lost messages."""
    arguments = Arguments(
        "bench path",
        "Measure the whole path (MQTT in, durable, delivered over MQTT) beside a bare paho loop that keeps nothing.",
        examples=("bench", "bench path --rounds 5 --json", "bench journal --help"),
    )
    arguments.add_argument("--messages", type=int, default=20_000, help="in each burst (default: 20000)")
    arguments.add_argument("--rounds", type=int, default=3, help="of each subject, in turns (default: 3)")
    arguments.add_argument("--batch", type=int, default=100, help="outcomes in one message upstream (default: 100)")
    arguments.add_argument("--seconds", type=float, default=10.0, help="at 100 messages a second (default: 10)")
    arguments.with_json('{"edge": {...}, "bare paho": {...}, "ratio": {"burst", "cpu"}}')
    options = arguments.parse_args(words)
    if find_mosquitto() is None:
        raise Stop("there is no Mosquitto here to measure with; `sudo apt-get install mosquitto`")
    try:
        figures = _measure(options.messages, options.rounds, options.batch, options.seconds)
    except (Incomplete, NoBroker) as error:
        note(str(error))
        return DEGRADED
    if options.json:
        say_json(figures)
    else:
        _show(figures)
    return FINE


def _measure(messages: int, rounds: int, batch: int, seconds: float) -> dict[str, Any]:
    share_cores()
    found = {OURS: Round(), BASELINE: Round()}
    with tempfile.TemporaryDirectory(prefix="edge-bench-") as folder:
        path = WholePath(Path(folder), messages=messages, batch=batch, seconds=seconds)
        for number in range(rounds):
            for name, figures in found.items():
                note(f"round {number + 1} of {rounds}: {name}")
                with path.brokers():
                    path.measure(path.subject(name), figures)
    result: dict[str, Any] = {name: one.data() for name, one in found.items()}
    ours, bare = result[OURS], result[BASELINE]
    result["ratio"] = {
        "burst": round(ours["burst_per_s"] / bare["burst_per_s"], 2),
        "cpu": round(ours["cpu_us_per_message"] / bare["cpu_us_per_message"], 2),
    }
    return result


def _show(figures: Mapping[str, Any]) -> None:
    ours, bare = figures[OURS], figures[BASELINE]
    say(columns(((label, ours[key], bare[key]) for key, label in _ROWS.items()), ("", "edge", "bare paho")))
    say(f"\nburst {figures['ratio']['burst']} x, CPU {figures['ratio']['cpu']} x of bare paho, which keeps nothing")
