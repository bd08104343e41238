"""A gateway's ingest on a broker in memory."""

from __future__ import annotations

import contextlib
import random
from collections import deque
from collections.abc import Collection, Mapping
from typing import Any

from edge.config.models import Mqtt
from edge.errors import PayloadError
from edge.ids import Minter
from edge.ingest.mail import Box
from edge.ingest.mqtt import Arrival, Command, Door, MqttSource
from edge.links.link import Will
from edge.model import Event
from edge.testing.broker import FakeBroker
from edge.testing.clock import VirtualClock

PLANT = {"plant": {"topic": "plant/#"}}


class Gateway:
    """`inbox` holds what was offered, `lossy` what was pushed; `room` is how much may wait."""

    def __init__(
        self,
        broker: FakeBroker,
        clock: VirtualClock,
        *,
        known: Mapping[int, int] | None = None,
        raw: Collection[str] = (),
        commands: Collection[str] = (),
        command: Command | None = None,
        door: Door | None = None,
        devices: Mapping[str, tuple[Box, ...]] | None = None,
        **settings: Any,
    ) -> None:
        self.settings = Mqtt.model_validate({"broker": "mqtt://here", "subscribe": PLANT, **settings})
        self.broker = broker
        self.clock = clock
        self.link = broker.link(self.settings, client_id="edge-pi", will=Will("edge/pi/status"))
        self.inbox: deque[Arrival] = deque()
        self.lossy: deque[Arrival] = deque()
        self.room = 1000
        self.forgotten = 0
        self.source = MqttSource(
            self.link,
            self.settings,
            edge_id="pi",
            offer=self._offer,
            push=self.lossy.append,
            crowded=lambda: len(self.inbox) > self.room // 2,
            clock=clock,
            minter=Minter("pi", clock, random.Random(1)),
            deliveries=known or {},
            forget=self._forget,
            raw=raw,
            commands=commands,
            command=command,
            devices=devices or {},
            door=door,
        )

    def step(self, times: int = 3) -> None:
        for _ in range(times):
            self.source.step()
            self.link.step(0)

    def reconnect(self) -> None:
        """Notice what happened to the connection, wait, and connect again."""
        self.step()
        self.clock.advance(1)
        self.step()

    def take(self) -> list[Event]:
        """Decode and settle everything that waits; what is no event is dropped."""
        events: list[Event] = []
        while self.inbox or self.lossy:
            arrival = (self.inbox or self.lossy).popleft()
            with contextlib.suppress(PayloadError):
                events += arrival.events()
            arrival.settle()
        self.step()
        return events

    def unacknowledged(self) -> int:
        return len(self.broker._clients["edge-pi"].unacknowledged)

    def _offer(self, arrival: Any) -> bool:
        if len(self.inbox) >= self.room:
            return False
        self.inbox.append(arrival)
        return True

    def _forget(self) -> None:
        self.forgotten += 1
