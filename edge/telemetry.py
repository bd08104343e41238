"""Counters, gauges and histograms, and their Prometheus text.

Hot paths hold the `Counter` itself and pay one lock and one addition. No process-wide registry: two runtimes in one
test count apart. Names and labels are the closed list of the documentation; a run's id is never a label.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Mapping

Labels = tuple[tuple[str, str], ...]
_BUCKETS = (0.0001, 0.001, 0.01, 0.1, 1.0, 10.0)


class Counter:
    """A number that only grows. Any thread."""

    __slots__ = ("_lock", "value")

    def __init__(self) -> None:
        self.value = 0
        self._lock = threading.Lock()

    def add(self, amount: int = 1) -> None:
        with self._lock:
            self.value += amount


class Histogram:
    """Seconds, in decades from 100 us to 10 s. Any thread."""

    __slots__ = ("_lock", "counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(_BUCKETS) + 1)
        self.total = 0.0
        self._lock = threading.Lock()

    def observe(self, seconds: float) -> None:
        with self._lock:
            self.counts[bisect_left(_BUCKETS, seconds)] += 1
            self.total += seconds


class Telemetry:
    """One runtime's metrics. `counter` and `histogram` return the same object for the same name and labels."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counters: dict[tuple[str, Labels], Counter] = {}
        self._histograms: dict[tuple[str, Labels], Histogram] = {}
        self._gauges: dict[tuple[str, Labels], Callable[[], float]] = {}

    def counter(self, name: str, /, **labels: str) -> Counter:
        with self._lock:
            return self._counters.setdefault((name, tuple(sorted(labels.items()))), Counter())

    def histogram(self, name: str, /, **labels: str) -> Histogram:
        with self._lock:
            return self._histograms.setdefault((name, tuple(sorted(labels.items()))), Histogram())

    def gauge(self, name: str, read: Callable[[], float], /, **labels: str) -> None:
        """`read` is called when the metrics are asked for, in the asking thread."""
        with self._lock:
            self._gauges[name, tuple(sorted(labels.items()))] = read

    def counts(self, name: str) -> dict[Labels, int]:
        """Every counter of that name, by labels."""
        with self._lock:
            return {labels: counter.value for (known, labels), counter in self._counters.items() if known == name}

    def total(self, name: str) -> int:
        """The sum over all labels."""
        return sum(self.counts(name).values())

    def render(self) -> str:
        """The Prometheus text exposition format, version 0.0.4."""
        with self._lock:
            counters, histograms, gauges = dict(self._counters), dict(self._histograms), dict(self._gauges)
        lines: list[str] = []
        for (name, labels), counter in sorted(counters.items()):
            _declare(lines, name, "counter")
            lines.append(f"{name}{_braces(labels)} {counter.value}")
        for (name, labels), read in sorted(gauges.items(), key=lambda item: item[0]):
            _declare(lines, name, "gauge")
            lines.append(f"{name}{_braces(labels)} {read():g}")
        for (name, labels), histogram in sorted(histograms.items()):
            _declare(lines, name, "histogram")
            lines.extend(_histogram_lines(name, labels, histogram))
        return "\n".join(lines) + "\n"


def _declare(lines: list[str], name: str, kind: str) -> None:
    line = f"# TYPE {name} {kind}"
    if not any(known == line for known in lines):
        lines.append(line)


def _histogram_lines(name: str, labels: Labels, histogram: Histogram) -> list[str]:
    lines, running = [], 0
    for bound, count in zip((*map(str, _BUCKETS), "+Inf"), histogram.counts, strict=True):
        running += count
        lines.append(f"{name}_bucket{_braces((*labels, ('le', bound)))} {running}")
    lines.append(f"{name}_sum{_braces(labels)} {histogram.total:g}")
    lines.append(f"{name}_count{_braces(labels)} {running}")
    return lines


def _braces(labels: Labels | Mapping[str, str]) -> str:
    pairs = labels.items() if isinstance(labels, Mapping) else labels
    text = ",".join(f'{key}="{_escape(value)}"' for key, value in pairs)
    return f"{{{text}}}" if text else ""


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
