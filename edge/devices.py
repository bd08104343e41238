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
from drivers import (
    Bus,
    BusUnavailable,
    Device,
    Driver,
    Line,
    MqttDevice,
    Output,
    PartOnPins,
    Pins,
    Post,
    Push,
    Reading,
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
from drivers.mqtt import MqttOutput
from drivers.pin_faults import PinFaults
from drivers.recorded_lines import RECORDED
from drivers.recording import OffScript, Recorder, Recording, read_recording
from drivers.trunk import Multiplexer
from edge.buses import Buses, address_of
from edge.config.models import Backend, Broker, Config, DeviceSettings
from edge.errors import EdgeError


class UnknownDevice(EdgeError, KeyError):
    """No device of that name is configured."""

    def __str__(self) -> str:
        return str(self.args[0])


class NotAnOutput(EdgeError, TypeError):
    """The device measures; it cannot be set."""


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
        """What it hangs on: `i2c-1`, `spi-0`, `pins`, `/dev/ttyUSB0`, its place where it has a wire of its own. Devices
        with the same wire share a thread."""
        if self.kind.own_wire:
            return self.place
        return self._wiring.buses.root(self.settings) or self.settings.port or "pins"

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return place_of(self.settings, self.kind)

    @property
    def output(self) -> bool:
        return issubclass(self.kind, Output) and self.kind.acts(self.settings.options)

    @property
    def keeps(self) -> bool:
        """Whether it stays as it was set when nobody is in charge any more."""
        return issubclass(self.kind, MqttOutput) and self.settings.options.get("safe") is None

    @property
    def push(self) -> bool:
        return issubclass(self.kind, Push)

    @property
    def channels(self) -> Mapping[str, str]:
        return self.kind.channels_of(self.settings.traits)

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

    def feed(self) -> MqttDevice:
        """The device on the broker, started; whoever calls this brings it what comes."""
        with self.lock:
            device = self._device = self._wiring.build(self)
            assert isinstance(device, MqttDevice)
            device.fed = True
        self.start()
        return device

    def watch(self, emit: drivers.Emit) -> None:
        """Have every raw edge reported, in the library's thread."""
        with self.lock:
            self._started_push().watch(emit)

    def levels(self) -> Mapping[str, bool]:
        """Role -> level of the pins it watches, now."""
        with self.lock:
            return self._started_push().levels()

    def decoder(self, settle: float) -> drivers.Decoder:
        """What is to make sense of its edges from now on."""
        with self.lock:
            return self._started_push().decoder(settle)

    def close(self) -> None:
        """Leave the device at rest, outputs in their safe state; idempotent."""
        with self.lock:
            device, self._device, self._connected = self._device, None, False
            if device is not None:
                # a recording need not end where this does
                with suppress(OffScript) if self.backend == "replay" else nullcontext():
                    device.close()

    def _started_push(self) -> Push:
        device = self._started()
        assert isinstance(device, Push)
        return device

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
        """Outputs go to their safe state, then every wire is given back; idempotent. Raises the last failure."""
        with ExitStack() as stack:
            stack.callback(self.buses.close)
            for pins in self._pins.values():
                stack.callback(pins.close)
            for line in self._lines.values():
                stack.callback(line.close)
            for handle in self.handles.values():
                stack.callback(handle.close)
            self._pins, self._lines = {}, {}


def place_of(settings: DeviceSettings, kind: type[Device]) -> str:
    """Where a device of this kind is, for people: `i2c-1 0x48`, `GPIO17`, `GPIO17+27`, `spi-0.1`, `/dev/ttyUSB0`,
    `w1 28-0000`."""
    if issubclass(kind, SysfsDevice):
        return " ".join(filter(None, (kind.tree_name, settings.id)))
    if issubclass(kind, SpiDevice):
        return f"{settings.bus}.{settings.select}"
    if settings.numbers:
        return f"GPIO{'+'.join(map(str, settings.numbers.values()))}"
    if issubclass(kind, MqttDevice):
        return f"mqtt {settings.topic}"
    address = settings.address if settings.address is not None else getattr(kind, "address", None)
    return settings.port or f"{settings.bus} {address:#04x}"


def find(handles: Mapping[str, Handle], name: str) -> Handle:
    """The device called `name`. Raises `UnknownDevice` with the nearest names."""
    handle = handles.get(name)
    if handle is None:
        near = difflib.get_close_matches(name, handles, n=1)
        known = ", ".join(handles) or "none"
        hint = f"did you mean {near[0]!r}?" if near else f"configured: {known}"
        raise UnknownDevice(f"no device called {name!r}; {hint}")
    return handle
