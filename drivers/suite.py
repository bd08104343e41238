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
from drivers.base import Device, Driver, Output, PartOnPins, PinDevice, Push
from drivers.errors import BadData, BadPin, BusError, DriverError, Nack, OutOfRange, PinInUse
from drivers.gpio import SimulatedPins, pin_factory
from drivers.options import options_of
from drivers.sim import SimBus, SimChip, SimPart, World
from drivers.simulation.line import SimEnd
from drivers.simulation.mqtt import SimNode
from drivers.wires.mqtt import MqttDevice, MqttOutput

PINS = (17, 27, 22, 23, 24, 25)

NONSENSE = "neither this nor that " * 100
"""What no output takes: no word it knows, no number, and longer than any screen."""
_ANYTHING = (
    b"", b"\xff\x00", b"null", b"[" * 40_000, b'{"a":' * 9_000, b"nan", b"1e999", b"9" * 5_000, b"{}", b'{"state":[]}',
)  # fmt: skip
_TALKS = "the constructor already talks to the {}; that belongs into start()"


def problems(entry: Entry, options: Mapping[str, Any] | None = None) -> list[str]:
    """Every rule the driver breaks, in words; empty when it conforms. `options`: what it cannot be built without."""
    return list(broken(entry, options))


def broken(entry: Entry, options: Mapping[str, Any] | None = None) -> Iterator[str]:
    """The same one by one: those that were found stay found where the driver then raises what it must not."""
    declared = list(_declarations(entry, options or {}))
    if declared:
        yield from declared
    elif issubclass(entry.driver, Driver) and issubclass(entry.sim, SimChip):
        yield from _on_a_bus(entry, dict(options or {}))
    elif issubclass(entry.driver, PartOnPins) and issubclass(entry.sim, SimPart):
        yield from _on_pins(entry, entry.driver, entry.sim, dict(options or {}))
    elif issubclass(entry.driver, MqttDevice) and issubclass(entry.sim, SimNode):
        yield from _on_a_broker(entry, entry.sim, dict(options or {}))
    elif entry.driver.wire not in ("i2c", "pin", "mqtt") and issubclass(entry.sim, SimEnd):
        yield from _on_a_line(entry, entry.sim, dict(options or {}))
    else:
        wanted = {"i2c": "SimChip", "pin": "SimPart", "mqtt": "SimNode"}.get(entry.driver.wire, "SimEnd")
        yield f"SIM must be a {wanted}, as the driver's wire asks for"


def _declarations(entry: Entry, options: Mapping[str, Any]) -> Iterator[str]:
    driver = entry.driver
    channels = {**driver.channels, **driver.channels_of(options)}
    module = inspect.getmodule(driver)
    if not (driver.__dict__.get("__doc__") and module is not None and module.__doc__):
        yield "the module and the driver class need a docstring: what it is, where its numbers come from"
    if not channels:
        yield "channels is empty: a device without a channel cannot be a source"
    for channel, unit in channels.items():
        if not re.fullmatch("[a-z][a-z0-9_]*", channel):
            yield f"channel {channel!r} must be a lower-case word"
        if not unit:
            yield f"channel {channel!r} needs a unit"
    for table in ("ranges", "resolution", "slew"):
        for channel in sorted(set(getattr(driver, table)) - set(driver.channels)):
            yield f"{table} names {channel!r}, which is no channel"
    for option in options_of(driver).values():
        for unknown in option.unchecked:
            has = "no type" if unknown is inspect.Parameter.empty else f"the type {unknown}"
            known = "bool, int, float, str, Seconds, Literal"
            yield f"option {option.name!r} has {has}; configuration can check {known}"


def _on_a_bus(entry: Entry, options: dict[str, Any]) -> Iterator[str]:
    driver: Any = entry.driver
    sim: Any = entry.simulated(options)
    address = driver.address if driver.address is not None else (driver.addresses or (0x08,))[0]
    if driver.addresses and address not in driver.addresses:
        yield f"the default address {address:#04x} is not among addresses"
        return
    yield from _raises(OutOfRange, "an impossible address", lambda: entry.build(SimBus(), 0x7F, **options))
    world = World()
    bus = SimBus()
    try:
        device = entry.build(bus, address, **options)
    except BusError:
        yield _TALKS.format("chip")
        return
    if bus.log:
        yield _TALKS.format("chip")
    yield from _raises(Nack, "start() without a chip", device.start)
    bus.attach(address, sim(world, "it"))
    device.start()
    for one in driver.identity:
        if not one.fits(bus.transfer(address, bytes([one.register]), one.size)):
            yield f"the simulated chip's register {one.register:#04x} is not what identity says"
    yield from _two_readings(device, options)
    yield from _round_trips(device, world, options)
    if isinstance(device, Output):
        yield from _refuses_nonsense(device)
    chip = bus.detach(address)
    assert chip is not None
    yield from _raises(Nack, "read() after the chip was unplugged", device.read)
    bus.attach(address, chip)
    yield from _taken_up_anew(device, options)


def _taken_up_anew(device: Device, options: Mapping[str, Any]) -> Iterator[str]:
    """The part was plugged in again; and `close()` is idempotent."""
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
    yield from _taken_up_anew(device, options)


def _on_a_broker(entry: Entry, sim: type[SimNode], options: dict[str, Any]) -> Iterator[str]:
    world = World()
    line: Any = sim(world, "it").line()
    device: Any = entry.build(line, "kitchen/it", **options)
    if line.log:
        yield "the constructor already talks to the broker; that belongs into start()"
    if any(set(topic) & set("+#") for topic in device.topics):
        yield "topics must name what the device says one by one, without wildcards"
    line.part.fit(device)
    line.unplug()
    device.start()
    yield from _raises(BusError, "read() of a device that is offline", device.read)
    line.plug()
    yield from _two_readings(device, options)
    yield from _round_trips(device, world, options, lambda: line.wait(line.part.period))
    yield from _bears_anything(device)
    if isinstance(device, MqttOutput) and device.acts(options):
        yield from _refuses_nonsense(device)
        for topic, _ in device.command("on"):
            if topic in device.topics:
                yield f"what is told on {topic} would be heard as if the device had said it"
        line.fail(BusError)
        yield from _raises(BusError, "set() without a connection", lambda: device.set("on"))
    line.unplug()
    yield from _raises(Nack, "read() after the device's last will", device.read)
    line.plug()
    yield from _two_readings(device, options)
    device.close()
    device.close()


def _bears_anything(device: MqttDevice) -> Iterator[str]:
    """Whoever may publish on a topic may publish any bytes."""
    for topic in device.topics:
        for payload in (
            b"",
            b"\xff\x00",
            b"null",
            b"[" * 40_000,
            b'{"a":' * 9_000,
            b"nan",
            b"1e999",
            b"9" * 5_000,
            b"{}",
        ):
            try:
                device.take(topic, payload)
            except (BadData, OutOfRange):
                continue
            except Exception as error:  # noqa: BLE001 - this is what the rule is about
                yield f"take() of {payload[:12]!r} on {topic} raised {type(error).__name__}: {error}"


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


def _on_pins(entry: Entry, driver: type[PartOnPins], sim: type[SimPart], options: dict[str, Any]) -> Iterator[str]:
    world = World()
    pins = pin_factory("sim", now=lambda: 1.5)
    place: Any = PINS[0]
    if not issubclass(driver, PinDevice):
        place = dict(zip((*driver.roles, *driver.optional_roles), PINS, strict=False))
        yield from _raises(BadPin, "a role without a pin", lambda: entry.build(pins, {}, **options))
    device = entry.build(pins, place, **options)
    assert isinstance(device, PartOnPins)
    device.start()
    sim(world, "it").wire(pins, device)
    yield from _two_readings(device, {**options, "pins": device.numbers})
    yield from _raises(PinInUse, "a second device on the pin", entry.build(pins, place, **options).start)
    if isinstance(device, Push):
        yield from _pushes(device, device.numbers, pins, set(driver.channels_of({**options, "pins": device.numbers})))
    if isinstance(device, Output):
        yield from _acts(device, device.numbers, pins)
    device.close()
    device.close()
    entry.build(pins, place, **options).start()
    pins.close()


def _pushes(device: Push, numbers: Mapping[str, int], pins: SimulatedPins, channels: set[str]) -> Iterator[str]:
    """Every pin goes there and back: two edges each, whose meaning is no channel that was not declared."""
    seen: list[tuple[str, bool, float]] = []
    decoder = device.decoder(0.0)
    state = decoder.begin(device.levels(), 1.5)
    if not set(state.values) <= channels:
        yield f"the decoder begins with {sorted(state.values)}, channels says {sorted(channels)}"
    device.watch(lambda role, level, at: seen.append((role, level, at)))
    for role, number in numbers.items():
        seen.clear()
        levels = [not pins.level(number), pins.level(number)]
        for level in levels:
            pins.drive(number, level)
        if seen != [(role, level, 1.5) for level in levels]:
            yield f"two edges of {role} gave {seen}; each must come with its role, its level and its time"
        for edge in seen:
            decoder.edge(*edge)
    while (change := decoder.due(1e6)) is not None:
        if not set(change[0].values) <= channels or not change[0].values:
            yield f"the decoder told of {sorted(change[0].values)}, channels says {sorted(channels)}"


def _acts(device: Output, numbers: Mapping[str, int], pins: SimulatedPins) -> Iterator[str]:
    rest = {number: pins.duty(number) for number in numbers.values()}
    yield from _refuses_nonsense(device)
    device.make_safe()
    if {number: pins.duty(number) for number in rest} != rest:
        yield "start() must open the output in its safe state"


def _refuses_nonsense(device: Output) -> Iterator[str]:
    yield from _raises(OutOfRange, "set() of a meaningless value", lambda: device.set(NONSENSE))


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
