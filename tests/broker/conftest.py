"""A Mosquitto a test, and a gateway's link driven in the test's own thread."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from edge.clock import Clock, SystemClock
from edge.config.models import Mqtt
from edge.ids import Minter
from edge.ingest.mqtt import MqttSource
from edge.links.backoff import Backoff
from edge.links.link import Will
from edge.links.mqtt import MqttLink
from edge.model import Incoming
from tests.broker.mosquitto import Mosquitto
from tests.broker.process import EdgeProcess


@pytest.fixture
def start_mosquitto(tmp_path: Path) -> Iterator[Callable[..., Mosquitto]]:
    started: list[Mosquitto] = []

    def start(*lines: str) -> Mosquitto:
        folder = tmp_path / f"mosquitto-{len(started)}"
        folder.mkdir()
        broker = Mosquitto(folder, lines or ("allow_anonymous true",))
        started.append(broker)
        broker.start()
        return broker

    yield start
    for broker in started:
        broker.kill()


@pytest.fixture
def mosquitto(start_mosquitto: Callable[..., Mosquitto]) -> Mosquitto:
    return start_mosquitto()


@pytest.fixture
def edge_process(tmp_path: Path) -> Iterator[Callable[[str, str], EdgeProcess]]:
    """`edge_process(config, tasks)` is an `edge run` that is not started yet."""
    made: list[EdgeProcess] = []

    def make(config: str, tasks: str) -> EdgeProcess:
        process = EdgeProcess(tmp_path / f"edge-{len(made)}", config, tasks)
        made.append(process)
        return process

    yield make
    for process in made:
        process.close()


class Gateway:
    """A link and what the test needs around it. Everything happens in `drive`."""

    def __init__(self, url: str, *, client_id: str = "edge-pi", clock: Clock | None = None, **settings: Any) -> None:
        self.settings = Mqtt.model_validate({"broker": url, **settings})
        self.clock = clock or SystemClock()
        self.link = MqttLink(
            self.settings,
            client_id=client_id,
            clock=self.clock,
            backoff=quick(),
            will=Will("edge/pi/status"),
            receive_maximum=self.settings.receive_maximum,
        )
        self.before_step: list[Callable[[], object]] = []

    def drive(self, done: Callable[[], object], seconds: float = 20.0) -> None:
        """Step the link until `done`; fails the test when it takes too long."""
        deadline = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < deadline, f"not within {seconds:g} s; link: {self.link.standing}"
            for step in self.before_step:
                step()
            self.link.step(0.02)

    def drive_for(self, seconds: float) -> None:
        """Step the link for a while in which nothing should happen."""
        end = time.monotonic() + seconds
        self.drive(lambda: time.monotonic() > end, seconds + 5)

    def connect(self) -> None:
        self.drive(lambda: self.link.session)


class Listener(Gateway):
    """A gateway with ingest: what arrives waits in `inbox`, at most `room` of it."""

    def __init__(self, url: str, *, room: int = 100_000, known: Mapping[int, int] | None = None, **more: Any) -> None:
        sources = more.pop("subscribe", {"plant": {"topic": "plant/#"}})
        super().__init__(url, subscribe=sources, **more)
        self.inbox: deque[Incoming] = deque()
        self.room = room
        self.forgotten = 0
        self.source = MqttSource(
            self.link,
            self.settings,
            edge_id="pi",
            offer=self._offer,
            push=self.inbox.append,
            crowded=lambda: len(self.inbox) > room // 2,
            clock=self.clock,
            minter=Minter("pi", self.clock, random.Random(2)),
            deliveries=known or {},
            forget=self._forget,
        )
        self.before_step.append(self.source.step)

    def listen(self) -> None:
        """Connect, and wait until the broker has confirmed the subscriptions."""
        granted: list[object] = []
        self.link.listen(lambda session: self.link.subscribe([("probe", 0)], granted.append))
        self.drive(lambda: granted)

    def _offer(self, incoming: Incoming) -> bool:
        if len(self.inbox) >= self.room:
            return False
        self.inbox.append(incoming)
        return True

    def _forget(self) -> None:
        self.forgotten += 1


def quick() -> Backoff:
    """A tenth of a second between attempts: tests have better things to do."""
    return Backoff(random.Random(1), base=0.1, cap=0.2, slow=0.3)
