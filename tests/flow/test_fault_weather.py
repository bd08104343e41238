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
from typing import Final

import pytest

from drivers import Bus, BusTimeout, SimBus, World, find
from drivers.faults import TIMEOUT, Fault, Kind
from drivers.gpio import pin_factory
from drivers.signals import diurnal
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

EVERY: Final = 5.0
LAST_RETRY: Final = FIRST_RETRY * (2**RETRIES - 1)
SEEN: Final[dict[Kind, float]] = {
    "nack": 20, "unplug": 2, "wrong_chip": 2, "reset": 20, "stretch": 4, "slow": 2
}  # fmt: skip
"""What can be told from an answer by any driver, times an hour and device."""
LATE: Final = 15 * TIMEOUT
"""One thread drives all three buses here, so each of the fifteen devices may hold up the others for a time-out."""
SENSORS: Final = {
    f"s{bus}-{address:x}": (f"i2c-{bus}", address) for bus in (1, 2, 3) for address in (0x48, 0x49, 0x4A, 0x76, 0x77)
}
CONTACTS: Final = {"door": 17, "window": 22, "tank": 23, "stop": 24}


@dataclass
class Hour:
    """What happened: every event, and every change of a device's state, at its monotonic time."""

    world: World
    events: list[Event] = field(default_factory=list)
    states: dict[str, list[tuple[float, str]]] = field(default_factory=dict)
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    opened: dict[str, list[tuple[float, bool]]] = field(default_factory=dict)

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
    for name, (bus, address) in SENSORS.items():
        kind = "tmp102" if address < 0x70 else "bme280"
        lines.append(f"  {name}: {{driver: {kind}, bus: {bus}, address: {address:#x}, every: 5s}}")
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
    for name in SENSORS:
        for channel, (low, high) in find(config.devices[name].driver).driver.ranges.items():
            middle, swing = (low + high) / 2, (high - low) / 20
            world[f"{name}.{channel}"] = diurnal(middle - swing, middle + swing, day=86400 * dice.uniform(0.8, 1.2))
    instruments = watched(config, world, clock, hour, seed=seed)
    with closing(instruments):
        for name, (bus, address) in SENSORS.items():
            _faults(instruments, bus).weather(address, SEEN)
            hour.faults[name] = []
        _faults(instruments, "i2c-1").weather(None, {"stuck": 6})
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
        for name, (bus, address) in SENSORS.items():
            began = _faults(instruments, bus).history
            hour.faults[name] = [fault for fault in began if fault.address in (address, None)]
    return hour


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


def _spells(faults: list[Fault], gap: float) -> Iterator[tuple[float, float, list[Fault]]]:
    """Faults of one device, those closer together than `gap` as one: begin, end, what they were."""
    spell: list[Fault] = []
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


def test_no_wrong_value_ever_becomes_an_event(hour: Hour) -> None:
    """The world hardly moves in the second that a reading may take: what is told is what is, to a step of the chip."""
    readings = [event for event in hour.events if event.source in SENSORS]
    assert len(readings) > 8_000
    for event in readings:
        kind = find("tmp102" if SENSORS[event.source][1] < 0x70 else "bme280").driver
        for channel, value in event.values.items():
            true = hour.world.sample(f"{event.source}.{channel}", at=event.monotonic)
            assert value == pytest.approx(true, abs=kind.resolution[channel] * 1.01 + 0.01), (
                f"{event} at {event.monotonic}"
            )


def test_each_fault_ends_in_a_state_and_is_over_a_minute_after_it(hour: Hour) -> None:
    """A fault that lasts is `degraded` at the next sample, `failed` three retries later, and the device is back with
    the first start after it: a minute at most, and what the neighbours' time-outs take."""
    spells = longest = 0
    for name, faults in hour.faults.items():
        for begin, end, spell in _spells(faults, LONGEST_PAUSE + EVERY + LATE):
            spells += 1
            if end + LONGEST_PAUSE + EVERY + LATE < 3600:
                assert "ok" in hour.between(name, end, end + LONGEST_PAUSE + EVERY + LATE), f"{name}: {spell}"
            dead = [one for one in spell if one.kind in ("unplug", "stretch", "nack")]
            for one in dead:
                if one.end - one.begin > EVERY + LAST_RETRY + LATE and one.end < 3600:
                    longest += 1
                    assert "failed" in hour.between(name, one.begin, one.end), f"{name}: {one}"
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
        _faults(instruments, "i2c-2").plan("stretch", SENSORS["s2-49"][1], seconds=1e9)
        [part] = [part for part in instruments.parts if part.name == "i2c-2"]
        while clock.monotonic() < 600:
            clock.advance(part.turn(block=False))

    for name in (name for name, (bus, _) in SENSORS.items() if bus == "i2c-2"):
        times = [event.monotonic for event in hour.events if event.source == name]
        if name == "s2-49":
            assert times == []
            continue
        assert len(times) == 120
        assert max(at - EVERY * number for number, at in enumerate(times)) < TIMEOUT + 0.1


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
