"""Links on a scripted broker, and gateways on one in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from edge.testing.broker import FakeBroker
from edge.testing.clock import VirtualClock
from tests.unit.mqtt.gateway import Gateway
from tests.unit.mqtt.stub import Bench


@pytest.fixture
def make_bench() -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def make(**settings: Any) -> Bench:
        made.append(Bench(**settings))
        return made[-1]

    yield make
    for bench in made:
        bench.close()


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    return make_bench()


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def broker(clock: VirtualClock) -> FakeBroker:
    return FakeBroker(clock)


@pytest.fixture
def make_gateway(broker: FakeBroker, clock: VirtualClock) -> Callable[..., Gateway]:
    def make(**more: Any) -> Gateway:
        gateway = Gateway(broker, clock, **more)
        gateway.step()
        return gateway

    return make


@pytest.fixture
def gateway(make_gateway: Callable[..., Gateway]) -> Gateway:
    """Connected and subscribed to `plant/#`."""
    return make_gateway()
