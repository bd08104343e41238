"""Whatever is killed, stopped or hangs: every message has exactly one outcome id upstream, and none is lost.

`edge run` between two real brokers. `--messages`, `--rate` and `--kills` set the size of a round.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator

import pytest

from tests.broker.mosquitto import Mosquitto, until
from tests.broker.process import Consumer, EdgeProcess, Speaker, assert_each_once

pytestmark = [pytest.mark.broker, pytest.mark.timeout(600)]

BURST = 1_000_000  # messages a second: as fast as the speaker can

CONFIG = """
    edge: {{id: pi}}
    mqtt:
      broker: {incoming}
      subscribe:
        count: {{topic: plant/count}}
        echo: {{topic: plant/echo}}
    tasks:
      count: {{run: "./tasks.py:count", when: {{source: count}}}}
      echo: {{run: "./tasks.py:echo", when: {{source: echo}}, grant: {{publish: [plant/echoed]}}}}
    journal: {{path: ./journal}}
    upstream: {{kind: mqtt, broker: "{upstream}", batch: 100}}
"""
TASKS = """
    @task
    def count(event: Event, ctx: Context) -> int:
        return event.values["n"]

    @task
    def echo(event: Event, ctx: Context) -> int:
        ctx.publish("plant/echoed", event.values["n"])
        return event.values["n"]
"""


def topic(number: int) -> str:
    """Every fifth message starts a run that is promised first, because it publishes; the others happen at once."""
    return "plant/echo" if number % 5 == 0 else "plant/count"


class Plant:
    """Two brokers, a runtime between them, a speaker before and a consumer behind."""

    def __init__(self, incoming: Mosquitto, upstream: Mosquitto, edge: EdgeProcess, total: int, rate: int) -> None:
        self.incoming = incoming
        self.upstream = upstream
        self.edge = edge
        self.total = total
        self.consumer = Consumer(upstream.port)
        edge.start()
        self.until_subscribed()
        self.speaker = Speaker(incoming.port, topic, total, rate)

    def until_subscribed(self) -> None:
        until(lambda: "Sending SUBACK to edge-pi" in self.incoming.log)

    def moments(self, count: int, seed: int) -> list[int]:
        """So many random points of the round, as numbers of messages said."""
        dice = random.Random(seed)
        return sorted(dice.randrange(self.total // 20, self.total) for _ in range(count))

    def check(self) -> None:
        """All of it arrives; then the runtime stops, and the journal says the same as the consumer."""
        self.speaker.has_said(self.total)
        self.consumer.until_all(range(self.total))
        self.edge.until_delivered()
        assert self.edge.stop() == 0
        self.edge.start()
        until(self.edge.connected, 60)  # what was not acknowledged would come again now
        self.edge.until_delivered()
        assert self.edge.stop() == 0

        assert_each_once(range(self.total), self.consumer.numbers())
        outcomes = self.edge.outcomes()
        assert {outcome.id for outcome in outcomes} == self.consumer.envelopes.keys()
        assert len(outcomes) == self.total
        assert {outcome.status.value for outcome in outcomes} == {"success"}
        assert self.edge.looks > 10

    def leave(self) -> None:
        self.speaker.leave()
        self.consumer.leave()


@pytest.fixture
def plant(
    start_mosquitto: Callable[[], Mosquitto],
    edge_process: Callable[[str, str], EdgeProcess],
    pytestconfig: pytest.Config,
) -> Iterator[Callable[..., Plant]]:
    made: list[Plant] = []

    def make(rate: int = pytestconfig.getoption("rate")) -> Plant:
        incoming, upstream = start_mosquitto(), start_mosquitto()
        edge = edge_process(CONFIG.format(incoming=incoming.url, upstream=upstream.url), TASKS)
        made.append(Plant(incoming, upstream, edge, pytestconfig.getoption("messages"), rate))
        return made[-1]

    yield make
    for one in made:
        one.leave()


@pytest.mark.parametrize("pace", ["steady", "burst"])
def test_a_runtime_killed_at_random_moments_loses_nothing_and_counts_nothing_twice(plant, pytestconfig, pace):
    plant = plant() if pace == "steady" else plant(rate=BURST)
    for moment in plant.moments(pytestconfig.getoption("kills"), seed=1):
        plant.speaker.has_said(moment)
        plant.edge.kill()
        plant.edge.start()
    plant.check()


def test_an_input_broker_that_restarts_costs_nothing(plant):
    plant = plant()
    for moment in plant.moments(2, seed=2):
        plant.speaker.has_said(moment)
        plant.speaker.rest()  # the runtime is still at work when the broker goes
        plant.incoming.stop()
        plant.incoming.start()
        plant.speaker.go_on()
    plant.check()


def test_an_upstream_that_is_away_for_a_while_gets_everything_when_it_is_back(plant, pytestconfig):
    plant = plant()
    plant.speaker.has_said(plant.total // 10)
    plant.upstream.stop()
    back = time.monotonic() + pytestconfig.getoption("away")
    until(lambda: plant.edge.pending > plant.total // 2 and time.monotonic() > back, 120, every=0.05)
    plant.upstream.start()
    plant.check()


def test_an_upstream_that_hangs_while_the_runtime_is_killed_gets_everything_once(plant):
    plant = plant(rate=BURST)
    plant.upstream.hang()
    plant.speaker.has_said(plant.total)
    until(lambda: plant.edge.events["received"] >= plant.total, 60)
    plant.edge.kill()
    plant.upstream.go_on()
    plant.edge.start()
    plant.check()
