"""Configured devices over their wires: which driver, which bus or pin, real or simulated, and who may call when.

The wires are opened when a device first needs them, so a missing bus fails the devices on it and nothing else.
Drivers are not thread-safe: every call goes through the lock of the device's wire, whoever makes it.
"""

from __future__ import annotations

import difflib
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import dataclass
from typing import Any

import drivers
from drivers import Bus, Device, Driver, Output, PinDevice, Pins, Push, Reading, SimBus, SimChip, SimPart, World
from drivers.pin_faults import PinFaults
from drivers.recording import OffScript, Recorder, Recording, read_recording
from edge.config.models import Backend, Config, DeviceSettings
from edge.errors import EdgeError


class UnknownDevice(EdgeError, KeyError):
    """No device of that name is configured."""

    def __str__(self) -> str:
        return str(self.args[0])


class NotAnOutput(EdgeError, TypeError):
    """The device measures; it cannot be set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wires:
    """The seams below every driver. `open_bus(name)` and `open_pins()` are called at most once a name.

    `seed` is of what goes wrong at random; `recorder`, where there is one, hears every wire.
    """

    open_bus: Callable[[str], Bus]
    open_pins: Callable[[], Pins]
    open_sim_pins: Callable[[], Pins]
    world: World
    wait: Callable[[float], None]
    seed: int = 0
    recorder: Recorder | None = None


class Handle:
    """One configured device. Any thread; `start`, `read` and `set` block for as long as the wire does."""

    def __init__(
        self, name: str, settings: DeviceSettings, entry: drivers.Entry, backend: Backend, wiring: Wiring
    ) -> None:
        self.name = name
        self.settings = settings
        self.backend = backend
        self.kind = entry.driver
        self.entry = entry
        self._wiring = wiring
        self._device: Device | None = None
        self._connected = False
        self.lock = wiring.lock(self)

    @property
    def wire(self) -> str:
        """The bus's name, or `pins`: devices with the same wire share a thread."""
        return self.settings.bus or "pins"

    @property
    def output(self) -> bool:
        return issubclass(self.kind, Output)

    @property
    def push(self) -> bool:
        return issubclass(self.kind, Push)

    @property
    def channels(self) -> Mapping[str, str]:
        return self.kind.channels

    def start(self) -> None:
        """Open the wire and prove the device is there; may be repeated after a failure. Raises DriverError."""
        with self.lock:
            if self._device is None:
                self._device = self._wiring.build(self)
            self._device.start()
            if not self._connected:
                self._wiring.connect(self, self._device)
                self._connected = True

    def sample(self) -> Reading:
        """One reading of all channels; starts the device first where nobody has. Raises DriverError."""
        with self.lock:
            return self._started().read()

    def read(self) -> dict[str, float | bool]:
        """Channel -> value: what a task sees of `sample`."""
        return dict(self.sample().values)

    def set(self, value: Any) -> None:
        """Act at once. Raises `NotAnOutput`, or DriverError with the accepted values."""
        with self.lock:
            self._started_output().set(value)

    def make_safe(self) -> None:
        """Go to the configured safe state."""
        with self.lock:
            self._started_output().make_safe()

    def watch(self, emit: drivers.Emit) -> None:
        """Have every raw edge reported, in the library's thread."""
        with self.lock:
            device = self._started()
            assert isinstance(device, Push)
            device.watch(emit)

    def close(self) -> None:
        """Leave the device at rest, outputs in their safe state; idempotent."""
        with self.lock:
            device, self._device, self._connected = self._device, None, False
            if device is not None:
                # a recording need not end where this does
                with suppress(OffScript) if self.backend == "replay" else nullcontext():
                    device.close()

    def _started_output(self) -> Output:
        if not self.output:
            raise NotAnOutput(f"{self.name} ({self.settings.driver}) measures; it cannot be set")
        device = self._started()
        assert isinstance(device, Output)
        return device

    def _started(self) -> Device:
        if not self._connected:
            self.start()
        assert self._device is not None
        return self._device


class Wiring:
    """Opens buses and pins once and builds drivers on them."""

    def __init__(self, config: Config, wires: Wires) -> None:
        self._wires = wires
        self._file = config.edge.recording
        self._recording: Recording | None = None
        self.pin_faults = PinFaults(wires.world, seed=wires.seed)
        self._buses: dict[tuple[str, Backend], Bus] = {}
        self._pins: dict[Backend, Pins] = {}
        self._locks: dict[str, threading.RLock] = {}
        self._opening = threading.Lock()
        self.handles = {
            name: Handle(name, settings, drivers.find(settings.driver), settings.backend or config.edge.backend, self)
            for name, settings in config.devices.items()
        }

    def lock(self, handle: Handle) -> threading.RLock:
        return self._locks.setdefault(f"{handle.backend} {handle.wire}", threading.RLock())

    def build(self, handle: Handle) -> Device:
        """The driver on its wire, not started. Raises DriverError."""
        options = handle.settings.options
        if issubclass(handle.kind, Driver):
            assert handle.settings.bus is not None
            bus = self.bus(handle.settings.bus, handle.backend)
            chip = handle.entry.build(self._heard(handle.settings.bus, bus), handle.settings.address, **options)
            assert isinstance(chip, Driver)
            if isinstance(bus, SimBus):
                self._solder(bus, handle, chip)
            return chip
        assert issubclass(handle.kind, PinDevice)
        assert handle.settings.pin is not None
        pins, recorder = self.pins(handle.backend), self._wires.recorder
        pins = pins if recorder is None else recorder.pins(pins)
        return handle.entry.build(pins, handle.settings.pin, **options)

    def _heard(self, name: str, bus: Bus) -> Bus:
        recorder = self._wires.recorder
        return bus if recorder is None else recorder.bus(name, bus)

    def _solder(self, bus: SimBus, handle: Handle, device: Driver) -> None:
        chip = handle.entry.sim
        assert issubclass(chip, SimChip)
        assert device.address is not None
        bus.attach(device.address, chip(self._wires.world, handle.name))

    def connect(self, handle: Handle, device: Device) -> None:
        """Solder the simulated part, or what was recorded, to its pin; chips came to their bus with the driver."""
        if handle.backend == "real" or not isinstance(device, PinDevice):
            return
        pins: Any = self.pins("sim")
        if handle.backend == "replay":
            self.recording().play(device.pin, self._wires.world, pins)
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
        """The bus of that name, opened now if nobody did. Raises DriverError; asked again, it tries again."""
        with self._opening:
            bus = self._buses.get((name, backend))
            if bus is None:
                bus = self._buses[name, backend] = self._open(name, backend)
            return bus

    def _open(self, name: str, backend: Backend) -> Bus:
        wires = self._wires
        if backend == "replay":
            return self.recording().bus(name, wait=wires.wait)
        if backend == "sim":
            return SimBus(wait=wires.wait, name=name, now=wires.world.now, seed=wires.seed)
        return wires.open_bus(name)

    def pins(self, backend: Backend) -> Pins:
        """The header, opened now if nobody did; recorded edges drive the simulated one. Raises DriverError; asked
        again, it tries again."""
        which: Backend = "real" if backend == "real" else "sim"
        with self._opening:
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
        """Outputs go to their safe state, then every wire is given back; idempotent. Raises the last failure."""
        with ExitStack() as stack:
            for bus in self._buses.values():
                stack.callback(bus.close)
            for pins in self._pins.values():
                stack.callback(pins.close)
            for handle in self.handles.values():
                stack.callback(handle.close)
            self._buses, self._pins = {}, {}


def find(handles: Mapping[str, Handle], name: str) -> Handle:
    """The device called `name`. Raises `UnknownDevice` with the nearest names."""
    handle = handles.get(name)
    if handle is None:
        near = difflib.get_close_matches(name, handles, n=1)
        known = ", ".join(handles) or "none"
        hint = f"did you mean {near[0]!r}?" if near else f"configured: {known}"
        raise UnknownDevice(f"no device called {name!r}; {hint}")
    return handle
