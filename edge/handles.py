"""One configured device and who may call it when.

Drivers are not thread-safe: every call goes through the lock of the device's wire, whoever makes it. `halt` alone does
not: it is for the call that has the lock and takes long.
"""

from __future__ import annotations

import difflib
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from typing import Any, Protocol

import drivers
from drivers import (
    BusTimeout,
    BusUnavailable,
    Device,
    MqttDevice,
    Output,
    Push,
    Reading,
    SpiDevice,
    SysfsDevice,
)
from drivers.simulation.recording import OffScript
from drivers.wires.mqtt import MqttOutput
from edge.buses import Buses
from edge.config.models import Backend, DeviceSettings
from edge.errors import EdgeError

BUSY = 5.0
"""Seconds that closing waits in all for wires that somebody uses: a hung bus must not keep the other outputs from their
safe state."""


class UnknownDevice(EdgeError, KeyError):
    """No device of that name is configured."""

    def __str__(self) -> str:
        return str(self.args[0])


class NotAnOutput(EdgeError, TypeError):
    """The device measures; it cannot be set."""


class Wiring(Protocol):
    """What a device is built and connected with; see `edge.devices.Wiring`."""

    buses: Buses

    def lock(self, handle: Handle) -> threading.RLock: ...

    def build(self, handle: Handle) -> Device: ...

    def connect(self, handle: Handle, device: Device) -> None: ...


class Handle:
    """One configured device. Any thread; `start`, `read` and `set` block for as long as the wire does. Once closed it
    refuses: nobody is left who would bring an output back to its safe state."""

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
        self._closed = False
        self.told: Any = None
        """What an output was told last: its safe state since it was started; None where nobody told it anything."""
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
            self._require_open()
            if self._device is None:
                self._device = self._wiring.build(self)
            self._device.start()
            if not self._connected:
                self._wiring.connect(self, self._device)
                self._connected = True
                self.told = self._device.safe if isinstance(self._device, Output) else None

    @property
    def started(self) -> bool:
        """Whether the device has proved to be there and its wire is open."""
        return self._connected

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
            self.told = value

    def make_safe(self) -> None:
        """Go to the configured safe state; a move that is under way ends first."""
        self.halt()
        with self.lock:
            output = self._started_output()
            output.make_safe()
            self.told = output.safe

    def halt(self) -> None:
        """End what a `set` still does, in whatever thread that is; `make_safe` or `close` comes next."""
        device: object = self._device
        if isinstance(device, Output):
            device.halt()

    def feed(self) -> MqttDevice:
        """The device on the broker, started; whoever calls this brings it what comes."""
        with self.lock:
            self._require_open()
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

    def close(self, patience: float = BUSY) -> None:
        """Leave the device at rest, outputs in their safe state; idempotent. Raises DriverError, BusTimeout where
        somebody else used the wire for `patience` seconds."""
        self._closed = True
        self.halt()
        with self._soon(patience):
            device, self._device, self._connected = self._device, None, False
            if device is not None:
                # a recording need not end where this does
                with suppress(OffScript) if self.backend == "replay" else nullcontext():
                    device.close()

    @contextmanager
    def _soon(self, patience: float) -> Iterator[None]:
        if not self.lock.acquire(timeout=patience):
            raise BusTimeout(f"{self.name}: {self.wire} is in use and was not let go; nothing was done to the device")
        try:
            yield
        finally:
            self.lock.release()

    def _require_open(self) -> None:
        if self._closed:
            raise BusUnavailable(f"{self.name} is closed: the gateway stops")

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


def urgent_first(handles: Iterable[Handle]) -> list[Handle]:
    """The order in which devices are made safe: outputs at once, then those that take their time, then those behind a
    broker, which may not answer, and at last what only measures."""

    def urgency(handle: Handle) -> int:
        if not handle.output:
            return 3
        return 2 if issubclass(handle.kind, MqttDevice) else int(handle.kind.own_wire)

    return sorted(handles, key=urgency)


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
