"""The simulated wire: the world, its signals, and a bus that fails on command."""

import sys
import threading
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers import BusTimeout, BusUnavailable, Nack, SimBus, World
from drivers.bme280 import BME280, SimBME280
from drivers.simulation.signals import noise, ramp, sine, step, walk
from drivers.simulation.silicon import CommandChip, RegisterChip
from drivers.tmp102 import TMP102, SimTMP102


def test_a_number_assigned_is_the_value_until_another_is(world: World) -> None:
    world["workshop.temperature"] = 21.0
    assert world["workshop.temperature"] == 21.0
    world["workshop.temperature"] = 31.5
    assert world["workshop.temperature"] == 31.5
    assert list(world) == ["workshop.temperature"]
    assert "workshop.temperature" in world


def test_a_name_nobody_set_is_an_error_with_the_nearest(world: World) -> None:
    world["workshop.temperature"] = 21.0
    with pytest.raises(KeyError, match=r"no signal 'workshop.temprature'; did you mean 'workshop.temperature'"):
        world["workshop.temprature"]


def test_signals_are_functions_of_the_callers_time(world: World, now) -> None:  # type: ignore[no-untyped-def]
    world["a.day"] = sine(20, 5, period=86400)
    world["a.rise"] = ramp(10, 20, seconds=100, begin=50)
    world["a.door"] = step(False, True, at=60)
    assert [world["a.day"], world["a.rise"], world["a.door"]] == [20, 10, False]

    now.seconds = 100
    assert [world["a.rise"], world["a.door"]] == [15, True]
    assert world.sample("a.rise", at=1000) == 20
    assert world.sample("a.day", at=86400 / 4) == pytest.approx(25)


@given(times=st.lists(st.floats(0, 500), max_size=30), seed=st.integers(0, 99))
@settings(max_examples=50, deadline=None)
def test_a_walk_takes_the_same_path_however_often_it_is_asked(times: list[float], seed: int) -> None:
    often, once = (walk(20, 0.5, Random(seed), every=2, low=15, high=25) for _ in range(2))
    for at in sorted(times):
        assert 15 <= often(at) <= 25

    assert often(500) == once(500)


def test_noise_of_one_seed_is_the_same_in_every_run() -> None:
    first, second = (noise(lambda now: 20.0, 0.1, Random(7)) for _ in range(2))
    drawn = [first(t) for t in range(50)]

    assert drawn == [second(t) for t in range(50)]
    assert len(set(drawn)) == 50
    assert sum(drawn) / 50 == pytest.approx(20, abs=0.1)


def test_a_scripted_fault_happens_as_often_as_asked_and_only_there(world: World, bus: SimBus) -> None:
    bus.attach(0x48, SimTMP102(world, "a"))
    bus.attach(0x49, SimTMP102(world, "b"))
    first, second = TMP102(bus, 0x48), TMP102(bus, 0x49)
    bus.fail(0x48, Nack, times=2)
    bus.fail(0x48, BusTimeout)

    for error in (Nack, Nack, BusTimeout):
        with pytest.raises(error, match="scripted fault"):
            first.read()
        second.read()
    assert first.read().values == {"temperature": 21.0}


def test_a_stuck_bus_times_out_for_everybody_until_it_is_free(world: World, bus: SimBus) -> None:
    bus.attach(0x48, SimTMP102(world, "a"))
    sensor = TMP102(bus)
    bus.stuck = True
    with pytest.raises(BusTimeout, match="SCL or SDA"):
        sensor.read()

    bus.stuck = False
    assert sensor.read()


def test_unplugged_and_plugged_in_again(world: World, bus: SimBus) -> None:
    bus.attach(0x76, SimBME280(world, "g"))
    sensor = BME280(bus)
    sensor.start()
    chip = bus.detach(0x76)
    assert chip is not None
    with pytest.raises(Nack):
        sensor.read()

    bus.attach(0x76, chip)
    sensor.start()
    assert sensor.read().values["temperature"] == pytest.approx(21, abs=0.01)


@pytest.mark.parametrize("position", range(4))
@pytest.mark.parametrize("error", [Nack, BusTimeout])
def test_a_fault_in_any_transfer_of_a_sample_is_an_error_and_never_half_a_reading(
    world: World, bus: SimBus, position: int, error: type[Nack | BusTimeout]
) -> None:
    bus.attach(0x76, SimBME280(world, "g"))
    sensor = BME280(bus)
    sensor.start()
    bus.log.clear()
    sensor.read()
    count = len(bus.log)

    class Counting(SimBus):
        """Fails exactly one transfer of the sample."""

        left = position

        def transfer(self, address: int, write: bytes, read: int = 0) -> bytes:
            self.left -= 1
            if self.left == -1:
                raise error("scripted")
            return bus.transfer(address, write, read)

    sensor.bus = Counting()
    if position < count:
        with pytest.raises(error):
            sensor.read()
    sensor.bus = bus
    assert sensor.read().values["humidity"] == pytest.approx(45, abs=0.01)


def test_the_log_shows_what_was_on_the_wire(world: World, bus: SimBus) -> None:
    bus.attach(0x48, SimTMP102(world, "a"))
    TMP102(bus).read()
    with pytest.raises(Nack):
        TMP102(bus, 0x49).read()

    good, bad = bus.log
    assert (good.address, good.write, good.answer.hex(), good.error) == (0x48, b"\x00", "1500", None)
    assert (bad.address, bad.answer, type(bad.error)) == (0x49, b"", Nack)


def test_a_closed_bus_answers_nobody(world: World, bus: SimBus) -> None:
    bus.attach(0x48, SimTMP102(world, "a"))
    bus.close()
    bus.close()

    with pytest.raises(BusUnavailable, match="closed"):
        TMP102(bus).read()


def test_a_register_chip_moves_its_pointer_on_and_wraps(world: World) -> None:
    class Chip(RegisterChip):
        """Nothing but registers."""

    chip = Chip(world, "it")
    chip.write(bytes([0xFE, 1, 2, 3]))
    chip.write(b"\xfe")

    assert chip.read(3) == bytes([1, 2, 3])
    assert chip.registers[0] == 3


def test_two_threads_at_one_chip_each_get_the_register_they_asked_for(world: World, bus: SimBus) -> None:
    """Pointer and answer belong to one transaction, as on the wire."""
    bus.attach(0x48, SimTMP102(world, "a"))
    wrong: list[bytes] = []

    def read_many(register: bytes, expected: bytes) -> None:
        wrong.extend(got for _ in range(3000) if (got := bus.transfer(0x48, register, 2)) != expected)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [
            threading.Thread(target=read_many, args=pair) for pair in ((b"\x00", b"\x15\x00"), (b"\x01", b"\x60\xa0"))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)

    assert wrong == []


class Slow(CommandChip):
    """Says how often it has finished a job of three seconds."""

    done = 0

    def command(self, data: bytes) -> None:
        self.reply(self.finish, 3.0)

    def finish(self) -> bytes:
        self.done += 1
        return bytes([self.done])


def test_a_conversion_gets_on_by_waiting_or_by_the_worlds_clock_but_never_by_both(  # type: ignore[no-untyped-def]
    world: World, now
) -> None:
    def wait(seconds: float) -> None:
        now.seconds += seconds

    for bus in (SimBus(wait=wait), SimBus()):
        bus.attach(0x10, Slow(world, "it"))
        bus.transfer(0x10, b"\x01")
        bus.wait(1)
        now.seconds += 1
        with pytest.raises(Nack, match="nothing to tell"):
            bus.transfer(0x10, b"", 1)
        with pytest.raises(Nack, match="busy"):
            bus.transfer(0x10, b"\x01")
        bus.wait(1)

        assert bus.transfer(0x10, b"", 3).hex() == "01ffff"
        with pytest.raises(Nack):
            bus.transfer(0x10, b"", 1)
