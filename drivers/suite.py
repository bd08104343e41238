"""The conformance suite: what every driver keeps, whoever wrote it. Needs no test framework.

    from drivers import find
    from drivers.suite import problems

    assert problems(find("scd41")) == []

Each rule is checked against the driver's own simulated counterpart, on a simulated wire.
"""

import inspect
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from drivers import Entry
from drivers.base import Device, Driver, Output, Push, Reading
from drivers.errors import BusError, DriverError, Nack, OutOfRange, PinInUse
from drivers.gpio import SimulatedPins, pin_factory
from drivers.line import SimEnd
from drivers.options import options_of
from drivers.sim import SimBus, SimChip, SimPart, World

PIN = 17
_TALKS = "the constructor already talks to the {}; that belongs into start()"


def problems(entry: Entry, options: Mapping[str, Any] | None = None) -> list[str]:
    """Every rule the driver breaks, in words; empty when it conforms. `options`: what it cannot be built without."""
    return list(broken(entry, options))


def broken(entry: Entry, options: Mapping[str, Any] | None = None) -> Iterator[str]:
    """The same one by one: those that were found stay found where the driver then raises what it must not."""
    declared = list(_declarations(entry))
    if declared:
        yield from declared
    elif issubclass(entry.driver, Driver) and issubclass(entry.sim, SimChip):
        yield from _on_a_bus(entry.driver, entry.sim, dict(options or {}))
    elif entry.driver.wire == "pin" and issubclass(entry.sim, SimPart):
        yield from _on_a_pin(entry, entry.sim, dict(options or {}))
    elif entry.driver.wire not in ("i2c", "pin") and issubclass(entry.sim, SimEnd):
        yield from _on_a_line(entry, entry.sim, dict(options or {}))
    else:
        wanted = {"i2c": "SimChip", "pin": "SimPart"}.get(entry.driver.wire, "SimEnd")
        yield f"SIM must be a {wanted}, as the driver's wire asks for"


def _declarations(entry: Entry) -> Iterator[str]:
    driver = entry.driver
    module = inspect.getmodule(driver)
    if not (driver.__dict__.get("__doc__") and module is not None and module.__doc__):
        yield "the module and the driver class need a docstring: what it is, where its numbers come from"
    if not driver.channels:
        yield "channels is empty: a device without a channel cannot be a source"
    for channel, unit in driver.channels.items():
        if not re.fullmatch("[a-z][a-z0-9_]*", channel):
            yield f"channel {channel!r} must be a lower-case word"
        if not unit:
            yield f"channel {channel!r} needs a unit"
    for table in ("ranges", "resolution", "slew"):
        for channel in sorted(set(getattr(driver, table)) - set(driver.channels)):
            yield f"{table} names {channel!r}, which is no channel"
    for option in options_of(driver).values():
        try:
            option.describe()
        except KeyError as error:
            yield f"option {option.name!r} has the type {error}, which configuration cannot check"


def _on_a_bus(driver: type[Driver], sim: type[SimChip], options: dict[str, Any]) -> Iterator[str]:
    address = driver.address if driver.address is not None else (driver.addresses or (0x08,))[0]
    if driver.addresses and address not in driver.addresses:
        yield f"the default address {address:#04x} is not among addresses"
        return
    yield from _raises(OutOfRange, "an impossible address", lambda: driver(SimBus(), 0x7F, **options))
    world = World()
    bus = SimBus()
    try:
        device = driver(bus, address, **options)
    except BusError:
        yield _TALKS.format("chip")
        return
    if bus.log:
        yield _TALKS.format("chip")
    yield from _raises(Nack, "start() without a chip", device.start)
    bus.attach(address, sim(world, "it"))
    device.start()
    yield from _two_readings(device, options)
    yield from _round_trips(device, world, options)
    if isinstance(device, Output):
        yield from _refuses_nonsense(device)
    chip = bus.detach(address)
    assert chip is not None
    yield from _raises(Nack, "read() after the chip was unplugged", device.read)
    bus.attach(address, chip)
    device.start()
    yield from _two_readings(device, options)
    device.close()
    device.close()


def _on_a_line(entry: Entry, sim: type[SimEnd], options: dict[str, Any]) -> Iterator[str]:
    world = World()
    line: Any = sim(world, "it").line()
    device = entry.build(line, None, **options)
    if line.log:
        yield _TALKS.format("part")
    line.fit(device)
    line.unplug()
    yield from _raises(BusError, "start() without a part", device.start)
    line.plug()
    device.start()
    yield from _two_readings(device, options)
    yield from _round_trips(device, world, options, lambda: line.wait(device.every))
    line.unplug()
    yield from _raises(BusError, "read() after the part was unplugged", device.read)
    line.plug()
    device.start()
    yield from _two_readings(device, options)
    device.close()
    device.close()


def _round_trips(
    device: Device, world: World, options: Mapping[str, Any], pause: Callable[[], None] = lambda: None
) -> Iterator[str]:
    """`pause` lets time pass between two readings, for parts that keep one for a while."""
    for channel in sorted(device.channels_of(options).keys() & device.ranges.keys()):
        low, high = device.ranges[channel]
        for wanted in (low, low + (high - low) / 3, high):
            step = device.resolution.get(channel, 0.0)
            inside = min(max(wanted, low + step), high - step)
            world[f"it.{channel}"] = inside
            pause()
            got = device.read().values.get(channel, math.nan)
            if not abs(got - inside) <= step:
                yield f"{channel}: the world has {inside:g}, the driver says {got:g}; they may differ by {step:g}"
        world[f"it.{channel}"] = low + (high - low) / 2


def _on_a_pin(entry: Entry, sim: type[SimPart], options: dict[str, Any]) -> Iterator[str]:
    world = World()
    pins = pin_factory("sim", now=lambda: 1.5)
    device = entry.build(pins, PIN, **options)
    device.start()
    sim(world, "it").wire(pins, device)
    yield from _two_readings(device, options)
    yield from _raises(PinInUse, "a second device on the pin", entry.build(pins, PIN, **options).start)
    if isinstance(device, Push):
        yield from _pushes(device, pins)
    if isinstance(device, Output):
        yield from _acts(device, pins)
    device.close()
    device.close()
    entry.build(pins, PIN, **options).start()
    pins.close()


def _pushes(device: Push, pins: SimulatedPins) -> Iterator[str]:
    seen: list[tuple[Reading, float]] = []
    device.watch(lambda reading, at: seen.append((reading, at)))
    for _ in range(2):
        pins.drive(PIN, not pins.level(PIN))
    if len(seen) != 2 or any(at != 1.5 for _, at in seen):
        yield f"two edges gave {len(seen)} readings; each edge must be one reading with the edge's time"


def _acts(device: Output, pins: SimulatedPins) -> Iterator[str]:
    rest = pins.level(PIN)
    yield from _refuses_nonsense(device)
    device.make_safe()
    if pins.level(PIN) != rest:
        yield "start() must open the output in its safe state"


def _refuses_nonsense(device: Output) -> Iterator[str]:
    yield from _raises(OutOfRange, "set() of a meaningless value", lambda: device.set("neither this nor that"))


def _two_readings(device: Device, options: Mapping[str, Any]) -> Iterator[str]:
    wanted = device.channels_of(options)
    for _ in range(2):
        reading = device.read()
        if set(reading.values) != set(wanted):
            yield f"read() gave {sorted(reading.values)}, channels says {sorted(wanted)}"


def _raises(expected: type[DriverError], situation: str, call: Any) -> Iterator[str]:
    try:
        call()
    except expected:
        return
    except DriverError as error:
        yield f"{situation} must raise {expected.__name__}, not {type(error).__name__}: {error}"
        return
    yield f"{situation} must raise {expected.__name__}; nothing was raised"
