"""A whole gateway on one thread, over simulated wires, brokers, files and time: the same test, the same outcome log.

    edge = edge_factory("edge.yaml")
    edge.world["workshop.temperature"] = 31.5
    edge.advance("60s")
    [outcome] = edge.outcomes

Everything above the seams is what runs in production: configuration, drivers, triggers, tasks, journal, sync.
What one thread cannot show: a task that never returns hangs the test, as it would hang any test.
"""

from __future__ import annotations

import difflib
import itertools
import math
import random
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import orjson

from drivers import SimBus, SimEnd, SimLine, World, find
from drivers.gpio import SimulatedPins, pin_factory
from drivers.simulation.mqtt import SimNode
from drivers.simulation.pin_faults import PinFaults
from drivers.simulation.signals import Signal
from edge.app import Runtime, build
from edge.config import Config, load
from edge.config.models import Broker
from edge.config.units import parse_duration, show_duration
from edge.devices import Wires
from edge.handles import find as find_device
from edge.journal import Journal, Keyring, read_journal
from edge.links.calendar import Report, Schedule, VirtualCalendar
from edge.links.link import Link
from edge.model import Outcome
from edge.outside import Outside
from edge.runs.tools.build import Bodies
from edge.testing.broker import FakeBroker, FakeUpstream
from edge.testing.clock import VirtualClock
from edge.testing.files import MemoryFiles
from edge.testing.nodes import Nodes
from edge.testing.tools import SimulatedBodies, ToolAnswers

_JOURNAL = "/journal"
_QUIET = 3  # rounds without a change until nothing more will: an answer may take a round to be sent and one to arrive
_RESTLESS = 20_000  # rounds at one moment of the virtual clock; a backlog of weeks takes some hundreds
_PATIENCE = 3600.0  # seconds of the virtual clock for one run with its retries
_RECONNECT = 1.0  # seconds between two looks while a link is down


class DeviceWorld(World):
    """A world with the signals of the configured devices and no others: a misspelt one must not pass in silence."""

    known: AbstractSet[str] = frozenset()

    def __setitem__(self, name: str, signal: Signal | float) -> None:
        self._require(name)
        if not callable(signal) and not isinstance(signal, int | float):
            raise TypeError(
                f"{name} takes a number, true, false or a signal of `drivers.simulation.signals`, not {signal!r}"
            )
        super().__setitem__(name, signal)

    def response(self, name: str, *, gain: float, seconds: float) -> Signal:
        self._require(name)
        return super().response(name, gain=gain, seconds=seconds)

    def _require(self, name: str) -> None:
        if name not in self.known:
            near = difflib.get_close_matches(name, self.known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(self.known)) or 'none'}"
            raise KeyError(f"no device has the signal {name!r}; {hint}")


class Harness:
    """Attributes for tests: `world`, `clock`, `files`, `broker` (the `mqtt:` one), `nodes` (simulated devices on it, by
    name: `leave`, `arrive`, `switch`, `on`), `upstream` (the first one), `upstreams` by name, `tools` (what answers in
    place of `http` and `shell`), `runtime`. Not thread-safe."""

    def __init__(self, path: Path, *, seed: int = 0, recording: str | Path | None = None) -> None:
        """With a `recording` every device plays it back; a relative path starts at the configuration's folder."""
        self._folder = path.parent
        self._recording = recording
        self.config = _simulated(load(path, simulated=True), self._played)
        self.clock = VirtualClock()
        self.world = DeviceWorld(self.clock.monotonic)
        self.files = MemoryFiles()
        self.broker = FakeBroker(self.clock)
        self.nodes = Nodes(self.broker)
        self.upstreams: dict[str, FakeUpstream] = {}
        self.tools = ToolAnswers()
        self._seed = seed
        self._random = random.Random(seed)
        self._crashes = 0
        self._running = False
        self.runtime = self._boot()

    def __repr__(self) -> str:
        """What a failed assertion shows: how long it has run, and what does not work."""
        after = f"{self.config.edge.id} after {show_duration(round(self.clock.monotonic()))}"
        if not self._running:
            return f"<{after}: down>"
        parts = (f"{part['name']} {part['state']}" for part in self.runtime.status() if part["kind"] != "dispatch")
        return f"<{after}: {', '.join(parts)}>"

    # -- what a test does -------------------------------------------------------------------------------------------

    @property
    def upstream(self) -> FakeUpstream:
        """The first upstream of the configuration: `online`, `received`, `repeats`. Raises LookupError without one."""
        name = next(iter(self.config.upstream), None)
        if name is None:
            raise LookupError("the configuration has no `upstream:`")
        return self.upstreams[name]

    @property
    def journal(self) -> Journal:
        return self.runtime.journal

    @property
    def outcomes(self) -> list[Outcome]:
        """Every outcome in the journal, oldest first; delivered ones stay for `journal.keep_delivered`."""
        reader = read_journal(_JOURNAL, files=self.files, keys=Keyring(*self.config.journal.keys))
        return [Outcome.from_envelope(orjson.loads(stored.record.body)) for stored in reader.records()]

    @property
    def pins(self) -> SimulatedPins:
        """The simulated header: `drive` (past `pin_faults`), `level`, `history`."""
        pins = self.runtime.instruments.wiring.pins("sim")
        assert isinstance(pins, SimulatedPins)
        return pins

    @property
    def pin_faults(self) -> PinFaults:
        """What goes wrong between the world and the pins: `plan("bounce", 17, seconds=60)`. Gone after a restart."""
        return self.runtime.instruments.wiring.pin_faults

    def bus(self, name: str) -> SimBus:
        """A simulated bus, `i2c-1`, or wire behind a multiplexer, `mux/3`: `faults`, `fail`, `detach`, `attach`,
        `stuck`, `log`. Raises LookupError for one without a device."""
        named = {settings.bus for settings in self.config.devices.values() if settings.bus}
        buses = sorted(bus for bus in named if not bus.startswith("spi-"))
        if name not in buses:
            raise LookupError(f"no device is on a bus {name!r}; there are {', '.join(buses) or 'none'}")
        bus = self.runtime.instruments.wiring.bus(name, "sim")
        assert isinstance(bus, SimBus)
        return bus

    def line(self, device: str) -> SimLine[Any]:
        """The simulated wire of a device that has one of its own (1-Wire, IIO, serial, SPI): `faults`, `fail`,
        `unplug`, `plug`, `log`, and `part` with its faults. Raises LookupError for any other device."""
        handle = find_device(self.runtime.instruments.handles, device)
        if not issubclass(handle.entry.sim, SimEnd):
            raise LookupError(f"{device} ({handle.settings.driver}) has no line of its own: see `bus` and `pins`")
        line = self.runtime.instruments.wiring.line(handle)
        assert isinstance(line, SimLine)
        return line

    def advance(self, duration: str) -> None:
        """Let that much time pass, and everything that it makes due happen, in order. After `crash` only time passes.
        Raises ValueError for what is no duration such as "500ms" or "2h"."""
        self._pass(parse_duration(duration))

    def message(self, topic: str, payload: Any, **fields: Any) -> None:
        """Somebody publishes on the `mqtt:` broker; what is not text or bytes goes as JSON. As with any broker nobody
        complains about a topic without a subscriber."""
        body = payload if isinstance(payload, bytes | str) else orjson.dumps(payload)
        self.broker.publish(topic, body, **fields)
        self.pump()

    def fire(self, task: str, values: Mapping[str, Any] | None = None) -> Outcome:
        """Run a task now, past its trigger, and return its outcome; where it is tried again, the time passes that this
        takes, at most an hour. Raises `UnknownTask`, `NotFired`, and AssertionError between `crash` and `restart`."""
        assert self._running, "the gateway is down: restart() it first"
        return Outcome.from_envelope(self.runtime.desk.fire(task, dict(values or {}), timeout=_PATIENCE))

    def crash(self, *, power: bool = True) -> None:
        """The power goes: whatever was not durable may be gone. With `power=False` only the process is killed, and
        what it had written stays. `restart` boots again."""
        self._running = False
        self._crashes += 1
        for engine in self.runtime.engines.values():
            engine.close()  # its processes die with the gateway's
        self.files.crash(self._seed + self._crashes, power=power)
        for broker in (self.broker, *self.upstreams.values()):
            broker.cut()

    def restart(self) -> None:
        """Boot, after a crash or, if it runs, after a clean stop."""
        self.close()
        self.runtime = self._boot()

    def reconfigure(self, config: str | Path) -> None:
        """Stop, and boot with another configuration: the same world, files and brokers. A relative path starts at the
        folder of the first one."""
        self.close()
        self.config = _simulated(load(self._folder / config, simulated=True), self._played)
        self.runtime = self._boot()

    def close(self) -> None:
        """Stop cleanly; idempotent."""
        if self._running:
            self.runtime.traffic.drain()
            self.pump()
            self._running = False
            self.runtime.close()

    # -- how it runs --------------------------------------------------------------------------------------------------

    def pump(self) -> float:
        """Let everything that is due now happen; the seconds until something is due again, infinite after `crash`."""
        if not self._running:
            return math.inf
        runtime = self.runtime
        quiet, before, rounds = 0, None, itertools.count(1)
        due = math.inf
        while quiet < _QUIET:
            assert next(rounds) < _RESTLESS, (
                "it comes to no rest: does a task command the device, or publish to the topic, that it waits for?"
            )
            self.nodes.step()
            due = min((part.turn(block=False) for part in runtime.parts), default=math.inf)
            while runtime.pipeline.step():
                pass
            runtime.commit()
            self._calendar.step()
            after = self._footprint()
            quiet = quiet + 1 if after == before else 0
            before = after
        for deadline in (runtime.pipeline.deadline, self._calendar.deadline, self.world.deadline):
            if deadline is not None:
                due = min(due, max(0.0, deadline - self.clock.monotonic()))
        if any(part.link.session is None for part in runtime.traffic.parts):
            due = min(due, _RECONNECT)
        return max(min(due, self.nodes.due), 1e-6)

    def _footprint(self) -> tuple[object, ...]:
        """Grows or changes with everything that happens."""
        brokers = (self.broker, *self.upstreams.values())
        return (
            len(self.runtime.inbox),
            self.nodes.said,
            self.runtime.journal.durable,
            self.files.written,
            *(len(broker.messages) for broker in brokers),
            *(tuple(broker.connected) for broker in brokers),
        )

    def _boot(self) -> Runtime:
        for name in self.config.upstream:
            self.upstreams.setdefault(name, FakeUpstream(self.clock))
        self.world.forget()  # what the last boot planned
        self.world.known = {
            f"{name}.{signal}"
            for name, settings in self.config.devices.items()
            for signal in find(settings.driver).signals(settings.traits)
        }
        runtime = build(self.config, self._outside())
        runtime.let_run = lambda answered, timeout: self._pass(timeout, answered.is_set)  # type: ignore[method-assign]
        self.tools.known = self.config.tools
        runtime.prepare()
        self.runtime = runtime
        for part in runtime.parts:
            part.start()
        self._running = True
        new = self._place_nodes(runtime)
        self.pump()
        for node in new:
            node.report()  # what they said before anybody listened is lost
        self.pump()
        return runtime

    def _place_nodes(self, runtime: Runtime) -> list[SimNode]:
        new = []
        for name, handle in runtime.instruments.handles.items():
            if handle.backend == "real" and name not in self.nodes:
                assert issubclass(handle.entry.sim, SimNode)
                node = self.nodes[name] = handle.entry.sim(self.world, name)
                node.fit(handle.entry.build(None, handle.settings.topic, **handle.settings.options))  # type: ignore[arg-type]
                new.append(node)
        return new

    def _pass(self, seconds: float, enough: Callable[[], bool] = lambda: False) -> None:
        """Let time pass, with everything that becomes due, until it is enough."""
        end = self.clock.monotonic() + seconds
        due = self.pump()
        while not enough() and (now := self.clock.monotonic()) < end:
            self.clock.advance(min(due, end - now))
            self.world.refresh()
            due = self.pump()

    @property
    def _played(self) -> str | None:
        return None if self._recording is None else str(self._folder / self._recording)

    def _outside(self) -> Outside:
        def wait(seconds: float) -> None:
            self.world.elapse(seconds, self.clock.advance)

        return Outside(
            clock=self.clock,
            random=self._random,
            files=self.files,
            wires=Wires(
                open_bus=_refuse_real,
                open_pins=lambda: _refuse_real("pins"),
                open_sim_pins=lambda: pin_factory("sim", now=self.clock.monotonic, wait=wait),
                open_tree=lambda: _refuse_real("sysfs"),
                open_serial=lambda port, baud: _refuse_real(port),
                world=self.world,
                wait=wait,
                seed=self._seed,
            ),
            open_link=self._open_link,
            open_calendar=self._open_calendar,
            tools=lambda table, spawn: SimulatedBodies(Bodies(clock=self.clock, table=table, spawn=spawn), self.tools),
        )

    def _open_link(self, settings: Broker, *, client_id: str, **options: Any) -> Link:
        _, upstream, name = client_id.partition("-up-")
        broker = self.upstreams[name] if upstream else self.broker
        return broker.link(settings, client_id=client_id, **options)

    def _open_calendar(self, report: Report) -> Schedule:
        self._calendar = VirtualCalendar(clock=self.clock, report=report)
        return self._calendar


def _refuse_real(name: str) -> Any:
    raise AssertionError(f"a test must not touch real hardware: {name}")


def _simulated(config: Config, recording: str | None) -> Config:
    """The same gateway with nothing real below it; what plays a recording back goes on doing so. Devices on the broker
    stay there: the broker is simulated."""

    def instead(driver: str, backend: str) -> str:
        if find(driver).driver.wire == "mqtt":
            return backend
        return "replay" if recording is not None or backend == "replay" else "sim"

    edge = config.edge
    devices = {
        name: settings.model_copy(update={"backend": instead(settings.driver, settings.backend or edge.backend)})
        for name, settings in config.devices.items()
    }
    return config.model_copy(
        update={
            "edge": edge.model_copy(update={"backend": "sim", "recording": recording or edge.recording}),
            "devices": devices,
            "journal": config.journal.model_copy(update={"path": _JOURNAL}),
        }
    )
