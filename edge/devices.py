"""Configured devices over their wires: which driver, which bus or pin, real or simulated.

The wires are opened when a device first needs them, so a missing bus fails the devices on it and nothing else.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import drivers
from drivers import (
    Bus,
    BusUnavailable,
    Device,
    Driver,
    Line,
    MqttDevice,
    PartOnPins,
    Pins,
    Post,
    SerialDevice,
    SimBus,
    SimChip,
    SimEnd,
    SimLine,
    SimPart,
    Spi,
    SpiDevice,
    SysfsDevice,
    Tree,
    World,
)
from drivers.simulation.pin_faults import PinFaults
from drivers.simulation.recorded_lines import RECORDED
from drivers.simulation.recording import Recorder, Recording, read_recording
from drivers.wires.trunk import Multiplexer
from edge.buses import Buses, address_of
from edge.config.models import Backend, Broker, Config
from edge.handles import BUSY, Handle, urgent_first

log = logging.getLogger(__name__)


def _no_post(settings: Broker, client_id: str) -> Post:
    raise BusUnavailable("there is no way to a broker here")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wires:
    """The seams below every driver. `open_bus(name)` and `open_pins()` are called at most once a name; `open_tree()`
    and `open_serial(port, baud)` once a device, and so is `open_post(settings, client_id)`. SPI is opened on the pins.

    `seed` is of what goes wrong at random; `recorder`, where there is one, hears every bus and pin.
    """

    open_bus: Callable[[str], Bus]
    open_pins: Callable[[], Pins]
    open_sim_pins: Callable[[], Pins]
    open_tree: Callable[[], Tree]
    open_serial: Callable[[str, int], Line]
    world: World
    wait: Callable[[float], None]
    open_post: Callable[[Broker, str], Post] = _no_post
    seed: int = 0
    recorder: Recorder | None = None


class Wiring:
    """Opens buses and pins once and builds drivers on them."""

    def __init__(self, config: Config, wires: Wires) -> None:
        self._wires = wires
        self._mqtt = config.mqtt
        self._id = config.edge.id
        self._file = config.edge.recording
        self._recording: Recording | None = None
        self.pin_faults = PinFaults(wires.world, seed=wires.seed)
        self.buses = Buses(
            config,
            open_bus=wires.open_bus,
            recording=self.recording,
            world=wires.world,
            wait=wires.wait,
            seed=wires.seed,
        )
        self._pins: dict[Backend, Pins] = {}
        self._lines: dict[str, Tree | Line | Spi | Post] = {}
        self._locks: dict[str, threading.RLock] = {}
        self._opening = threading.Lock()
        self.handles = {
            name: Handle(name, settings, drivers.find(settings.driver), settings.backend or config.edge.backend, self)
            for name, settings in config.devices.items()
        }

    def lock(self, handle: Handle) -> threading.RLock:
        return self.lock_of(handle.wire, handle.backend)

    def lock_of(self, wire: str, backend: Backend) -> threading.RLock:
        """What everybody takes who uses this wire."""
        return self._locks.setdefault(f"{backend} {wire}", threading.RLock())

    def build(self, handle: Handle) -> Device:
        """The driver on its wire, not started. Raises DriverError."""
        options = handle.settings.options
        if issubclass(handle.kind, Driver):
            assert handle.settings.bus is not None
            reach = self.buses.reach(handle.settings.bus, handle.backend)
            self.solder(handle)
            return handle.entry.build(self._heard(handle.settings.bus, reach), handle.settings.address, **options)
        if issubclass(handle.kind, PartOnPins):
            pins, recorder = self.pins(handle.backend), self._wires.recorder
            pins = pins if recorder is None else recorder.pins(pins)
            return handle.entry.build(pins, handle.settings.where, **options)
        line, recorder = self.line(handle), self._wires.recorder
        heard = line if recorder is None else recorder.line(handle.place, handle.kind.wire, line)
        device = handle.entry.build(heard, handle.settings.where, **options)
        if isinstance(line, SimLine):
            line.fit(device)
        return device

    def line(self, handle: Handle) -> Tree | Line | Spi | Post:
        """The line of a device that has one of its own, opened now if nobody did. Raises DriverError."""
        with self._opening:
            if handle.name not in self._lines:
                open_line = {"sim": self._sim_line, "real": self._real_line, "replay": self._old_line}[handle.backend]
                self._lines[handle.name] = open_line(handle)
            return self._lines[handle.name]

    def _sim_line(self, handle: Handle) -> Any:
        end = handle.entry.sim
        assert issubclass(end, SimEnd)
        line = end(self._wires.world, handle.name).line(wait=self._wires.wait)
        line.faults.seed(self._wires.seed)
        return line

    def _old_line(self, handle: Handle) -> Any:
        if handle.kind.wire not in RECORDED:
            raise BusUnavailable(f"{handle.name}: what its wire says is not recorded; give it `backend: sim`")
        return self.recording().line(handle.place, handle.kind.wire, wait=self._wires.wait)

    def _real_line(self, handle: Handle) -> Tree | Line | Spi | Post:
        kind, settings = handle.kind, handle.settings
        if issubclass(kind, SysfsDevice):
            return self._wires.open_tree()
        if issubclass(kind, MqttDevice):
            assert self._mqtt is not None
            return self._wires.open_post(self._mqtt, f"edge-{self._id}-for-{handle.name}")
        if issubclass(kind, SerialDevice):
            assert settings.port is not None
            return self._wires.open_serial(settings.port, kind.baud)
        assert issubclass(kind, SpiDevice)
        assert settings.bus is not None
        number, select = int(settings.bus.removeprefix("spi-")), settings.select
        return self._pins_of("real").spi(number, select, mode=kind.mode, rate=kind.rate, wait=self._wires.wait)

    def _heard(self, name: str, bus: Bus) -> Bus:
        recorder = self._wires.recorder
        return bus if recorder is None else recorder.bus(name, bus)

    def solder(self, handle: Handle) -> None:
        """Put the simulated chip of a device on its simulated bus."""
        if handle.backend != "sim" or issubclass(handle.kind, Multiplexer):
            return  # a multiplexer came with its bus, because others are soldered behind it
        assert handle.settings.bus is not None
        bus, chip = self.bus(handle.settings.bus, "sim"), handle.entry.simulated(handle.settings.options)
        assert isinstance(bus, SimBus)
        assert issubclass(chip, SimChip)
        bus.attach(address_of(handle.settings), chip(self._wires.world, handle.name))

    def connect(self, handle: Handle, device: Device) -> None:
        """Solder the simulated part, or what was recorded, to its pins; chips came to their bus with the driver."""
        if handle.backend == "real" or not isinstance(device, PartOnPins):
            return
        pins: Any = self.pins("sim")
        if handle.backend == "replay":
            for pin in device.numbers.values():
                self.recording().play(pin, self._wires.world, pins)
            return
        part = handle.entry.sim
        assert issubclass(part, SimPart)
        part(self._wires.world, handle.name).wire(self.pin_faults.between(pins), device)

    def recording(self) -> Recording:
        """What `backend: replay` plays back, read now if nobody did. Raises DriverError."""
        if self._recording is None:
            assert self._file is not None, "the configuration was not checked"
            try:
                self._recording = read_recording(self._file)
            except OSError as error:
                raise drivers.BusUnavailable(f"{self._file} cannot be read: {error.strerror}") from error
        return self._recording

    def bus(self, name: str, backend: Backend) -> Bus:
        """The wire of that name, opened now if nobody did. Raises DriverError; asked again, it tries again."""
        return self.buses.wire(name, backend)

    def pins(self, backend: Backend) -> Pins:
        """The header, opened now if nobody did; recorded edges drive the simulated one. Raises DriverError; asked
        again, it tries again."""
        which: Backend = "real" if backend == "real" else "sim"
        with self._opening:
            return self._pins_of(which)

    def _pins_of(self, which: Backend) -> Pins:
        pins = self._pins.get(which)
        if pins is None:
            pins = self._wires.open_pins() if which == "real" else self._wires.open_sim_pins()
            self._pins[which] = pins
        return pins

    def wires(self) -> dict[str, list[Handle]]:
        """Devices that share a wire, and so a thread."""
        groups: dict[str, list[Handle]] = {}
        for handle in self.handles.values():
            groups.setdefault(handle.wire, []).append(handle)
        return groups

    def close(self) -> None:
        """Outputs go to their safe state, then every wire is given back; idempotent. Raises the last failure of a
        device; those before it are logged."""
        with ExitStack() as stack:
            stack.callback(self.buses.close)
            for pins in self._pins.values():
                stack.callback(pins.close)
            for line in self._lines.values():
                stack.callback(line.close)
            self._pins, self._lines = {}, {}
            self._close_devices()

    def _close_devices(self) -> None:
        for handle in self.handles.values():
            handle.halt()
        end = self._wires.world.now() + BUSY
        failure: Exception | None = None
        for handle in urgent_first(self.handles.values()):
            try:
                handle.close(max(0.0, end - self._wires.world.now()))
            except Exception as error:  # noqa: BLE001 - raised below; a driver's bug must not keep the next output from its safe state
                if failure is not None:
                    log.error("closing: %s", failure, extra={"action": "device_failed"})
                failure = error
        if failure is not None:
            raise failure
