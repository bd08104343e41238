"""The I2C buses of a configuration: opened once each, with what is behind the multiplexers on them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack

import drivers
from drivers import Bus, SimBus, SimChip, World
from drivers.recording import Recording
from drivers.tca9548a import SimTCA9548A
from drivers.trunk import Branch, Multiplexer, Trunk
from edge.config.models import Backend, Config, DeviceSettings


class Buses:
    """Any thread. A bus is opened when it is first needed; one that could not be is tried again the next time."""

    def __init__(
        self,
        config: Config,
        *,
        open_bus: Callable[[str], Bus],
        recording: Callable[[], Recording],
        world: World,
        wait: Callable[[float], None],
        seed: int,
    ) -> None:
        self._config = config
        self._open_bus = open_bus
        self._recording = recording
        self._world = world
        self._wait = wait
        self._seed = seed
        self._wires: dict[tuple[str, Backend], Bus] = {}
        self._trunks: dict[tuple[str, Backend], Trunk] = {}
        self._opening = threading.RLock()

    def root(self, settings: DeviceSettings) -> str | None:
        """The bus that a device shares with others: its own, or the one that its multiplexer is on."""
        return settings.bus if settings.behind is None else self._config.devices[settings.behind].bus

    def opened(self) -> list[Trunk]:
        """Every bus that somebody needed."""
        with self._opening:
            return list(self._trunks.values())

    def reach(self, name: str, backend: Backend) -> Trunk | Branch:
        """What a driver is built on: a bus as its users share it, or a wire behind one's multiplexer. Raises
        DriverError."""
        multiplexer, channel, number = name.partition("/")
        if not channel or backend == "replay":  # each wire was recorded by itself
            return self._trunk(name, backend)
        above, place = self._above(multiplexer)
        channels = int(self._config.devices[multiplexer].options.get("channels", 8))
        return self._trunk(above, backend).branch(place, int(number), channels=channels)

    def wire(self, name: str, backend: Backend) -> Bus:
        """The bus itself, below what its users share; a simulated wire behind a multiplexer by itself. Raises
        DriverError."""
        with self._opening:
            if (name, backend) not in self._wires:
                self._wires[name, backend] = self._open(name, backend)
            return self._wires[name, backend]

    def release(self, name: str, backend: Backend) -> None:
        """Give one bus back that no device uses."""
        with self._opening:
            self._trunks.pop((name, backend), None)
            wire = self._wires.pop((name, backend), None)
        if wire is not None:
            wire.close()

    def close(self) -> None:
        """Give every bus back; idempotent."""
        with ExitStack() as stack:
            for wire in self._wires.values():
                stack.callback(wire.close)
            self._wires, self._trunks = {}, {}

    def _trunk(self, name: str, backend: Backend) -> Trunk:
        wire = self.wire(name, backend)
        with self._opening:
            if (name, backend) not in self._trunks:
                trunk = self._trunks[name, backend] = Trunk(name, wire, now=self._world.now)
                for settings in self._config.devices.values():
                    if settings.behind is not None and self._above(settings.behind)[0] == name:
                        trunk.occupy(self._above(settings.behind)[1], address_of(settings))
            return self._trunks[name, backend]

    def _open(self, name: str, backend: Backend) -> Bus:
        if backend == "replay":
            return self._recording().bus(name, wait=self._wait, now=self._world.now)
        multiplexer, channel, number = name.partition("/")
        if channel:
            above, place = self._above(multiplexer)
            trunk = self.wire(above, backend)
            chip = trunk.chip(place) if isinstance(trunk, SimBus) else None
            assert isinstance(chip, SimTCA9548A), "a real wire behind a multiplexer is none of its own"
            return chip.wire(int(number))
        return self._open_bus(name) if backend == "real" else self._simulated(name)

    def _simulated(self, name: str) -> SimBus:
        bus = SimBus(wait=self._wait, name=name, now=self._world.now, seed=self._seed)
        for device, settings in self._config.devices.items():
            entry = drivers.find(settings.driver)
            if settings.bus == name and issubclass(entry.driver, Multiplexer):
                assert issubclass(entry.sim, SimChip)
                bus.attach(address_of(settings), entry.sim(self._world, device))
        return bus

    def _above(self, multiplexer: str) -> tuple[str, int]:
        """Bus and address of a multiplexer."""
        settings = self._config.devices[multiplexer]
        assert settings.bus is not None, "the configuration was not checked"
        return settings.bus, address_of(settings)


def address_of(settings: DeviceSettings) -> int:
    """Where a chip is on its bus; the driver's own address where the configuration names none."""
    address: int | None = settings.address
    if address is None:
        address = getattr(drivers.find(settings.driver).driver, "address", None)
    assert address is not None, "the configuration was not checked"
    return address
