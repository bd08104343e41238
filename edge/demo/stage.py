"""Everything that a run of the demo needs, built on the real runtime: two brokers, the greenhouse, the pump, the
runtime, and the receiver upstream.

One thread, the caller's, drives pump and receiver by `step`; the runtime has its own threads, as always.
"""

from __future__ import annotations

import dataclasses
import random
from collections import deque
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from drivers import World
from edge.app import Runtime, build
from edge.clock import SystemClock
from edge.collect.receiver import Envelope, Receiver
from edge.collect.station import Station
from edge.config import load
from edge.config.models import Broker
from edge.demo.pump import Pump
from edge.demo.world import Greenhouse
from edge.links.backoff import Backoff
from edge.links.embedded import EmbeddedBroker
from edge.links.link import Link
from edge.outside import Dialler, Outside

CONFIG = Path(__file__).with_name("greenhouse.yaml")
_RECENT = 8
_LONGEST_WAIT = 2.0  # seconds between attempts to connect: a demo cannot wait half a minute as a gateway would


class Stage:
    """Built in order and entered into `stack`, which takes it down in the opposite order.

    folder   for the journal, the outcomes received, and the brokers
    day      seconds that a day of the greenhouse takes
    product  which broker program; None for what is there
    Raises ConfigError, JournalError, NoBroker.
    """

    def __init__(self, folder: Path, *, day: float, stack: ExitStack, product: str | None = None) -> None:
        self.clock = SystemClock()
        self.recent = deque[Envelope](maxlen=_RECENT)
        dice = random.Random()
        self._dial = Dialler(self.clock, lambda: Backoff(dice, base=0.2, cap=_LONGEST_WAIT))
        self.receiver = stack.enter_context(
            closing(Receiver(folder / "outcomes.sqlite", on_accepted=self.recent.append))
        )
        self.plant, self.upstream = (
            self._start(EmbeddedBroker(folder / name, product=product), stack) for name in ("plant", "upstream")
        )
        self.station = stack.enter_context(
            closing(
                Station(
                    self._dial(self.upstream.settings, client_id="demo-collect"), self.receiver, ["edge/+/outcomes"]
                )
            )
        )
        world = World(self.clock.monotonic)
        self.greenhouse = Greenhouse(world, begin=self.clock.monotonic(), day=day)
        self.pump = stack.enter_context(
            closing(Pump(self._dial(self.plant.settings, client_id="demo-pump"), world, self.clock))
        )
        self.runtime = self._build(folder, world)
        stack.callback(self.runtime.stop)

    # -- what happens ---------------------------------------------------------------------------------------------

    def start(self) -> None:
        """The runtime's threads run from here on."""
        self.runtime.start()

    def step(self, seconds: float) -> None:
        """The world moves on by about `seconds`: pins follow it, the pump publishes, the receiver receives."""
        self.greenhouse.world.refresh()
        self.pump.step()
        self.station.step(seconds)

    @property
    def ready(self) -> bool:
        """The receiver listens, and the runtime has a connection to each broker."""
        links = [part["state"] for part in self.runtime.status() if part["kind"] in ("link", "upstream")]
        return self.station.ready and all(state == "connected" for state in links)

    def take_away(self) -> None:
        """The upstream broker ends, as for an update or a power cut at the other side."""
        if not self.upstream.keeps_sessions:
            self._land_first()
        self.upstream.stop(keep_seat=True)
        self.runtime.desk.sync("resume")

    def give_back(self) -> None:
        """The same broker on the same address. Raises `NoBroker`."""
        self.upstream.start()

    def _land_first(self) -> None:
        """A broker that forgets may have acknowledged what it has not passed on: nothing may be under way."""
        self.runtime.desk.sync("pause")
        for _ in range(20):
            self.step(0.05)

    # -- what it looks like ---------------------------------------------------------------------------------------

    @property
    def backlog(self) -> int:
        """Outcomes that wait for the upstream."""
        return sum(upstream["pending"] for upstream in self.runtime.desk.sync("status"))

    @property
    def settled(self) -> bool:
        """Everything accepted has been received, and nothing is waiting."""
        return self.backlog == 0 and self.receiver.total.accepted == self.runtime.desk.journal_stats()["accepted"]

    # -- building -------------------------------------------------------------------------------------------------

    def _start(self, broker: EmbeddedBroker, stack: ExitStack) -> EmbeddedBroker:
        stack.callback(broker.stop)
        broker.start()
        return broker

    def _build(self, folder: Path, world: World) -> Runtime:
        environ = {
            "EDGE__MQTT__BROKER": self.plant.url,
            "EDGE__MQTT__VERSION": f"'{self.plant.settings.version}'",
            "EDGE__UPSTREAM__DEFAULT__BROKER": self.upstream.url,
            "EDGE__UPSTREAM__DEFAULT__VERSION": f"'{self.upstream.settings.version}'",
            "EDGE__JOURNAL__PATH": str(folder / "journal"),
        }
        outside = dataclasses.replace(Outside.real(world), open_link=self._open_runtime_link)
        return build(load(CONFIG, environ=environ), outside)

    def _open_runtime_link(self, settings: Broker, **options: Any) -> Link:
        link = self._dial(settings, **options)
        if settings.broker == self.upstream.url:
            # a broker that has never met the receiver, or has forgotten it, takes outcomes and throws them away
            link.ready = lambda: self.station.ready
        return link
