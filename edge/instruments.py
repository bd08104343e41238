"""Everything that hangs on wires: devices with their samplers and pin watches, one part a wire, and how each does."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from drivers import DriverError, Reading
from edge.clock import Clock
from edge.config import Config
from edge.devices import Handle, Wires, Wiring
from edge.ids import Minter
from edge.ingest.health import DeviceState
from edge.ingest.inbox import Inbox
from edge.ingest.pins import PinWatch, Watching
from edge.ingest.readings import Sampler, Sampling
from edge.parts import WirePart
from edge.scenario import Stage
from edge.telemetry import Telemetry

log = logging.getLogger(__name__)

Show = Callable[[str, Mapping[str, float | bool]], None]
"""Takes a device's name and its live values."""


@dataclass(frozen=True, slots=True)
class Last:
    """A device's last reading; `time` is wall time."""

    time: float
    values: Mapping[str, float | bool]


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
        self._watchers: list[Sampler | PinWatch] = []
        self.wiring = Wiring(config, wires)
        self.handles = self.wiring.handles
        self.last: dict[str, Last] = {}
        self.parts = [self._part(wire, handles) for wire, handles in self.wiring.wires().items()]
        if config.edge.scenario is not None:
            world = WirePart("world", clock)
            world.steps = [Stage(config.edge.scenario, self.wiring, wires.world).step]
            self.parts.insert(0, world)

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
        part.steps = steps
        return part

    def _sampler(self, handles: list[Handle]) -> Sampler:
        sampler = Sampler(
            [
                Sampling(sensor=handle, every=handle.settings.every or handle.kind.every, ranges=handle.kind.ranges)
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

    def _on_reading(self, device: str, reading: Reading) -> None:
        # an edge names only the channels to which something happened; the others are as they were
        self.last[device] = Last(self._clock.wall(), {**self.values(device), **reading.values})
        self._show(device, reading.values)

    def values(self, device: str) -> Mapping[str, float | bool]:
        """The last that it measured; empty before its first reading."""
        last = self.last.get(device)
        return {} if last is None else last.values

    def start_outputs(self) -> None:
        """Every output into its safe state. One that cannot be used is said and does not stop the others."""
        for handle in self.handles.values():
            if not handle.output:
                continue
            try:
                handle.start()
            except DriverError as error:
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
        except DriverError as error:
            # an output on a bus can be unplugged when we stop; everything after it still has to close
            log.error("an output may not be in its safe state: %s", error, extra={"action": "device_failed"})
