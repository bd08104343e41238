"""A world, a bus and a header for the drivers, all simulated, with a time that only the test moves."""

from collections.abc import Iterator

import pytest

from drivers import SimBus, World
from drivers.gpio import SimulatedPins, pin_factory


class Now:
    """Monotonic seconds, moved by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds

    def wait(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def world(now: Now) -> World:
    return World(now)


@pytest.fixture
def bus() -> SimBus:
    return SimBus()


@pytest.fixture
def pins(now: Now) -> Iterator[SimulatedPins]:
    header = pin_factory("sim", now=now, wait=now.wait)
    yield header
    header.close()
