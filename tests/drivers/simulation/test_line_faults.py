"""What goes wrong on lines of their own: each kind does what it says on each wire where it makes sense, and ends."""

from __future__ import annotations

from typing import Any

import pytest

from drivers import BadData, BusTimeout, Device, Nack, World
from drivers.errors import DriverError
from drivers.simulation.line_faults import KINDS
from drivers.simulation.weather import LineKind
from tests.drivers.lines import lined

PARTS = {
    "serial": ("mhz19", "co2", 700.0, 900.0),
    "spi": ("mcp3008", "ch0", 1.0, 2.0),
    "sysfs": ("ds18b20", "temperature", 20.0, 30.0),
}
SILENT = {"serial": BusTimeout, "spi": Nack, "sysfs": BusTimeout}
GONE = {"serial": BusTimeout, "spi": Nack, "sysfs": Nack}


class Bench:
    """A part with its driver at virtual time; `value` is the channel that the world moves."""

    def __init__(self, wire: str, now: Any) -> None:
        kind, self.channel, self.first, self.second = PARTS[wire]
        self.now = now

        def wait(seconds: float) -> None:
            now.seconds += seconds

        self.world, self.line, self.device = lined(kind, world=World(now), wait=wait)
        self.show(self.first)
        self.device.start()

    def show(self, value: float) -> None:
        self.world[f"it.{self.channel}"] = value

    def read(self) -> float:
        device: Device = self.device
        return float(device.read().values[self.channel])

    def pass_(self, seconds: float) -> None:
        self.now.seconds += seconds


@pytest.fixture(params=list(PARTS))
def bench(request: pytest.FixtureRequest, now: Any) -> Bench:
    made = Bench(request.param, now)
    made.wire = request.param  # type: ignore[attr-defined]
    return made


def close(bench: Bench, value: float) -> object:
    return pytest.approx(value, abs=max(bench.device.resolution[bench.channel], 1e-9))


@pytest.mark.parametrize("kind", ["silence", "unplug"])
def test_a_part_that_cannot_be_heard_is_an_error_until_it_can(bench: Bench, kind: LineKind) -> None:
    bench.line.faults.plan(kind, after=10, seconds=30)
    assert bench.read() == close(bench, bench.first)
    bench.pass_(10)
    expected: type[DriverError] = (SILENT if kind == "silence" else GONE)[bench.line.wire]
    with pytest.raises(expected):
        bench.read()
    bench.pass_(30)
    bench.device.start()
    assert bench.read() == close(bench, bench.first)
    assert [(fault.kind, fault.address) for fault in bench.line.faults.history] == [(kind, None)]


def test_a_spike_is_a_lie_that_ends(bench: Bench) -> None:
    by = 0.5 if bench.line.wire == "spi" else 10.0
    bench.line.faults.plan("spike", by=by, seconds=5, channel=bench.channel)
    assert bench.read() == close(bench, bench.first + by)
    bench.pass_(5)
    assert bench.read() == close(bench, bench.first)


def test_a_frozen_part_says_the_same_until_it_thaws(bench: Bench) -> None:
    bench.line.faults.plan("freeze", seconds=60)
    before = bench.read()
    bench.show(bench.second)
    assert bench.read() == before
    bench.pass_(60)
    assert bench.read() == close(bench, bench.second)


def test_two_freezes_that_overlap_are_one_long_one(bench: Bench) -> None:
    bench.line.faults.plan("freeze", seconds=20)
    bench.line.faults.plan("freeze", seconds=60)
    before = bench.read()
    bench.show(bench.second)
    bench.pass_(30)
    assert bench.read() == before


def test_a_slow_part_is_right_and_late(bench: Bench) -> None:
    begin = bench.now.seconds
    bench.read()
    usual = bench.now.seconds - begin
    bench.line.faults.plan("slow", by=0.25, seconds=60)
    begin = bench.now.seconds
    assert bench.read() == close(bench, bench.first)
    assert bench.now.seconds - begin >= usual + 0.25


def test_a_reset_forgets_what_the_driver_said(now: Any) -> None:
    bench = Bench("serial", now)
    bench.line.part.abc = False
    bench.line.faults.plan("reset")
    assert bench.read() == 700.0
    assert bench.line.part.abc is True
    assert bench.line.faults.active == []


@pytest.mark.parametrize("kind", ["flip", "crc"])
def test_a_checksum_shows_wrong_bytes(now: Any, kind: LineKind) -> None:
    bench = Bench("serial", now)
    bench.line.faults.plan(kind, seconds=1e6)
    for _ in range(40):
        with pytest.raises(BadData):
            bench.read()
    bench.line.faults.clear()
    assert bench.read() == 700.0


def test_where_there_is_no_checksum_a_flipped_bit_is_a_value_or_a_chip_that_is_missing(now: Any) -> None:
    bench = Bench("spi", now)
    bench.line.faults.plan("flip", seconds=1e6)
    seen = set()
    for _ in range(60):
        try:
            seen.add(bench.read())
        except Nack:
            seen.add(-1.0)
    assert len(seen) > 5


def test_a_pulled_adapter_is_told_as_the_kernel_tells_it(now: Any) -> None:
    for wire in ("serial", "sysfs"):
        bench = Bench(wire, now)
        bench.line.faults.plan("nack", seconds=5)
        with pytest.raises(Nack):
            bench.read()
        bench.pass_(5)
        bench.read()


@pytest.mark.parametrize(("wire", "kind"), [("spi", "nack"), ("spi", "crc"), ("sysfs", "flip"), ("serial", "stuck")])
def test_what_cannot_happen_there_is_refused_with_what_can(wire: str, kind: Any, now: Any) -> None:
    faults = Bench(wire, now).line.faults
    for ask in (lambda: faults.plan(kind), lambda: faults.weather({kind: 1})):
        with pytest.raises(ValueError, match=f"no fault '{kind}' here; there are {KINDS[wire][0]}"):
            ask()


def test_weather_on_a_line_is_the_same_for_the_same_seed(now: Any) -> None:
    def storm(seed: int) -> list[object]:
        now.seconds = 0.0
        _, line, _ = lined("mhz19", world=World(now))
        line.faults.seed(seed)
        line.faults.weather({"silence": 20, "flip": 5})
        now.seconds = 36_000.0
        _ = line.faults.active
        return list(line.faults.history)

    assert storm(1) == storm(1)
    assert storm(1) != storm(2)
    assert 150 < len(storm(1)) < 350
