"""Sensors and actuators: usable without the runtime.

    >>> from drivers import SimBus, World, find
    >>> world, entry = World(), find("tmp102")
    >>> world["room.temperature"] = 21.5
    >>> with entry.build(SimBus({0x48: entry.sim(world, "room")})) as sensor:
    ...     sensor.read()
    Reading(values={'temperature': 21.5})

On a Raspberry Pi the wire is `drivers.bus.SMBusBus("i2c-1", wait=time.sleep)`, and nothing else changes.

A driver's `kind` is the name of its module here (`bme280`), or of an entry point in the group `edge.drivers` whose
value is a module with the same two names, `DRIVER` and `SIM`:

    [project.entry-points."edge.drivers"]
    scd41 = "edge_driver_scd41"

Only what is asked for is imported. A built-in kind cannot be taken over by a plugin.
"""

import difflib
import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from drivers.base import (
    Decoder,
    Device,
    Driver,
    Output,
    PartOnPins,
    PinDevice,
    Push,
    Reading,
    Seconds,
    Value,
)
from drivers.errors import (
    AdapterGone,
    ArbitrationLost,
    BadData,
    BadPin,
    BusError,
    BusFault,
    BusTimeout,
    BusUnavailable,
    CatalogueError,
    ChipError,
    DriverClash,
    DriverError,
    Halted,
    Nack,
    NotStarted,
    OutOfRange,
    PinError,
    PinInUse,
    PinUnavailable,
    UnknownDriver,
    WrongChip,
)
from drivers.options import Option, keywords, options_of
from drivers.sim import SimBus, SimChip, SimPart, World
from drivers.simulation.line import SimEnd, SimLine
from drivers.wires.mqtt import MqttDevice, Post
from drivers.wires.spi import SpiDevice
from drivers.wires.sysfs import SysfsDevice, Tree
from drivers.wires.uart import Line, SerialDevice
from drivers.wires.wire import Bus, Emit, Pins, Spi

__all__ = [
    "AdapterGone",
    "ArbitrationLost",
    "BadData",
    "BadPin",
    "Bus",
    "BusError",
    "BusFault",
    "BusTimeout",
    "BusUnavailable",
    "CatalogueError",
    "ChipError",
    "Decoder",
    "Device",
    "Driver",
    "DriverClash",
    "DriverError",
    "Emit",
    "Entry",
    "Halted",
    "Line",
    "MqttDevice",
    "Nack",
    "NotStarted",
    "Option",
    "OutOfRange",
    "Output",
    "PartOnPins",
    "PinDevice",
    "PinError",
    "PinInUse",
    "PinUnavailable",
    "Pins",
    "Post",
    "Push",
    "Reading",
    "Seconds",
    "SerialDevice",
    "SimBus",
    "SimChip",
    "SimEnd",
    "SimLine",
    "SimPart",
    "Spi",
    "SpiDevice",
    "SysfsDevice",
    "Tree",
    "UnknownDriver",
    "Value",
    "World",
    "WrongChip",
    "find",
    "kinds",
    "options_of",
]

GROUP = "edge.drivers"
_NOT_CHIPS = frozenset({"base", "bus", "errors", "gpio", "options", "registers", "sim", "suite"})

Wire = Bus | Pins | Tree | Line | Spi | Post
"""What a driver is built on."""

Where = int | str | Mapping[str, int] | None
"""Where on it: an address, a pin, the pins by their roles, the name or port of a part."""

Simulated = type[SimChip] | type[SimPart] | type[SimEnd]
"""What stands for the part: on a bus, at a pin, at the end of a line of its own."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A driver as found: its class, its simulated counterpart, and where it comes from ("built in", a distribution)."""

    kind: str
    driver: type[Device]
    sim: Simulated
    origin: str

    def build(self, wire: Wire, where: Where = None, /, **options: Any) -> Device:
        """The device at an address of a bus or the id of a part (None: its default), or at pins of the header.

        Touches nothing yet.

        `options` are those of `options_of(self.driver)`. Raises `OutOfRange` or `BadPin` for an impossible place.
        """
        make: Any = self.driver
        device: Device = make(wire, where, **keywords(options))
        return device

    def simulated(self, options: Mapping[str, Any]) -> Simulated:
        """What stands for a part with these options in simulation. Raises as `find` does."""
        kind = self.driver.simulated_by(options)
        return self.sim if kind is None else find(kind).sim

    def signals(self, traits: Mapping[str, Any]) -> set[str]:
        """What the world may say about such a device, `<name>.<signal>` each: its channels, chosen or not, those of
        what simulates it, and what else acts on the part."""
        kind = self.driver.simulated_by(traits)
        others = set() if kind is None else find(kind).signals({})
        return {*self.driver.channels, *self.driver.channels_of(traits), *getattr(self.sim, "signals", ()), *others}


def find(kind: str) -> Entry:
    """The driver called `kind`.

    Raises `UnknownDriver` with near names, `DriverClash` where two plugins claim the name, and `CatalogueError` where
    the driver's own module raises something, whatever that is, or is no driver.
    """
    if kind in _built_in():
        return _entry(kind, lambda: importlib.import_module(f"drivers.{kind}"), "built in")
    plugins = _plugins(kind)
    if len(plugins) > 1:
        owners = " and ".join(sorted(map(_owner, plugins)))
        raise DriverClash(f"the driver {kind!r} is claimed by {owners}: uninstall one of them")
    if plugins:
        return _entry(kind, plugins[0].load, _owner(plugins[0]))
    near = difflib.get_close_matches(kind, kinds())
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"there are {', '.join(kinds())}"
    raise UnknownDriver(f"no driver called {kind!r}; {hint}")


def kinds() -> list[str]:
    """The names of every driver that can be found, sorted; imports none of them."""
    return sorted(_built_in() | {point.name for point in entry_points(group=GROUP)})


def _built_in() -> set[str]:
    return {module.name for module in pkgutil.iter_modules(__path__) if not module.ispkg} - _NOT_CHIPS


def _plugins(kind: str) -> list[EntryPoint]:
    # one distribution seen twice on sys.path is not two plugins
    found = {(_owner(point), point.value): point for point in entry_points(group=GROUP, name=kind)}
    return list(found.values())


def _owner(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else "an unnamed distribution"


def _entry(kind: str, load: Callable[[], Any], origin: str) -> Entry:
    who = f"the driver {kind!r} ({origin})"
    try:
        module = load()
    except (Exception, SystemExit) as error:  # other people's code, and whoever asks has other drivers as well
        raise CatalogueError(f"{who} cannot be imported: {type(error).__name__}: {error}") from error
    try:
        driver, sim = module.DRIVER, module.SIM
    except AttributeError as error:
        raise CatalogueError(f"{who} must define DRIVER and SIM: {error}") from error
    if not (isinstance(driver, type) and issubclass(driver, Device) and isinstance(sim, type)):
        raise CatalogueError(f"{who}: DRIVER must be a class of drivers.Device, and SIM a class")
    return Entry(kind, driver, sim, origin)
