"""Devices on the broker: their messages become readings of their names, and their silence a state.

The messages come the way of all others (`edge.ingest.mqtt`): acknowledged when what they started is durable. Simulated
devices are looked after here, and what they say takes the same way from the inbox on.

Invariants
- One message is one event with the channels that it told, or none: what was not told is not repeated as if it were new.
- A message that does not fit is rejected with a reason, never an event.
- What the broker had kept is the device's state, as a pin's level is at start; where nothing in it is new, it is no
  event: a broker tells it again at every connection.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from drivers import BadData, BusError, BusTimeout, BusUnavailable, DriverError, MqttDevice, OutOfRange, Reading
from drivers.simulation.mqtt import SimPost
from drivers.wires.mqtt import MqttOutput, Presence, Said
from edge.clock import Clock
from edge.errors import PayloadError
from edge.ids import Minter
from edge.ingest.health import DeviceState, Health
from edge.links.commands import Commands
from edge.links.link import Session
from edge.model import Event, EventKind, Incoming
from edge.telemetry import Telemetry

log = logging.getLogger(__name__)

OnNews = Callable[[str, Reading, Mapping[str, float | bool]], object]
"""Takes a device's name, what it said now and the last of every channel."""


class Addressee(Protocol):
    """A configured device on the broker, or a simulated one."""

    @property
    def name(self) -> str: ...

    @property
    def backend(self) -> str: ...

    def feed(self) -> MqttDevice:
        """The device, which is brought what comes from now on."""
        ...


class Box:
    """One device: what it says, and how it is doing. `event` on the leading thread, the rest on the link's or the
    part's."""

    def __init__(self, name: str, device: MqttDevice, *, simulated: bool, mail: Mail, health: Health) -> None:
        self.name = name
        self.device = device
        self.simulated = simulated
        self.health = health
        self._mail = mail
        self._lock = threading.Lock()
        self._known: Mapping[str, float | bool] = {}
        self._heard = mail.clock.monotonic()
        self._silent = False
        self._greeted = False

    def event(self, said: Said, wall: float, monotonic: float) -> Event | None:
        """What one message is; None where it is no news of a channel. Raises PayloadError."""
        with self._lock:
            try:
                heard = self.device.hear(said)
            except Exception as error:  # a driver's bug too: a broker delivers again what nobody acknowledged
                self.health.bad(error, "failed" if self.device.away else "degraded")
                reason = "implausible" if isinstance(error, OutOfRange) else "bad_payload"
                if not isinstance(error, BadData | OutOfRange):
                    log.exception("%s: its driver failed on %s", self.name, said.topic)
                raise PayloadError(reason, f"{self.name}, topic {said.topic}: {error}") from error
            if not said.retain:
                self._heard, self._silent = monotonic, False
            self._judge(heard, said)
            if not isinstance(heard, Reading):
                return None
            if said.retain and self._known.items() >= heard.values.items():
                return None
            self._known = {**self._known, **heard.values}
        self._mail.tell(self.name, heard, self._known)
        return self._mail.event(self.name, heard, wall, monotonic)

    def _judge(self, heard: Reading | Presence | None, said: Said) -> None:
        if self.device.away:
            self.health.bad(self.device.absence(), "failed")
        elif isinstance(heard, Presence) or not said.retain:
            self.health.good()

    def greet(self, commands: Commands) -> None:
        """Ask how it is. One with a safe state goes there first, until the broker once had that word: the gateway has
        just started, and nobody knows how its last run left the device."""
        device = self.device
        try:
            if not self._greeted and isinstance(device, MqttOutput) and device.safe is not None:
                commands.ahead(device.command(device.safe), self._safe)
            commands.later(device.ask())
        except Exception as error:  # noqa: BLE001 - told by Health; a driver's bug must not cost the connection
            self.health.bad(error, "failed")

    def _safe(self, error: DriverError | None) -> None:
        # what a lost connection took with it was perhaps never said
        self._greeted = not isinstance(error, BusUnavailable)

    def check(self, now: float) -> float | None:
        """Silence for too long is a state; when to look again."""
        with self._lock:
            stale = self.device.stale
            if stale is None or self._silent or self.device.away:
                return None
            if now < self._heard + stale:
                return self._heard + stale
            self._silent = True
            self.device.forget()
            text = f"{self.device.topic}: silent for {stale:g} s (`stale`): check power, network and topic"
            self.health.bad(BusTimeout(text), "degraded")
            return None

    def cut(self, reason: str) -> None:
        """Nothing can come: there is no connection to the broker."""
        with self._lock:
            self.device.cut = f"{self.device.topic}: there is no connection to the broker ({reason})"
            if not self.device.away:
                self.health.bad(BusUnavailable(self.device.cut), "degraded")

    def mend(self) -> None:
        """There is one again."""
        with self._lock:
            self.device.cut = ""
            if self.device.values and not self.device.away:
                self.health.good()


@dataclass(frozen=True, slots=True)
class Letter:
    """A message of a simulated device, on its way through the inbox."""

    box: Box
    said: Said
    wall: float
    monotonic: float

    @property
    def delivery(self) -> None:
        return None

    def events(self) -> Sequence[Event]:
        event = self.box.event(self.said, self.wall, self.monotonic)
        return () if event is None else (event,)

    def settle(self) -> None:
        """Nobody waits."""


class Mail:
    """All devices on the broker. `start` and `step` belong to one thread, `connected` and `disconnected` to the link's;
    `states` may be read from any. `topics` says whose a topic is, of the real ones."""

    def __init__(
        self,
        devices: Sequence[Addressee],
        commands: Commands,
        *,
        clock: Clock,
        offer: Callable[[Incoming], object],
        minter: Minter,
        telemetry: Telemetry,
        on_news: OnNews,
    ) -> None:
        self.clock = clock
        self.commands = commands
        self._offer = offer
        self._minter = minter
        self._on_news = on_news
        self._drained = False
        self._boxes = [
            Box(
                addressee.name,
                addressee.feed(),
                simulated=addressee.backend != "real",
                mail=self,
                health=Health(addressee.name, clock=clock, telemetry=telemetry),
            )
            for addressee in devices
        ]
        self.topics: dict[str, tuple[Box, ...]] = {}
        for box in self._boxes:
            for topic in () if box.simulated else box.device.topics:
                self.topics[topic] = (*self.topics.get(topic, ()), box)

    @property
    def states(self) -> dict[str, DeviceState]:
        """Device -> how it is doing."""
        return {box.name: box.health.state for box in self._boxes}

    def start(self) -> None:
        """Greet the simulated ones."""
        for box in self._boxes:
            if box.simulated:
                box.device.post.subscribe(box.device.topics)
                for topic, payload in _greeting(box.device):
                    box.device.post.publish(topic, payload)

    def step(self) -> float | None:
        """Hear the simulated ones and look who is silent; when to come again (monotonic)."""
        due: list[float] = []
        for box in self._boxes:
            if box.simulated:
                due.append(self._listen(box))
            if (silence := box.check(self.clock.monotonic())) is not None:
                due.append(silence)
        return min(due, default=None)

    def _listen(self, box: Box) -> float:
        post = box.device.post
        assert isinstance(post, SimPost)
        now, wall = self.clock.monotonic(), self.clock.wall()
        try:
            for said in post.messages():
                self._offer(Letter(box, said, wall, now))
        except BusError as error:
            box.health.bad(error, "degraded")
        return now + post.due

    def connected(self, session: Session) -> None:
        """Greet every real one."""
        for box in self._boxes:
            if not box.simulated:
                box.mend()
                box.greet(self.commands)

    def drain(self) -> None:
        """The gateway stops: that its connection ends then is no fault of a device. Any thread."""
        self._drained = True

    def disconnected(self, reason: str) -> None:
        for box in self._boxes:
            if not box.simulated and not self._drained:
                box.cut(reason)

    def tell(self, name: str, reading: Reading, known: Mapping[str, float | bool]) -> None:
        try:
            self._on_news(name, reading, known)
        except Exception:
            log.exception("the state of %s could not be shown", name)

    def event(self, name: str, reading: Reading, wall: float, monotonic: float) -> Event:
        return Event(
            id=self._minter.mint(),
            source=name,
            kind=EventKind.READING,
            values=reading.values,
            time=wall,
            monotonic=monotonic,
            quality=self.clock.quality(),
        )


def _greeting(device: MqttDevice) -> list[tuple[str, bytes]]:
    safe = device.command(device.safe) if isinstance(device, MqttOutput) and device.safe is not None else []
    return [*safe, *device.ask()]
