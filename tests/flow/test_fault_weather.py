"""An hour with twenty devices in bad weather: what goes wrong is seen, said, and over when it is over.

Every device is watched with the samplers and pin watches of the runtime, at virtual time, under faults at random by a
seed. The true value is known at every moment, so a wrong one cannot hide.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from drivers import Bus, BusTimeout, Device, SimBus, SimLine, World, find
from drivers.gpio import pin_factory
from drivers.simulation.faults import TIMEOUT
from drivers.simulation.signals import Signal, diurnal, total
from drivers.simulation.weather import Fault
from drivers.tmp102 import SimTMP102
from edge.clock import Clock, SystemClock
from edge.config import Config, load
from edge.devices import Wires
from edge.ids import Minter
from edge.ingest.readings import FIRST_RETRY, LONGEST_PAUSE, RETRIES
from edge.instruments import Instruments
from edge.model import Event, EventKind
from edge.parts import Part
from edge.telemetry import Telemetry
from edge.testing.clock import VirtualClock

EVERY: Final = 10.0
LAST_RETRY: Final = FIRST_RETRY * (2**RETRIES - 1)
BELIEVE: Final = 60.0
FROZEN: Final = 120.0
SEEN: Final[dict[str, float]] = {
    "nack": 6, "unplug": 2, "wrong_chip": 1, "reset": 3, "stretch": 1, "silence": 1, "slow": 1,
    "flip": 8, "crc": 3, "spike": 8, "freeze": 4
}  # fmt: skip
"""Times an hour and device, where its wire has them."""
CALM: Final = 30.0
"""A lie that is there from the start cannot be told: there is nothing to compare it with."""
LATE: Final = 30.0
"""One thread drives all wires here, so each device may hold up the others: a time-out, or five seconds of an SCD4x."""
OVER: Final = LONGEST_PAUSE + EVERY + LATE
"""The longest until a device is asked again whose fault is over."""
BACK: Final = OVER + BELIEVE + 2 * EVERY
"""The longest until it is `ok` where the world went on meanwhile: `believe` begins with a confirmed reading, and ends
with the first one after it that moves."""
JUMP: Final = {"degC": 2.0, "%": 5.0, "hPa": 3.0, "V": 0.1, "ppm": 100.0, "ug/m3": 20.0}
CHIPS: Final = {
    "office": ("tmp102", 1, 0x48), "hall": ("tmp117", 1, 0x49), "attic": ("mcp9808", 1, 0x18),
    "garden": ("bme280", 1, 0x76), "stable": ("sht31", 1, 0x44), "barn": ("bme280", 2, 0x77),
    "meter": ("ads1115", 2, 0x4A), "school": ("scd4x", 2, 0x62), "cellar": ("sht4x", 2, 0x45),
    "lobby": ("aht20", 2, 0x38), "yard": ("tmp102", 2, 0x49),
}  # fmt: skip
LINES: Final = {
    "well": "driver: ds18b20, id: 28-00000a1b2c3d",
    "shed": "driver: dht22",
    "dust": "driver: pms5003, port: /dev/ttyUSB0",
    "air": "driver: mhz19, port: /dev/ttyAMA0",
    "stove": "driver: max31855, bus: spi-0, select: 1",
}
SENSORS: Final = (*CHIPS, *LINES)
CONTACTS: Final = {"door": 17, "window": 22, "tank": 23, "stop": 24}


@dataclass
class Hour:
    """What happened: every event, and every change of a device's state, at its monotonic time."""

    world: World
    events: list[Event] = field(default_factory=list)
    states: dict[str, list[tuple[float, str]]] = field(default_factory=dict)
    faults: dict[str, list[Fault[Any]]] = field(default_factory=dict)
    opened: dict[str, list[tuple[float, bool]]] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)

    def offer(self, happened: object) -> None:
        self.events.append(happened.event)  # type: ignore[attr-defined]

    push = offer

    def look(self, now: float, instruments: Instruments) -> None:
        for name, state in instruments.states():
            known = self.states.setdefault(name, [])
            if not known or known[-1][1] != state.state:
                known.append((now, state.state))

    def between(self, device: str, begin: float, end: float) -> set[str]:
        """Every state that the device was in."""
        known = self.states[device]
        ends = [since for since, _ in known[1:]] + [float("inf")]
        return {state for (since, state), until in zip(known, ends, strict=True) if since <= end and until > begin}


def configured(folder: Path) -> Config:
    lines = ["edge: {id: storm, backend: sim}", "devices:"]
    places = {name: f"driver: {kind}, bus: i2c-{bus}, address: {at:#x}" for name, (kind, bus, at) in CHIPS.items()}
    for name, place in (places | LINES).items():
        inputs = "a0 a1"
        place += f', inputs: "{inputs}"' if name == "meter" else ""
        kind = find(place.removeprefix("driver: ").partition(",")[0]).driver
        jumps = ", ".join(f"{one}: {JUMP[unit]}" for one, unit in kind.channels_of({"inputs": inputs}).items())
        lines.append(f"  {name}: {{{place}, every: {EVERY:g}s, jump: {{{jumps}}}, believe: 1m, frozen: 2m}}")
    lines += [f"  {name}: {{driver: contact, pin: {pin}, debounce: 50ms}}" for name, pin in CONTACTS.items()]
    lines += ["  fan: {driver: relay, pin: 27}", "journal: {path: ./journal}"]
    (folder / "edge.yaml").write_text("\n".join(lines))
    return load(folder / "edge.yaml")


def watched(
    config: Config,
    world: World,
    clock: Clock,
    hour: Hour,
    *,
    seed: int = 0,
    open_bus: Callable[[str], Bus] = lambda name: pytest.fail("no real bus here"),
    show: Callable[..., None] = lambda device, values: None,
) -> Instruments:
    """The devices as the runtime has them, with `hour` as their inbox."""
    wires = Wires(
        open_bus=open_bus,
        open_pins=lambda: pytest.fail("no real pins here"),
        open_sim_pins=lambda: pin_factory("sim", now=clock.monotonic),
        open_tree=lambda: pytest.fail("no real sysfs here"),
        open_serial=lambda port, baud: pytest.fail("no real port here"),
        world=world,
        wait=(lambda seconds: world.elapse(seconds, clock.advance))
        if isinstance(clock, VirtualClock)
        else (lambda seconds: None),
        seed=seed,
    )
    return Instruments(
        config,
        wires,
        clock=clock,
        inbox=hour,  # type: ignore[arg-type]
        minter=Minter("storm", clock, random.Random(seed)),
        telemetry=Telemetry(),
        show=show,
    )


def lived(folder: Path, seed: int, seconds: float) -> Hour:
    clock, dice = VirtualClock(), random.Random(seed)
    world = World(clock.monotonic)
    hour = Hour(world)
    config = configured(folder)
    hour.kinds = {name: settings.driver for name, settings in config.devices.items()}
    instruments = watched(config, world, clock, hour, seed=seed)
    with closing(instruments):
        for name in SENSORS:
            hour.faults[name] = []
            for channel, unit in instruments.handles[name].channels.items():
                world[f"{name}.{channel}"] = _signal(instruments.handles[name].kind, channel, unit, dice)
        world.later(CALM, lambda: _rain(instruments))
        _move_contacts(hour, instruments, dice, seconds)
        instruments.start_outputs()
        for part in instruments.parts:
            part.start()
        while clock.monotonic() < seconds:
            due = min(part.turn(block=False) for part in instruments.parts)
            hour.look(clock.monotonic(), instruments)
            if world.deadline is not None:
                due = min(due, world.deadline - clock.monotonic())
            clock.advance(max(due, 1e-6))
            world.refresh()
        for name in SENSORS:
            handle = instruments.handles[name]
            if name in LINES:
                hour.faults[name] = list(instruments.wiring.line(handle).faults.history)  # type: ignore[union-attr]
            else:
                began = _faults(instruments, f"i2c-{CHIPS[name][1]}").history
                hour.faults[name] = [fault for fault in began if fault.address in (CHIPS[name][2], None)]
    return hour


def _signal(kind: type[Device], channel: str, unit: str, dice: random.Random) -> Signal:
    """It comes and goes within an hour, faster than a frozen value could follow, and flickers as real parts do."""
    middle, swing = {"V": (1.5, 0.3), "ppm": (900, 300), "ug/m3": (60, 20), "hPa": (1000, 10), "%": (50, 15)}.get(
        unit, (20, 6)
    )
    flicker = min(4 * kind.resolution.get(channel, 0.005), 0.3 * JUMP[unit])
    wave = diurnal(middle - swing, middle + swing, day=3600 * dice.uniform(0.8, 1.2))
    return total(wave, diurnal(-flicker, flicker, day=61 * dice.uniform(0.8, 1.2)))


def _rain(instruments: Instruments) -> None:
    _faults(instruments, "i2c-1").weather(None, {"stuck": 3})
    for _, bus, address in CHIPS.values():
        faults = _faults(instruments, f"i2c-{bus}")
        faults.weather(address, {kind: rate for kind, rate in SEEN.items() if kind in faults.kinds})
    for name in LINES:
        line = instruments.wiring.line(instruments.handles[name])
        assert isinstance(line, SimLine)
        line.faults.weather({kind: rate for kind, rate in SEEN.items() if kind in line.faults.kinds})  # type: ignore[misc]


def _faults(instruments: Instruments, name: str):  # type: ignore[no-untyped-def]
    bus = instruments.wiring.bus(name, "sim")
    assert isinstance(bus, SimBus)
    return bus.faults


def _move_contacts(hour: Hour, instruments: Instruments, dice: random.Random, seconds: float) -> None:
    """Each opens or closes every few minutes, chatters all the time, and has glitches shorter than its debounce."""
    for name, pin in CONTACTS.items():
        instruments.wiring.pin_faults.plan("bounce", pin, seconds=seconds)
        at, is_open = 0.0, False
        hour.opened[name] = []
        while (at := at + dice.uniform(60, 300)) < seconds - 1:
            is_open = not is_open
            hour.opened[name].append((at, is_open))
            hour.world.later(at, lambda name=name, shown=is_open: hour.world.__setitem__(f"{name}.open", shown))  # type: ignore[misc]
            instruments.wiring.pin_faults.plan("glitch", pin, after=at + 20, by=0.02)


def _spells(faults: list[Fault[Any]], gap: float) -> Iterator[tuple[float, float, list[Fault[Any]]]]:
    """Faults of one device, those closer together than `gap` as one: begin, end, what they were."""
    spell: list[Fault[Any]] = []
    for fault in sorted(faults, key=lambda fault: fault.begin):
        if spell and fault.begin > max(one.end for one in spell) + gap:
            yield spell[0].begin, max(one.end for one in spell), spell
            spell = []
        spell.append(fault)
    if spell:
        yield spell[0].begin, max(one.end for one in spell), spell


SLOW = [pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 10)]


@pytest.fixture(scope="module", params=[1, *SLOW])
def hour(request, tmp_path_factory) -> Hour:  # type: ignore[no-untyped-def]
    return lived(tmp_path_factory.mktemp("storm"), request.param, 3600)


def wrong(hour: Hour, event: Event, *, for_: float = 0.0) -> list[str]:
    """The channels that were nowhere near what the event says: not now, nor within the last `for_` seconds."""
    kind = find(hour.kinds[event.source]).driver
    moments = [event.monotonic - back for back in range(0, int(for_) + 1, 5)]
    units = kind.channels_of({})
    found = []
    for channel, value in event.values.items():
        most = 2 * JUMP[units.get(channel, "V")] + kind.resolution.get(channel, 0.01)
        true = [float(hour.world.sample(f"{event.source}.{channel}", at=max(at, 0.0))) for at in moments]
        if not min(true) - most <= value <= max(true) + most:
            found.append(channel)
    return found


def test_no_wrong_value_ever_reaches_a_trigger_unmarked(hour: Hour) -> None:
    """Wrong is what is further from the truth than twice `jump`. While a part stands still, its value may be as old as
    `frozen` says, and not older."""
    readings = [event for event in hour.events if event.source in SENSORS]
    assert len(readings) > 4_000
    unmarked = [event for event in readings if not event.doubt]
    assert len(unmarked) > 0.9 * len(readings)
    for event in unmarked:
        still = [
            fault
            for fault in hour.faults[event.source]
            if fault.kind == "freeze" and fault.begin <= event.monotonic < fault.end + EVERY + LATE
        ]
        lies = wrong(hour, event, for_=FROZEN + EVERY + LATE if still else 0.0)
        assert not lies, f"{lies} of {event} at {event.monotonic}"


def test_without_the_marks_wrong_values_would_have_reached_them(hour: Hour) -> None:
    marked = [event for event in hour.events if event.doubt]

    assert {event.doubt for event in marked} == {"jump", "frozen"}
    assert sum(bool(wrong(hour, event)) for event in marked if event.doubt == "jump") > 10
    assert len({event.source for event in marked}) > 10


def test_each_fault_ends_in_a_state_and_is_over_in_its_stated_time(hour: Hour) -> None:
    """A fault that lasts is `degraded` at the next sample and `failed` three retries later; a part that stands still is
    `degraded` after `frozen`. The device is back with the first start after the fault: a minute at most, what the
    neighbours' time-outs take, and `believe` where the world went on meanwhile."""
    spells = longest = stood = 0
    for name, faults in hour.faults.items():
        for begin, end, spell in _spells(faults, BACK):
            spells += 1
            if end + BACK < 3600:
                assert "ok" in hour.between(name, end, end + BACK), f"{name}: {spell}"
            for one in spell:
                lasted = min(one.end, 3600) - one.begin
                if one.kind in ("unplug", "stretch", "nack", "silence") and lasted > EVERY + LAST_RETRY + LATE:
                    longest += 1
                    assert "failed" in hour.between(name, one.begin, one.end), f"{name}: {one}"
                if spell == [one] and one.kind == "freeze" and lasted > FROZEN + EVERY + LATE:
                    stood += 1
                    assert "degraded" in hour.between(name, one.begin, one.end), f"{name}: {one}"
            assert begin <= end
    assert spells > 50
    assert longest > 5


def test_states_are_the_three_that_there_are_and_all_occur(hour: Hour) -> None:
    seen = {state for states in hour.states.values() for _, state in states}

    assert seen == {"ok", "degraded", "failed"}


def test_each_real_move_of_a_contact_is_one_edge_at_its_time_and_nothing_else_is(hour: Hour) -> None:
    for name, moves in hour.opened.items():
        edges = [
            (event.monotonic, event.values["open"])
            for event in hour.events
            if event.source == name and event.kind == EventKind.EDGE
        ]
        assert [level for _, level in edges] == [level for _, level in moves]
        for (at, _), (moved, _) in zip(edges, moves, strict=True):
            assert moved <= at <= moved + 0.05 + LATE


def test_the_same_seed_is_the_same_weather(tmp_path: Path) -> None:
    first, second, other = (lived(tmp_path, seed, 300) for seed in (7, 7, 8))

    assert first.faults == second.faults
    assert first.states == second.states
    assert [event.values for event in first.events] == [event.values for event in second.events]
    assert first.faults != other.faults


def test_a_dead_device_delays_its_own_bus_by_its_time_out_at_most(tmp_path: Path) -> None:
    config, clock = configured(tmp_path), VirtualClock()
    world = World(clock.monotonic)
    hour = Hour(world)
    with closing(watched(config, world, clock, hour)) as instruments:
        _faults(instruments, "i2c-1").plan("stretch", CHIPS["hall"][2], seconds=1e9)
        [part] = [part for part in instruments.parts if part.name == "i2c-1"]
        while clock.monotonic() < 600:
            clock.advance(part.turn(block=False))

    for name in (name for name, (_, bus, _) in CHIPS.items() if bus == 1):
        times = [event.monotonic for event in hour.events if event.source == name]
        if name == "hall":
            assert times == []
            continue
        assert len(times) == 60
        # the first reading of each is taken twice
        assert max(at - EVERY * number for number, at in enumerate(times) if number) < TIMEOUT + 0.1


def test_a_hung_bus_delays_no_other(tmp_path: Path) -> None:
    """Threads as the runtime has them: one hangs in a transfer for as long as the other takes for fifty samples."""
    (tmp_path / "edge.yaml").write_text(
        "edge: {id: storm}\njournal: {path: ./journal}\ndevices:\n"
        "  dead: {driver: tmp102, bus: i2c-1, every: 1ms}\n  well: {driver: tmp102, bus: i2c-2, every: 1ms}\n"
    )
    clock, released, hung, enough = SystemClock(), threading.Event(), threading.Event(), threading.Event()
    world = World(clock.monotonic)
    hour = Hour(world)

    class Hung(SimBus):
        def transfer(self, address: int, write: bytes, read: int = 0) -> bytes:
            hung.set()
            released.wait(60)
            raise BusTimeout("at last")

    def look(device: str, values: object) -> None:
        if len(hour.events) >= 50:
            enough.set()

    buses = {"i2c-1": Hung(), "i2c-2": SimBus({0x48: SimTMP102(world, "well")})}
    instruments = watched(load(tmp_path / "edge.yaml"), world, clock, hour, open_bus=buses.__getitem__, show=look)

    def run(part: Part) -> None:
        while not released.is_set():
            part.turn(block=True)

    threads = [threading.Thread(target=run, args=(part,)) for part in instruments.parts]
    for thread in threads:
        thread.start()
    assert hung.wait(60)
    assert enough.wait(60)
    assert not released.is_set()
    released.set()
    for thread in threads:
        thread.join(60)
    assert {event.source for event in hour.events} == {"well"}
