"""The whole path: message in, outcome durable, delivered upstream; beside a bare paho loop that keeps nothing.

Both get the same messages from the same load over the same two brokers, in turns, so that what else the machine does
falls on both.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import orjson

from edge.bench.subject import Subject
from edge.bench.wire import Wire, publish_packet
from edge.clock import Clock, SystemClock
from edge.links.embedded import MOSQUITTO_HURRIES, EmbeddedBroker

OURS, BASELINE = "edge", "bare paho"
FILTER, OUT = "sensors/+/temperature", "bench/outcomes"
_SENSORS = 8
_SETTLE = 5.0  # seconds after the last message in which a subject may still deliver
_CONFIG = """\
edge: {{id: bench, backend: sim}}
mqtt:
  broker: mqtt://127.0.0.1:{incoming}
  subscribe:
    temps: {{topic: "{filter}", qos: 1}}
tasks:
  mean: {{run: "./rolling_mean.py:mean", when: {{source: temps, field: value, above: 30, each: true}}}}
journal: {{path: ./journal, max_size: 1GB}}
upstream: {{kind: mqtt, broker: "mqtt://127.0.0.1:{outgoing}", topic: "{out}", batch: {batch}}}
"""


class Incomplete(Exception):
    """Not every message came out: a figure of such a run would mean nothing."""


class Counter(threading.Thread):
    """Reads the upstream broker: `seen` maps the number of a message to the moment its outcome came."""

    def __init__(self, port: int, clock: Clock) -> None:
        super().__init__(name="bench-counter", daemon=True)
        self.seen: dict[int, float] = {}
        self.repeats = 0
        self._clock = clock
        self._wire = Wire(port, "bench-counter", timeout=0.2)
        self._wire.subscribe(OUT)
        self._ended = False

    def run(self) -> None:
        while not self._ended:
            try:
                payloads = self._wire.payloads()
            except TimeoutError:
                continue
            now = self._clock.monotonic()
            for payload in payloads:
                value = orjson.loads(payload)
                for envelope in value if isinstance(value, list) else [value]:
                    number = envelope["data"]["result"]["seq"]
                    if number in self.seen:
                        self.repeats += 1
                    else:
                        self.seen[number] = now

    def close(self) -> None:
        self._ended = True
        self.join(5)
        self._wire.close()


@dataclass(slots=True)
class Round:
    """One subject's figures: lists over the rounds. Rates in 1/s, times in seconds, memory in bytes."""

    rate: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    latency: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    idle: list[int] = field(default_factory=list)
    loaded: list[int] = field(default_factory=list)

    def data(self) -> dict[str, Any]:
        """Medians, in the units people use."""
        ordered = sorted(self.latency)
        return {
            "burst_per_s": round(statistics.median(self.rate)),
            "cpu_us_per_message": round(statistics.median(self.cpu) * 1e6, 1),
            "latency_p50_ms": round(ordered[len(ordered) // 2] * 1e3, 2),
            "latency_p99_ms": round(ordered[len(ordered) * 99 // 100] * 1e3, 2),
            "first_outcome_s": round(statistics.median(self.first), 3),
            "rss_idle_mb": round(statistics.median(self.idle) / 2**20, 1),
            "rss_loaded_mb": round(statistics.median(self.loaded) / 2**20, 1),
        }


class WholePath:
    """The scenarios. `messages` in a burst, `rate` a second for the latencies."""

    def __init__(self, folder: Path, *, messages: int, batch: int, seconds: float) -> None:
        self._folder = folder
        self._messages = messages
        self._batch = batch
        self._seconds = seconds
        self._clock = SystemClock()
        self._number = 0
        self._incoming, self._outgoing = self._brokers()

    def _brokers(self) -> tuple[EmbeddedBroker, EmbeddedBroker]:
        folder = Path(tempfile.mkdtemp(dir=self._folder))  # nothing that an earlier subject left behind
        incoming, outgoing = (
            EmbeddedBroker(folder / name, product="mosquitto", mosquitto=MOSQUITTO_HURRIES) for name in ("in", "out")
        )
        return incoming, outgoing

    @contextmanager
    def brokers(self) -> Iterator[None]:
        """Two fresh Mosquittos run."""
        self._incoming, self._outgoing = self._brokers()
        with ExitStack() as stack:
            for broker in (self._incoming, self._outgoing):
                broker.start()
                stack.callback(broker.stop)
            yield

    def subject(self, name: str) -> Subject:
        """`edge` or `bare paho`, on the brokers that run."""
        ports = {"incoming": self._incoming.port, "outgoing": self._outgoing.port}
        text = _CONFIG.format(filter=FILTER, out=OUT, batch=self._batch, **ports)
        shutil.rmtree(self._folder / "journal", ignore_errors=True)
        (self._folder / "edge.yaml").write_text(text)
        resources = files("edge.bench")
        (self._folder / "rolling_mean.py").write_text((resources / "rolling_mean.py.txt").read_text())
        (self._folder / "bare_paho.py").write_text((resources / "bare_paho.txt").read_text())
        if name == OURS:
            return Subject(name, [sys.executable, "-m", "edge", "run", "-c", "edge.yaml"], self._folder)
        arguments = [str(self._incoming.port), str(self._outgoing.port), FILTER, OUT]
        return Subject(name, [sys.executable, "bare_paho.py", *arguments], self._folder)

    def measure(self, subject: Subject, into: Round) -> None:
        """One round: start, first outcome, latencies, a burst, memory. Raises `Incomplete`."""
        assert self._outgoing.port is not None
        counter = Counter(self._outgoing.port, self._clock)
        counter.start()
        try:
            begin = self._clock.monotonic()
            subject.start()
            into.first.append(self._first(counter) - begin)
            self._wait(self._seconds / 5, lambda: False)
            into.idle.append(subject.rss)
            into.latency += self._steadily(counter)
            rate, cpu = self._burst(subject, counter)
            into.rate.append(rate)
            into.cpu.append(cpu)
            into.loaded.append(subject.rss)
        finally:
            subject.stop()
            counter.close()

    def _first(self, counter: Counter) -> float:
        """Probe until the first outcome comes; the moment it came."""
        load = self._load("probe")
        for _ in range(1500):
            load.send(self._packet(1))
            if self._wait(0.02, lambda: bool(counter.seen)):
                load.close()
                return min(counter.seen.values())
        raise Incomplete("no outcome within 30 s of the start")

    def _steadily(self, counter: Counter) -> list[float]:
        load = self._load("steady")
        sent: dict[int, float] = {}
        for _ in range(int(self._seconds * 100)):
            packet = self._packet(1)
            sent[self._number] = self._clock.monotonic()
            load.send(packet)
            self._wait(0.01, lambda: False)
        self._wait(_SETTLE, lambda: self._number in counter.seen)
        load.close()
        missing = [number for number in sent if number not in counter.seen]
        if missing:
            raise Incomplete(f"{len(missing)} of {len(sent)} outcomes did not come at 100 messages a second")
        return [counter.seen[number] - moment for number, moment in sent.items()]

    def _burst(self, subject: Subject, counter: Counter) -> tuple[float, float]:
        load = self._load("burst")
        first = self._number + 1
        block = b"".join(self._packet(identifier % 65_535 + 1) for identifier in range(self._messages))
        reader = threading.Thread(target=_swallow, args=(load,), daemon=True)
        reader.start()
        before = len(counter.seen)
        cpu, begin = subject.cpu, self._clock.monotonic()
        load.send(block)
        wanted = range(first, self._number + 1)
        if not self._wait(120.0, lambda: len(counter.seen) - before >= self._messages):
            missing = sum(number not in counter.seen for number in wanted)
            raise Incomplete(f"{missing} of {self._messages} outcomes of the burst did not come in two minutes")
        end = max(counter.seen[number] for number in wanted)
        spent = subject.cpu - cpu
        load.close()
        reader.join(5)
        return self._messages / (end - begin), spent / self._messages

    def _load(self, name: str) -> Wire:
        assert self._incoming.port is not None
        return Wire(self._incoming.port, f"bench-{name}")

    def _packet(self, identifier: int) -> bytes:
        self._number += 1
        reading = {"value": 31.2, "ts": self._clock.wall(), "seq": self._number}
        return publish_packet(f"sensors/{self._number % _SENSORS}/temperature", orjson.dumps(reading), identifier)

    def _wait(self, seconds: float, done: Any) -> bool:
        pause = threading.Event()
        end = self._clock.monotonic() + seconds
        while not done():
            left = end - self._clock.monotonic()
            if left <= 0:
                return bool(done())
            pause.wait(min(left, 0.005))
        return True


def _swallow(load: Wire) -> None:
    """Read the broker's acknowledgements, or its buffers fill and it stops taking messages."""
    try:
        while True:
            load.acknowledged()
    except (OSError, ValueError):
        return  # the bench closed the connection
