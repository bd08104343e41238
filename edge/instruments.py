"""Everything that hangs on wires: devices with their samplers and pin watches, one part a wire, and how each does."""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from drivers import BusTimeout, MqttDevice, Reading
from edge.clock import Clock
from edge.config import Config
from edge.devices import Wires, Wiring
from edge.handles import Handle
from edge.ids import Minter
from edge.ingest.health import DeviceState
from edge.ingest.inbox import Inbox
from edge.ingest.mail import Mail
from edge.ingest.pins import PinWatch, Watching
from edge.ingest.plausible import Expected
from edge.ingest.readings import Sampler, Sampling
from edge.links.commands import Commands
from edge.parts import WirePart
from edge.scenario import Stage
from edge.telemetry import Telemetry

log = logging.getLogger(__name__)

WAITING: Final = 10
"""Commands from outside that may wait for one device; a further one is refused."""

Show = Callable[[str, Mapping[str, float | bool]], None]
"""Takes a device's name and its live values."""


@dataclass(frozen=True, slots=True)
class Last:
    """A device's last reading; `time` is wall time, `doubt` says why it may be a lie."""

    time: float
    values: Mapping[str, float | bool]
    doubt: str = ""


class Orders:
    """Commands from outside for a device whose calls take long: its own thread obeys them, one after the other, while
    events go on. `set` from any thread, `step` on the device's."""

    def __init__(self, handle: Handle, clock: Clock, wake: Callable[[], None]) -> None:
        self._handle = handle
        self._clock = clock
        self._wake = wake
        self._waiting: deque[Any] = deque()

    def set(self, value: Any) -> None:
        """Have it set soon; what becomes of it is logged. Raises BusTimeout where too many wait."""
        if len(self._waiting) >= WAITING:
            raise BusTimeout(f"{self._handle.name} is busy: {WAITING} commands wait for it already")
        self._waiting.append(value)
        self._wake()

    def step(self) -> float | None:
        """Obey the oldest; when to come again (monotonic)."""
        if not self._waiting:
            return None
        value = self._waiting.popleft()
        try:
            self._handle.set(value)
        except Exception as error:  # noqa: BLE001 - whatever the device says, it is the command that was wrong
            log.warning("%s: %r refused: %s", self._handle.name, value, error, extra={"action": "command_refused"})
        return self._clock.monotonic() if self._waiting else None


class Instruments:
    """`parts` are driven by threads or tests; everything else by any thread."""

    def __init__(
        self,
        config: Config,
        wires: Wires,
        *,
        clock: Clock,
        inbox: Inbox,
        minter: Minter,
        telemetry: Telemetry,
        show: Show,
    ) -> None:
        self._clock = clock
        self._inbox = inbox
        self._minter = minter
        self._telemetry = telemetry
        self._show = show
        self._began = clock.wall()
        self._errors: dict[str, str] = {}
        self._watchers: list[Sampler | PinWatch | Mail] = []
        commands = Commands()
        self.wiring = Wiring(config, replace(wires, open_post=lambda settings, client_id: commands))
        self.handles = self.wiring.handles
        self.remote: dict[str, Handle | Orders] = dict(self.handles)
        """What a command from outside sets; it must not wait."""
        self.last: dict[str, Last] = {}
        self._good: dict[str, Mapping[str, float | bool]] = {}
        self.parts = [
            self._part(wire, handles)
            for wire, handles in self.wiring.wires().items()
            if not issubclass(handles[0].kind, MqttDevice)
        ]
        self.mail = self._mail(commands)
        if config.edge.scenario is not None:
            world = WirePart("world", clock)
            world.steps = [Stage(config.edge.scenario, self.wiring, wires.world).step]
            self.parts.insert(0, world)

    def _mail(self, commands: Commands) -> Mail:
        mail = Mail(
            [handle for handle in self.handles.values() if issubclass(handle.kind, MqttDevice)],
            commands,
            clock=self._clock,
            offer=self._inbox.push,
            minter=self._minter,
            telemetry=self._telemetry,
            on_news=self._on_news,
        )
        self._watchers.append(mail)
        if mail.states:
            part = WirePart("broker", self._clock)
            part.start, part.steps = mail.start, [mail.step]
            self.parts.append(part)
        return mail

    def _part(self, wire: str, handles: list[Handle]) -> WirePart:
        part = WirePart(wire, self._clock)
        sampled = [handle for handle in handles if not handle.push and (handle.settings.every or not handle.output)]
        watched = [handle for handle in handles if handle.push]
        steps: list[Callable[[], float | None]] = []
        if sampled:
            steps.append(self._sampler(sampled).step)
        if watched:
            watch = self._watch(watched, part.wake)
            part.start = watch.start
            steps.append(watch.step)
        for handle in handles:
            if handle.output and handle.kind.own_wire:
                orders = self.remote[handle.name] = Orders(handle, self._clock, part.wake)
                steps.append(orders.step)
        part.steps = steps
        return part

    def _sampler(self, handles: list[Handle]) -> Sampler:
        sampler = Sampler(
            [
                Sampling(
                    sensor=handle,
                    every=handle.settings.every or handle.kind.every,
                    ranges=handle.kind.ranges,
                    expected=expected(handle),
                )
                for handle in handles
            ],
            clock=self._clock,
            offer=self._inbox.push,
            minter=self._minter,
            telemetry=self._telemetry,
            on_reading=self._on_reading,
        )
        self._watchers.append(sampler)
        return sampler

    def _watch(self, handles: list[Handle], wake: Callable[[], None]) -> PinWatch:
        watch = PinWatch(
            [Watching(sensor=handle, debounce=handle.settings.debounce) for handle in handles],
            clock=self._clock,
            offer=self._inbox.push,
            minter=self._minter,
            telemetry=self._telemetry,
            wake=wake,
            on_reading=self._on_reading,
        )
        self._watchers.append(watch)
        return watch

    def _on_reading(self, device: str, reading: Reading, doubt: str) -> None:
        # an edge names only the channels to which something happened; the others are as they were
        values = {**self.values(device), **reading.values}
        self.last[device] = Last(self._clock.wall(), values, doubt)
        if not doubt:
            self._good[device] = values
        self._show(device, reading.values)

    def _on_news(self, device: str, reading: Reading, known: Mapping[str, float | bool]) -> None:
        self._good[device] = known
        self.last[device] = Last(self._clock.wall(), known)
        self._show(device, reading.values)

    def values(self, device: str) -> Mapping[str, float | bool]:
        """The last that it measured and that is not doubted; empty before its first reading."""
        return self._good.get(device, {})

    def start_outputs(self) -> None:
        """Every output into its safe state. One that cannot be used is said and does not stop the others."""
        for handle in self.handles.values():
            if not handle.output:
                continue
            try:
                handle.start()
            except Exception as error:  # noqa: BLE001 - said; a driver's bug must not keep the gateway from starting
                self._errors[handle.name] = str(error)
                log.warning("%s cannot be used: %s", handle.name, error, extra={"action": "device_failed"})

    def states(self) -> Iterator[tuple[str, DeviceState]]:
        """How every device does, in the order of the configuration."""
        watched = {name: state for watcher in self._watchers for name, state in watcher.states.items()}
        for name in self.handles:
            error = self._errors.get(name)
            quiet = DeviceState(state="failed" if error else "ok", since=self._began, last_error=error)
            yield name, watched.get(name, quiet)

    def close(self) -> None:
        """Outputs into their safe state, then every wire given back; idempotent. What fails is logged."""
        try:
            self.wiring.close()
        except Exception as error:  # noqa: BLE001 - said below
            # an output on a bus can be unplugged when we stop; everything after it still has to close
            log.error("an output may not be in its safe state: %s", error, extra={"action": "device_failed"})


def expected(handle: Handle) -> Expected:
    """What the device's readings do not do: as configured, else what its kind of part cannot."""
    settings, kind = handle.settings, handle.kind
    jump = settings.jump
    if "*" in jump:
        jump = {channel: jump["*"] for channel, unit in handle.channels.items() if unit != "bool"}
    slew = {channel: most for channel, most in kind.slew.items() if channel not in jump}
    return Expected(jump=jump, slew=slew, believe=settings.believe, frozen=settings.frozen or math.inf)
