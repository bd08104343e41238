"""Shapes for the simulated world: each returns a function of time in seconds.

A shape depends on the time it is asked for and, where it is random, on the seeded generator it was given - never on
a clock, so the same questions give the same answers in every run.
"""

import math
from collections.abc import Callable
from random import Random

Signal = Callable[[float], float | bool]
"""A quantity as a function of time (seconds, the caller's monotonic clock). May raise `Hole`."""

DAY = 86400.0


class Hole(LookupError):
    """The signal has no value at that time: nobody recorded one. A simulated chip does not answer then."""


def constant(value: float | bool) -> Signal:
    """Always `value`."""
    return lambda _now: value


def sine(mean: float, amplitude: float, period: float, *, phase: float = 0.0) -> Signal:
    """A swing around `mean`: a day has `period=86400`; `phase` is the time of the first upward crossing."""
    return lambda now: mean + amplitude * math.sin(2 * math.pi * (now - phase) / period)


def diurnal(low: float, high: float, *, warmest: float = 15 * 3600.0, day: float = DAY) -> Signal:
    """A day's swing between `low` and `high`, highest at `warmest` seconds after midnight; time 0 is midnight."""
    return sine((low + high) / 2, (high - low) / 2, day, phase=warmest - day / 4)


def ramp(first: float, last: float, seconds: float, *, begin: float = 0.0) -> Signal:
    """From `first` to `last` within `seconds` after `begin`; constant before and after."""
    return lambda now: first + (last - first) * min(max((now - begin) / seconds, 0.0), 1.0)


def step(before: float | bool, after: float | bool, at: float) -> Signal:
    """`before` until the time `at`, `after` from then on."""
    return lambda now: after if now >= at else before


def drift(rate: float, *, begin: float = 0.0) -> Signal:
    """A slow ageing: `rate` per hour, from `begin` on; add it to what is measured with `total`."""
    return lambda now: rate * max(now - begin, 0.0) / 3600


def total(*parts: Signal) -> Signal:
    """The sum of signals."""
    return lambda now: sum(part(now) for part in parts)


def quantised(signal: Signal, quantum: float) -> Signal:
    """`signal` in whole steps of `quantum`, as after a converter."""
    return lambda now: round(signal(now) / quantum) * quantum


def noise(signal: Signal, sigma: float, random: Random) -> Signal:
    """`signal` plus Gaussian noise, drawn anew at every question."""
    return lambda now: signal(now) + random.gauss(0.0, sigma)


def walk(
    start: float,
    stride: float,
    random: Random,
    *,
    every: float = 1.0,
    low: float = -math.inf,
    high: float = math.inf,
) -> Signal:
    """A random walk: up to `stride` up or down `every` seconds, held within `low` .. `high`.

    How often it is asked does not change the path; asking for a time before the last one gives the last value.
    """
    value, steps = start, 0

    def at(now: float) -> float:
        nonlocal value, steps
        while (steps + 1) * every <= now:
            value = min(max(value + random.uniform(-stride, stride), low), high)
            steps += 1
        return value

    return at
