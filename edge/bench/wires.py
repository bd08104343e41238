"""What `edge bench drivers` measures: one chip over the real smbus2, fifty on four buses, one pin, a gateway in
virtual time - and the bare thing beside each."""

from __future__ import annotations

import ctypes
import importlib
import itertools
import random
import resource
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from drivers import Driver, SimBus, SimChip, World, find
from drivers.bus import SMBusBus
from drivers.simulation.signals import diurnal
from edge.app import build
from edge.bench.material import CLOCK
from edge.config import load
from edge.demo.stage import CONFIG
from edge.ids import Minter
from edge.ingest.inbox import Inbox
from edge.instruments import Instruments
from edge.model import Happened
from edge.outside import Outside
from edge.telemetry import Telemetry
from edge.testing.harness import Harness
from edge.threads import Threads

BUSES = 4
KINDS = ("tmp102", "mcp9808", "sht31", "bme280")
"""What hangs on each bus, in turns, at every address that the kind can have."""

_ADDRESS = 0x76
_PIN = 17
_HOUR = 3600.0


class Adapter:
    """An I2C adapter without silicon below the real smbus2: it knows the answer to each question and takes no time.

    What smbus2 and the driver cost is then all that is left; on a wire at 100 kHz one byte alone takes 90 us.
    """

    def __init__(self, answers: Mapping[bytes, bytes]) -> None:
        self._answers = answers
        # by name, because a baseline is no part of the runtime, whose one file for smbus2 is drivers/bus.py
        self.smbus2: Any = importlib.import_module("smbus2")

    @contextmanager
    def opened(self) -> Iterator[tuple[SMBusBus, Any]]:
        """The bus that a driver gets, and a bare `smbus2.SMBus`."""
        with ExitStack() as stack:
            node = stack.enter_context(tempfile.NamedTemporaryFile(prefix="i2c-")).name
            stack.enter_context(mock.patch("smbus2.smbus2.ioctl", self._ioctl))
            bus = stack.enter_context(closing(SMBusBus(node, wait=lambda seconds: None)))
            yield bus, stack.enter_context(closing(self.smbus2.SMBus(node)))

    def _ioctl(self, _descriptor: int, request: int, argument: Any) -> int:
        if request == self.smbus2.smbus2.I2C_FUNCS:
            argument.value = int(self.smbus2.I2cFunc.I2C)
            return 0
        asked, told = argument.msgs[0], argument.msgs[argument.nmsgs - 1]
        if told.flags:
            ctypes.memmove(told.buf, self._answers[asked.buf[: asked.len]], told.len)
        return 0


@dataclass(frozen=True, slots=True)
class Pair:
    """Two ways to the same: what we do, and the bare thing."""

    ours: Callable[[], object]
    bare: Callable[[], object]


@contextmanager
def one_chip(kind: str = "bme280") -> Iterator[Pair]:
    """One reading through the driver, and bare smbus2 asking the same."""
    entry = find(kind)
    assert issubclass(entry.sim, SimChip)
    sim = SimBus({_ADDRESS: entry.sim(World(), kind)})
    entry.build(sim, _ADDRESS).__enter__().read()
    answers = {one.write: one.answer for one in sim.log}
    with Adapter(answers).opened() as (bus, smbus), entry.build(bus, _ADDRESS) as chip:
        message = importlib.import_module("smbus2").i2c_msg
        asked = reading(kind, _ADDRESS)

        def by_hand() -> None:
            for write, count in asked:
                answer = message.read(_ADDRESS, count)
                smbus.i2c_rdwr(message.write(_ADDRESS, write), *([answer] if count else []))
                bytes(answer)

        yield Pair(chip.read, by_hand)


def reading(kind: str, address: int) -> list[tuple[bytes, int]]:
    """The transfers of one reading: bytes written, and how many are read."""
    entry = find(kind)
    assert issubclass(entry.sim, SimChip)
    bus = SimBus({address: entry.sim(World(), kind)})
    with entry.build(bus, address) as chip:
        bus.log.clear()
        chip.read()
        return [(one.write, len(one.answer)) for one in bus.log]


def places(devices: int) -> Iterator[tuple[str, str, int]]:
    """So many devices as kind, bus and address, spread over the buses and over the kinds on each."""
    of_kind = [[(kind, address) for address in _addresses(kind)] for kind in KINDS]
    spots = [spot for row in itertools.zip_longest(*of_kind) for spot in row if spot is not None]
    for number in range(devices):
        kind, address = spots[number // BUSES]
        yield kind, f"i2c-{number % BUSES + 1}", address


def _addresses(kind: str) -> tuple[int, ...]:
    driver = find(kind).driver
    assert issubclass(driver, Driver)
    return driver.addresses


def fleet(folder: Path, devices: int, every: str) -> Path:
    """The configuration of a gateway with so many simulated devices."""
    lines = ["edge: {id: bench, backend: sim}", "journal: {path: ./journal}", "devices:"]
    lines += [
        f"  s{number}: {{driver: {kind}, bus: {bus}, address: {address:#x}, every: {every}}}"
        for number, (kind, bus, address) in enumerate(places(devices))
    ]
    path = folder / "edge.yaml"
    path.write_text("\n".join(lines))
    return path


def sampling(folder: Path, devices: int, seconds: float) -> dict[str, float]:
    """CPU seconds a second of the whole runtime, on its threads, with so many devices at 1 Hz; what of it the same
    transfers alone cost, made by hand on the same simulated chips. Raises RuntimeError if one of them is silent."""
    world = World(CLOCK.monotonic)
    runtime = build(load(fleet(folder, devices, "1s")), Outside.real(world))
    pause = threading.Event()
    try:
        runtime.start()
        pause.wait(2.0)  # starting is another matter
        before, began = _cpu(), CLOCK.monotonic()
        pause.wait(seconds)
        spent, took = _cpu() - before, CLOCK.monotonic() - began
        readings = len(runtime.instruments.last)
    finally:
        runtime.stop()
    if readings != devices:
        raise RuntimeError(f"{devices - readings} of {devices} devices said nothing")
    return {"share": spent / took, "bare_share": _transfers(devices)}


def _transfers(devices: int, rounds: int = 20) -> float:
    """CPU seconds of one reading of each device, as bare transfers on simulated chips."""
    asked = []
    for kind, _, address in places(devices):
        entry = find(kind)
        assert issubclass(entry.sim, SimChip)
        bus = SimBus({address: entry.sim(World(), kind)})
        entry.build(bus, address).start()
        asked.append((bus, address, reading(kind, address)))
    before = _cpu()
    for _ in range(rounds):
        for bus, address, transfers in asked:
            for write, count in transfers:
                bus.transfer(address, write, count)
                bus.wait(1.0)  # the conversion is over
    return (_cpu() - before) / rounds


def _cpu() -> float:
    """CPU seconds that all threads of this process have had: getrusage(2)."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class _Arrivals(Inbox):
    """An inbox that notes when something arrived."""

    def __init__(self) -> None:
        self.at: list[float] = []
        self.came = threading.Event()

    def push(self, item: object) -> None:
        assert isinstance(item, Happened)
        self.at.append(CLOCK.monotonic() - item.event.monotonic)
        self.came.set()


def edges(folder: Path, number: int) -> list[float]:
    """Seconds from an edge, as the library's thread hands it over, to its event in the inbox."""
    path = folder / "edge.yaml"
    path.write_text(
        f"edge: {{id: bench, backend: sim}}\njournal: {{path: ./journal}}\n"
        f"devices:\n  door: {{driver: contact, pin: {_PIN}, debounce: 0s}}"
    )
    outside, inbox = Outside.real(World(CLOCK.monotonic)), _Arrivals()
    instruments = Instruments(
        load(path),
        outside.wires,
        clock=CLOCK,
        inbox=inbox,
        minter=Minter("bench", CLOCK, random.Random(7)),
        telemetry=Telemetry(),
        show=lambda device, values: None,
    )
    [part] = instruments.parts
    with closing(instruments), _running(part.start, lambda: part.turn(block=True), part.wake):
        _arrived(inbox)
        inbox.at.clear()
        pins: Any = instruments.wiring.pins("sim")
        for count in range(number):
            inbox.came.clear()
            pins.drive(_PIN, count % 2 == 0)
            _arrived(inbox)
    return inbox.at


def _arrived(inbox: _Arrivals) -> None:
    if not inbox.came.wait(10.0):
        raise RuntimeError("an edge did not arrive within 10 s")


def wake_ups(number: int) -> list[float]:
    """Seconds in which a thread that waits for an event is awake after it was set: the bare thing beside `edges`."""
    asked, told = threading.Event(), threading.Event()
    found: list[float] = []
    at = 0.0

    def turn() -> None:
        if asked.wait(0.2):
            asked.clear()
            found.append(CLOCK.monotonic() - at)
            told.set()

    with _running(lambda: None, turn, asked.set):
        for _ in range(number):
            told.clear()
            at = CLOCK.monotonic()
            asked.set()
            told.wait(10.0)
    return found[:number]


@contextmanager
def _running(start: Callable[[], object], turn: Callable[[], object], wake: Callable[[], object]) -> Iterator[None]:
    """A thread that takes turns."""
    over = threading.Event()

    def live() -> None:
        start()
        while not over.is_set():
            turn()

    threads = Threads(failed=lambda why: None)
    threads.spawn("bench", live)
    try:
        yield
    finally:
        over.set()
        wake()
        threads.join(10.0)


def demo_seconds(hours: float = 1.0) -> float:
    """Real seconds that so many hours of the demo's configuration take on the virtual clock."""
    return _lived(Harness(CONFIG), hours)


def month_seconds(folder: Path, days: float) -> float:
    """Real seconds that so many days take with three sensors at 60 s, whose signals never rest."""
    (folder / "hot.py").write_text(_HOT)
    path = folder / "edge.yaml"
    path.write_text(_MONTH)
    harness = Harness(path)
    for name in ("attic", "cellar", "roof"):
        harness.world[f"{name}.temperature"] = diurnal(5.0, 35.0)
    return _lived(harness, days * 24)


def _lived(harness: Harness, hours: float) -> float:
    with closing(harness):
        began = CLOCK.monotonic()
        harness.advance(f"{round(hours * _HOUR)}s")
        return CLOCK.monotonic() - began


_HOT = """
from edge import Context, Event, task

@task
def hot(event: Event, ctx: Context) -> float:
    return event.values["temperature"]
"""
_MONTH = """
edge: {id: bench, backend: sim}
devices:
  attic:  {driver: bme280, bus: i2c-1, address: 0x76, every: 60s}
  cellar: {driver: sht31, bus: i2c-1, address: 0x44, every: 60s}
  roof:   {driver: tmp102, bus: i2c-1, address: 0x48, every: 60s}
tasks:
  hot: {run: "./hot.py:hot", when: {source: attic, channel: temperature, above: 30, clear: 28}}
"""
