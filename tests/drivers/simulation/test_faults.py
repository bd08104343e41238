"""What goes wrong on the wire: each kind does what it says, at its time, to whom it was meant for."""

import sys
import threading
from collections import Counter
from typing import get_args

import pytest

from drivers import BadData, BusTimeout, Nack, Reading, SimBus, World, WrongChip
from drivers.base import Driver
from drivers.bme280 import BME280, SimBME280
from drivers.errors import DriverError
from drivers.sim import SimChip
from drivers.simulation.faults import LASTS, TIMEOUT, Faults, FaultyBus, Kind
from drivers.simulation.recording import Recorder
from drivers.simulation.weather import LineKind
from drivers.tmp102 import TMP102, SimTMP102


class Checked(Driver):
    """A chip whose answers end with a checksum: one byte, one sum."""

    channels = {"count": ""}  # noqa: RUF012
    address = 0x20

    def read(self) -> Reading:
        value, check = self.transfer(b"\x00", 2)
        if value ^ check != 0xFF:
            raise BadData("the checksum is wrong")
        return self.reading(count=value)


class SimChecked(SimChip):
    defaults = {"count": 7.0}  # noqa: RUF012

    def write(self, data: bytes) -> None:
        return

    def read(self, count: int) -> bytes:
        value = int(self.signal("count")) & 0xFF
        return bytes([value, value ^ 0xFF])[:count]


@pytest.fixture
def bus(world: World, now) -> SimBus:  # type: ignore[no-untyped-def]
    def wait(seconds: float) -> None:
        now.seconds += seconds

    chips = {0x20: SimChecked(world, "n"), 0x48: SimTMP102(world, "a"), 0x76: SimBME280(world, "b")}
    return SimBus(chips, wait=wait, name="i2c-1", now=now)


@pytest.fixture
def sensor(bus: SimBus) -> TMP102:
    sensor = TMP102(bus)
    sensor.start()
    return sensor


@pytest.mark.parametrize(("kind", "error"), [("nack", Nack), ("unplug", Nack), ("stretch", BusTimeout)])
def test_a_chip_fails_from_then_for_so_long_and_its_neighbour_does_not(  # type: ignore[no-untyped-def]
    bus: SimBus, sensor: TMP102, now, kind: Kind, error: type[DriverError]
) -> None:
    begin = now.seconds
    bus.faults.plan(kind, 0x48, after=10, seconds=30)
    sensor.read()

    now.seconds = begin + 10
    with pytest.raises(error, match="i2c-1 0x48: "):
        sensor.read()
    assert Checked(bus).read().values == {"count": 7}
    assert [fault.kind for fault in bus.faults.active] == [kind]
    now.seconds = begin + 40
    sensor.read()
    assert bus.faults.active == []
    assert [fault.kind for fault in bus.faults.history] == [kind]


def test_a_stuck_bus_and_a_stretched_clock_take_the_kernels_time_out(bus: SimBus, sensor: TMP102, now) -> None:  # type: ignore[no-untyped-def]
    bus.faults.plan("stuck", 0x48, seconds=30)
    begin = now.seconds
    for device in (sensor, Checked(bus)):
        with pytest.raises(BusTimeout):
            device.read()

    assert now.seconds == begin + 2 * TIMEOUT


def test_a_slow_answer_is_right_and_late(bus: SimBus, sensor: TMP102, now) -> None:  # type: ignore[no-untyped-def]
    bus.faults.plan("slow", 0x48, by=0.25)
    begin = now.seconds

    assert sensor.read().values == {"temperature": 21.0}
    assert now.seconds == begin + 0.25


@pytest.mark.parametrize("kind", ["flip", "crc"])
def test_a_checksum_shows_what_happened_to_the_answer(bus: SimBus, kind: Kind) -> None:
    bus.faults.plan(kind, 0x20)
    for _ in range(50):
        with pytest.raises(BadData):
            Checked(bus).read()


def test_one_bit_of_an_answer_is_flipped_and_none_of_a_write(bus: SimBus) -> None:
    right = bus.transfer(0x20, b"\x00", 2)
    bus.faults.plan("flip", 0x20)
    for _ in range(50):
        wrong = bus.transfer(0x20, b"\x00", 2)
        assert (int.from_bytes(right) ^ int.from_bytes(wrong)).bit_count() == 1
    assert bus.transfer(0x20, b"\x00") == b""


def test_a_frozen_value_stays_until_it_thaws(bus: SimBus, sensor: TMP102, world: World, now) -> None:  # type: ignore[no-untyped-def]
    bus.faults.plan("freeze", 0x48, seconds=60)
    world["a.temperature"] = 20
    assert sensor.read().values == {"temperature": 20}
    world["a.temperature"] = 30
    assert sensor.read().values == {"temperature": 20}
    now.seconds += 60
    assert sensor.read().values == {"temperature": 30}
    bus.faults.plan("freeze", 0x48, seconds=60)
    assert sensor.read().values == {"temperature": 30}


def test_a_spike_is_a_lie_with_a_right_checksum(bus: SimBus, now) -> None:  # type: ignore[no-untyped-def]
    bus.faults.plan("spike", 0x20, by=5, channel="count", seconds=10)

    assert Checked(bus).read().values == {"count": 12}
    now.seconds += 10
    assert Checked(bus).read().values == {"count": 7}


def test_a_chip_that_restarts_while_it_measures_is_noticed_and_the_next_sample_is_right(bus: SimBus) -> None:
    climate = BME280(bus)
    climate.start()
    bus.faults.plan("reset", 0x76)

    with pytest.raises(BadData):
        climate.read()
    assert climate.read().values["temperature"] == pytest.approx(21, abs=0.01)


@pytest.mark.parametrize("byte", [0x00, 0x55, 0xFF])
def test_another_chip_answers_until_the_right_one_is_back(bus: SimBus, sensor: TMP102, now, byte: int) -> None:  # type: ignore[no-untyped-def]
    bus.faults.plan("wrong_chip", 0x48, seconds=60, by=byte)

    with pytest.raises(WrongChip):
        sensor.start()
    now.seconds += 60
    sensor.start()
    assert sensor.read().values == {"temperature": 21.0}


@pytest.mark.parametrize("kind", ["unplug", "wrong_chip"])
def test_a_chip_that_was_away_has_forgotten_its_settings(bus: SimBus, sensor: TMP102, now, kind: Kind) -> None:  # type: ignore[no-untyped-def]
    bus.transfer(0x48, b"\x02\x11\x10")
    assert bus.transfer(0x48, b"\x02", 2) == b"\x11\x10"
    bus.faults.plan(kind, 0x48, seconds=1)
    now.seconds += 0.5
    assert bus.faults.active
    now.seconds += 1

    assert bus.transfer(0x48, b"\x02", 2) == b"\x4b\x00"


def test_any_bus_can_be_given_faults(bus: SimBus, now) -> None:  # type: ignore[no-untyped-def]
    faulty = FaultyBus(bus, Faults("i2c-1", now=now, wait=bus.wait))
    sensor = TMP102(faulty)
    sensor.start()
    faulty.faults.plan("nack", 0x48, seconds=5)

    with pytest.raises(Nack):
        sensor.read()
    with pytest.raises(ValueError, match="a spike needs one"):
        faulty.faults.plan("spike", 0x48)


@pytest.mark.parametrize(
    ("kind", "address", "text"),
    [("nak", 0x48, "no fault 'nak' here; there are nack"), ("unplug", None, "unplug happens to one chip")],
)
def test_what_cannot_go_wrong_is_refused(bus: SimBus, kind: Kind, address: int | None, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        bus.faults.plan(kind, address)


def test_clear_ends_what_is_wrong_and_what_is_planned(bus: SimBus, sensor: TMP102, now) -> None:  # type: ignore[no-untyped-def]
    bus.faults.plan("nack", 0x48, seconds=1e6)
    bus.faults.weather(0x48, {"nack": 1000})
    with pytest.raises(Nack):
        sensor.read()
    bus.faults.clear()
    now.seconds += 1e5
    sensor.read()


def test_weather_has_the_rates_and_lengths_it_was_asked_for_and_its_seed_repeats_it(now) -> None:  # type: ignore[no-untyped-def]
    def storm(seed: int) -> list[object]:
        now.seconds = 0
        bus = SimBus({}, now=now, seed=seed)
        bus.faults.weather(0x48, {"nack": 10, "unplug": 2})
        now.seconds = 700 * 3600
        _ = bus.faults.active
        return list(bus.faults.history)

    faults = storm(1)
    count = Counter(fault.kind for fault in faults)  # type: ignore[attr-defined]
    assert count["nack"] == pytest.approx(7000, rel=0.1)
    assert count["unplug"] == pytest.approx(1400, rel=0.1)
    lengths = [fault.end - fault.begin for fault in faults if fault.kind == "unplug"]  # type: ignore[attr-defined]
    assert sum(lengths) / len(lengths) == pytest.approx(LASTS["unplug"], rel=0.15)
    assert faults == storm(1)
    assert faults != storm(2)
    assert set(LASTS) == {*get_args(Kind), *get_args(LineKind)}


def test_two_threads_on_one_bus_each_reach_the_chip_they_meant_ten_thousand_times(now) -> None:  # type: ignore[no-untyped-def]
    """Also with faults and a recorder on the wire, and with threads that are switched all the time."""
    world = World(now)
    world["a.temperature"], world["b.temperature"] = 10.0, 20.0
    bus = SimBus({0x48: SimTMP102(world, "a"), 0x49: SimTMP102(world, "b")}, now=now)
    bus.faults.plan("slow", seconds=1e9, by=0)
    lines: list[bytes] = []
    recorded = Recorder(lines.append, now=now).bus("i2c-1", bus)
    wrong: list[bytes] = []

    def read_many(address: int, expected: bytes) -> None:
        wrong.extend(got for _ in range(5000) if (got := recorded.transfer(address, b"\x00", 2)) != expected)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=read_many, args=p) for p in ((0x48, b"\x0a\x00"), (0x49, b"\x14\x00"))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)

    assert wrong == []
    assert Counter(transfer.address for transfer in bus.log) == {0x48: 5000, 0x49: 5000}
