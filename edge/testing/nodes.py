"""Simulated devices on the broker of a test: they publish there and hear what is published, as on a real one."""

from __future__ import annotations

import math

from drivers.simulation.mqtt import SimNode
from edge.testing.broker import FakeBroker


class Nodes(dict[str, SimNode]):
    """By the names of the devices. They outlive the gateway, as what hangs on a broker does."""

    def __init__(self, broker: FakeBroker) -> None:
        super().__init__()
        self.said = 0
        self._broker = broker
        broker.hearers.append(self._hear)

    def __missing__(self, name: str) -> SimNode:
        there = f"there are {', '.join(sorted(self))}" if self else "none is"
        raise KeyError(
            f"no device {name!r} is on the test's broker; {there}. With `backend: sim` a device is simulated inside the"
            f" gateway: say `backend: real`, which connects a test to nothing either"
        )

    def step(self) -> None:
        """Let them say what is due; without a broker nobody hears it."""
        for node in self.values():
            node.look()
            for said in node.spoken():
                self.said += 1
                if self._broker.online:
                    self._broker.publish(said.topic, said.payload, qos=node.qos, retain=said.retain)

    @property
    def due(self) -> float:
        """Seconds until one has something to say."""
        return min((node.due for node in self.values()), default=math.inf)

    def _hear(self, topic: str, payload: bytes) -> None:
        for node in self.values():
            node.hear(topic, payload)
