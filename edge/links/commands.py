"""Commands to devices on the broker: they leave at once, or whoever gave one is told that it did not.

Invariants
- Nothing waits for a connection: a command that finds none is an error, and so is one that a connection took with it.
- A command that its giver no longer waits for is not sent any more.
- Sent at QoS 1 and never retained: a command is for now.
- A broker that did not answer a command is not waited for again until it has said something: ten devices on a broker
  that hangs must not take ten times the patience when the gateway stops.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

from drivers import BusFault, BusTimeout, BusUnavailable, DriverError, Nack
from drivers.wires.mqtt import Said
from edge.links.link import FAILURE, Link

PATIENCE = 2.0  # seconds for the broker's acknowledgement
_TURN = 0.05  # seconds between two looks for it
_NOBODY = 0x10  # reason code of MQTT 5: taken, but nobody subscribes to it


Told = Callable[[DriverError | None], None]
"""Takes what became of a command, None for done; in the link's thread."""


class _Order:
    """One command: who reads `answered` first under the lock decides whether it is sent."""

    __slots__ = ("_told", "answered", "error", "given_up", "payload", "topic")

    def __init__(self, topic: str, payload: bytes, told: Told | None = None) -> None:
        self.topic = topic
        self.payload = payload
        self._told = told
        self.answered = threading.Event()
        self.error: DriverError | None = None
        self.given_up = False

    def close(self, error: DriverError | None = None) -> None:
        self.error = error
        self.answered.set()
        if self._told is not None:
            self._told(error)


class Commands:
    """`drivers.Post` over the runtime's own link. `publish` from any thread; `step` by the link's, before its own step.

    What devices say comes through ingest, so there is nothing to subscribe to here and no message to fetch.
    """

    name = "mqtt"

    def __init__(self) -> None:
        self._link: Link | None = None
        self._driver: threading.Thread | None = None
        self._lock = threading.Lock()
        self._driving = threading.RLock()  # of givers, where the link has no thread any more
        self._waiting: deque[_Order] = deque()
        self._under_way: set[_Order] = set()
        self._mute: float | None = None  # when the broker that did not answer was heard last

    def attach(self, link: Link) -> None:
        """Send over this link; before it connects."""
        self._link = link
        link.listen(disconnected=self._disconnected)

    def publish(self, topic: str, payload: bytes) -> None:
        """Send, and wait until the broker has it. Raises BusUnavailable (no connection), BusTimeout, BusFault (the
        broker refused), Nack (it said that nobody listens)."""
        link = self._connected(topic)
        order = _Order(topic, payload)
        self._waiting.append(order)
        link.wake()
        self._wait(link, order)
        with self._lock:
            order.given_up = True
        if not order.answered.is_set():
            self._mute = link.heard
            raise BusTimeout(f"{topic}: the broker did not take it within {PATIENCE:g} s; it may act all the same")
        if order.error is not None:
            raise order.error

    def later(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """Send these in the next step, for nobody who waits; a lost connection loses them. The link's thread."""
        self._waiting.extend(_Order(topic, payload) for topic, payload in messages)

    def ahead(self, messages: Sequence[tuple[str, bytes]], told: Told) -> None:
        """Send these before everything that waits, and tell what became of the last one. The link's thread."""
        orders = [_Order(topic, payload) for topic, payload in messages[:-1]]
        orders += [_Order(topic, payload, told) for topic, payload in messages[-1:]]
        self._waiting.extendleft(reversed(orders))

    def step(self) -> None:
        """Publish what waits."""
        self._driver = threading.current_thread()
        self._step()

    def _step(self) -> None:
        link = self._link
        while self._waiting and link is not None and link.room:
            order = self._waiting.popleft()
            with self._lock:
                if order.given_up:
                    continue
                self._under_way.add(order)
            try:
                link.publish(order.topic, order.payload, done=partial(self._done, order))
            except ValueError as error:
                self._under_way.discard(order)
                order.close(BusFault(f"{order.topic}: {error}"))

    def _wait(self, link: Link, order: _Order) -> None:
        """Until it is answered; drives the link where no thread does: before the start, after the end, and in tests."""
        turns = 1 if self._mute == link.heard else round(PATIENCE / _TURN)
        for _ in range(turns):
            driver = self._driver
            if driver is None or driver is threading.current_thread() or not driver.is_alive():
                with self._driving:
                    self._step()
                    if order.answered.is_set() or link.session is None:
                        return
                    link.step(_TURN)
            elif order.answered.wait(_TURN):
                return

    def _connected(self, topic: str) -> Link:
        link = self._link
        if link is None or link.session is None:
            why = "" if link is None else link.standing.last_error
            raise BusUnavailable(
                f"{topic}: there is no connection to the broker{f' ({why})' if why else ''}; nothing was sent"
            )
        return link

    def _done(self, order: _Order, code: int, name: str) -> None:
        self._under_way.discard(order)
        if code >= FAILURE:
            order.close(BusFault(f"{order.topic}: the broker refused it: {name}; change its access rules"))
        elif code == _NOBODY:
            order.close(Nack(f"{order.topic}: nobody listens: is the device on, and is this its topic?"))
        else:
            order.close()

    def _disconnected(self, reason: str) -> None:
        while self._waiting:
            order = self._waiting.popleft()
            order.close(BusUnavailable(f"{order.topic}: the connection to the broker ended ({reason}); not sent"))
        for order in tuple(self._under_way):
            order.close(
                BusUnavailable(f"{order.topic}: the connection to the broker ended ({reason}); it may act all the same")
            )
        self._under_way.clear()

    def subscribe(self, topics: Sequence[str]) -> None:
        """Ingest does."""

    def messages(self, enough: Callable[[], bool]) -> Sequence[Said]:
        """None: ingest has them."""
        return ()

    def close(self) -> None:
        """The link is its owner's."""
