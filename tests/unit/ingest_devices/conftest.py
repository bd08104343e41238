"""Devices on simulated wires, sampled and watched on a clock that only the test moves."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from drivers import Reading, SimBus, World, find
from drivers.base import Decoder, Device
from drivers.gpio import SimulatedPins, pin_factory
from drivers.wires.wire import Emit
from edge.ids import Minter
from edge.ingest.pins import PinWatch, Watching
from edge.ingest.readings import Sampler, Sampling
from edge.model import Event, Incoming
from edge.telemetry import Telemetry
from edge.testing.clock import VirtualClock


class Named:
    """A driver under its configured name."""

    def __init__(self, name: str, device: Any) -> None:
        self.name = name
        self.device = device
        self.starts = 0
        self.channels = device.channels

    def start(self) -> None:
        self.starts += 1
        self.device.start()

    def sample(self) -> Reading:
        return self.device.read()  # type: ignore[no-any-return]

    def watch(self, emit: Emit) -> None:
        self.device.watch(emit)

    def levels(self) -> dict[str, bool]:
        return self.device.levels()  # type: ignore[no-any-return]

    def decoder(self, settle: float) -> Decoder:
        return self.device.decoder(settle)  # type: ignore[no-any-return]


class Bench:
    """One bus, one header, and what came out of them."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.world = World(self.clock.monotonic)
        self.bus = SimBus()
        self.pins: SimulatedPins = pin_factory("sim", now=self.clock.monotonic)
        self.telemetry = Telemetry()
        self.minter = Minter("test", self.clock, random.Random(1))
        self.events: list[Event] = []
        self.shown: list[tuple[str, Reading]] = []
        self.wakes = 0

    def chip(self, kind: str, address: int, name: str) -> Named:
        entry = find(kind)
        self.bus.attach(address, entry.sim(self.world, name))
        return Named(name, entry.build(self.bus, address))

    def contact(self, pin: int, name: str, **options: Any) -> Named:
        """A contact; `world["<name>.open"]` moves it once `solder` was called."""
        return Named(name, find("contact").build(self.pins, pin, **options))

    def solder(self, named: Named) -> None:
        find("contact").sim(self.world, named.name).wire(self.pins, named.device)

    def sampler(self, *devices: Sampling) -> Sampler:
        return Sampler(
            devices,
            clock=self.clock,
            offer=self.offer,
            minter=self.minter,
            telemetry=self.telemetry,
            on_reading=lambda name, reading, doubt: self.shown.append((name, reading)),
        )

    def watch(self, *devices: Watching) -> PinWatch:
        return PinWatch(
            devices,
            clock=self.clock,
            offer=self.offer,
            minter=self.minter,
            telemetry=self.telemetry,
            wake=self.wake,
            on_reading=lambda name, reading, doubt: self.shown.append((name, reading)),
        )

    def offer(self, incoming: Incoming) -> None:
        self.events += incoming.events()

    def wake(self) -> None:
        self.wakes += 1

    def run(self, part: Sampler | PinWatch, seconds: float) -> None:
        """Let time pass, stepping at every deadline."""
        end = self.clock.monotonic() + seconds
        while (deadline := part.step()) is not None and deadline <= end:
            self.clock.advance(max(0.0, deadline - self.clock.monotonic()))
        self.clock.advance(max(0.0, end - self.clock.monotonic()))

    def errors(self, device: str) -> dict[str, int]:
        counts = self.telemetry.counts("edge_driver_read_errors_total")
        return {dict(labels)["kind"]: n for labels, n in counts.items() if dict(labels)["device"] == device}


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.pins.close()


class Scripted(Device):
    """A sensor that does what the test says: a number is a reading, an error is raised, a callable is called."""

    wire = "i2c"
    channels = {"x": "1"}  # noqa: RUF012 - a driver's class body

    def __init__(self, *script: Any, last: Any = 1.0) -> None:
        self.script = list(script)
        self.last = last

    def start(self) -> None:
        return

    def read(self) -> Reading:
        step = self.script.pop(0) if self.script else self.last
        if isinstance(step, BaseException):
            raise step
        if callable(step):
            step = step()
        return Reading({"x": step})

    def close(self) -> None:
        return
