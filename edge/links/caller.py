"""A connection of its own to a broker for one command of the command line: subscribe, say, listen a while, leave.

It keeps no session and has no will, and its client id is not the gateway's: what the broker holds for the runtime
stays there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence

from drivers import BusFault, BusTimeout, BusUnavailable
from drivers.wires.mqtt import Said
from edge.clock import Clock
from edge.links.link import FAILURE, Link, Message, State

PATIENCE = 5.0  # seconds to connect, and to be told something by a device
_TURN = 0.1


class Reach:
    """What the callers of one command know of their broker: where one could not reach it, the next tries only once.
    Ten plugs behind a broker that is away would else keep `edge outputs safe` longer than systemd lets it run."""

    def __init__(self) -> None:
        self.patience = PATIENCE


class Caller:
    """`drivers.Post` over a link that nobody else drives. One thread; connects when it is first needed."""

    def __init__(self, link: Link, clock: Clock, reach: Reach | None = None) -> None:
        self.name = link.client_id
        self._link = link
        self._clock = clock
        self._reach = reach or Reach()
        self._came: deque[Said] = deque()
        link.on_message = self._heard

    def subscribe(self, topics: Sequence[str]) -> None:
        self._connect()
        answers: list[int] = []
        self._link.subscribe([(topic, 1) for topic in topics], answers.extend)
        self._drive(lambda: answers, "the broker did not answer the subscription")
        for topic, code in zip(topics, answers, strict=False):
            if code >= FAILURE:
                raise BusFault(f"{topic}: the broker refused the subscription (0x{code:02x}): check its access rules")

    def publish(self, topic: str, payload: bytes) -> None:
        self._connect()
        answers: list[tuple[int, str]] = []
        self._link.publish(topic, payload, done=lambda code, name: answers.append((code, name)))
        self._drive(lambda: answers, f"{topic}: the broker did not take it")
        if answers[0][0] >= FAILURE:
            raise BusFault(f"{topic}: the broker refused it: {answers[0][1]}; change its access rules")

    def messages(self, enough: Callable[[], bool]) -> Iterator[Said]:
        """What comes, for `PATIENCE` seconds or until it is enough."""
        end = self._clock.monotonic() + PATIENCE
        while True:
            while self._came:
                yield self._came.popleft()
            if enough() or self._clock.monotonic() >= end:
                return
            self._link.step(_TURN)

    def close(self) -> None:
        self._link.close()

    def _connect(self) -> None:
        patience, self._reach.patience = self._reach.patience, _TURN
        self._drive(lambda: self._link.session is not None and self._link.room, "no connection", patience)
        self._reach.patience = PATIENCE

    def _drive(self, done: Callable[[], object], otherwise: str, patience: float = PATIENCE) -> None:
        end = self._clock.monotonic() + patience
        while not done():
            standing = self._link.standing
            if standing.state is State.REFUSED:
                raise BusUnavailable(f"the broker: {standing.last_error}")
            if self._clock.monotonic() >= end:
                raise BusTimeout(f"the broker: {otherwise} within {patience:g} s; {standing.last_error}".rstrip("; "))
            self._link.step(_TURN)

    def _heard(self, message: Message) -> None:
        self._came.append(Said(message.topic, message.payload, message.retain))
        if message.packet_id:
            self._link.ack(message.packet_id)
