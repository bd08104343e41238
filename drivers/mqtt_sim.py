"""The simulated end of the MQTT wire: a node that says what such a device says, and does what it is told.

    node = SimTasmota(world, "plug")     post = node.line()     node.fit(device)     post.unplug(); post.plug()

A node stands for the device and its broker: it has its birth message, its last will, what the broker keeps, telemetry
at its period and state as soon as it changes. `SimPost` carries that to one driver; the test kit puts the same nodes on
its broker.
"""

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, ClassVar

from drivers.errors import BadData
from drivers.line import SimEnd, SimLine
from drivers.mqtt import MqttDevice, Said
from drivers.sim import World

LOOK = 1.0
"""Seconds between two looks at the world for what is told when it changes."""


class SimNode(SimEnd):
    """One device on the network. `period`: seconds between two reports; `qos`: at which it publishes."""

    period: ClassVar[float] = 60.0
    qos: ClassVar[int] = 0
    device: Any

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.here = False
        self.on = True
        self._said: list[Said] = []
        self._next = math.inf

    def line(self, *, wait: Callable[[float], None] | None = None) -> "SimPost":
        return SimPost(self, wait=wait)

    def fit(self, device: MqttDevice) -> None:
        self.device = device
        self.arrive()

    def arrive(self) -> None:
        """Power is there: connect, say so, and report."""
        self.here = True
        self.birth()
        self._report()

    def leave(self) -> None:
        """The power is gone: the broker finds out, and tells the last will."""
        if self.here:
            self.here = False
            self.will()

    def hear(self, topic: str, payload: bytes) -> None:
        """A message on any topic; those that are not its own, and nonsense, do nothing."""
        if self.here:
            with suppress(BadData):
                self.obey(topic, payload)

    def switch(self, on: bool) -> None:
        """Somebody, or a command, put its switch so."""
        changed, self.on = on != self.on, on
        if "on" in self.device.telling and self.world.sample(f"{self.name}.on", default=not on) != on:
            self.world[f"{self.name}.on"] = on
        self.switched(changed)

    def look(self) -> None:
        """Say what is due by now."""
        if not self.here:
            return
        if "on" in self.device.telling and bool(self.signal("on", self.on)) != self.on:
            self.switch(not self.on)
        self.changed()
        # a sum of floats may fall short of the time that it was to reach
        if self.now() >= self._next - 1e-9:
            self._report()

    @property
    def due(self) -> float:
        """Seconds until it looks again."""
        return min(LOOK, max(0.0, self._next - self.now())) if self.here else math.inf

    def spoken(self) -> list[Said]:
        """What it has said since the last call."""
        said, self._said = self._said, []
        return said

    def say(self, topic: str, text: str, *, retain: bool = False) -> None:
        self._said.append(Said(topic, text.encode(), retain))

    def _report(self) -> None:
        self._next = self.now() + self.period
        self.report()

    @abstractmethod
    def birth(self) -> None:
        """What it says when it has connected."""

    @abstractmethod
    def will(self) -> None:
        """What the broker says when it is gone."""

    @abstractmethod
    def report(self) -> None:
        """Say everything, as at each period."""

    @abstractmethod
    def obey(self, topic: str, payload: bytes) -> None:
        """A message that came while it was there."""

    def switched(self, changed: bool) -> None:
        """Its switch was put somewhere, `changed` or not: say so."""
        return

    def changed(self) -> None:
        """Say what is told as soon as it changes, where it did."""
        return


class SimPost(SimLine[SimNode]):
    """A broker with one node on it, with the contract of `drivers.mqtt.Post`. What the broker keeps is delivered to
    whoever subscribes."""

    def __init__(self, part: SimNode, *, wait: Callable[[float], None] | None = None) -> None:
        super().__init__(part, wait=wait)
        self._topics: frozenset[str] = frozenset()
        self._kept: dict[str, Said] = {}
        self._waiting: list[Said] = []

    def unplug(self) -> None:
        super().unplug()
        self.part.leave()

    def plug(self) -> None:
        super().plug()
        if not self.part.here:
            self.part.arrive()

    def subscribe(self, topics: Sequence[str]) -> None:
        with self.exchange(" ".join(topics)):
            first, self._topics = not self._topics, frozenset(topics)
            self._listen()
            if not first:  # a node that came up before anybody listened has said everything just now
                self._waiting = [self._kept[topic] for topic in topics if topic in self._kept]

    def publish(self, topic: str, payload: bytes) -> None:
        with self.exchange(f"{topic} {payload!r}"):
            self.part.hear(topic, payload)

    def messages(self, enough: Callable[[], bool] = lambda: True) -> list[Said]:
        with self.exchange("messages"):
            self.part.look()
            self._listen()
            came, self._waiting = self._waiting, []
        return came

    @property
    def due(self) -> float:
        """Seconds until the node looks again."""
        return self.part.due

    def _listen(self) -> None:
        for said in self.part.spoken():
            if said.retain:
                self._kept[said.topic] = said
            if said.topic in self._topics:
                self._waiting.append(said._replace(retain=False))
