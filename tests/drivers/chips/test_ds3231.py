"""DS3231: the registers as others read them, both ways to tell hours, centuries, and the flag that says it stood."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers import BadData, OutOfRange, SimBus, World, WrongChip
from drivers.ds3231 import DS3231, SimDS3231, hour_of


@pytest.mark.parametrize(
    ("celsius", "seconds", "registers"),
    [
        (21.25, 1_700_000_000, "20132202141123000000000000001c08001540"),
        (-39.75, 4_102_444_799, "59592304311299000000000000001c0800d840"),
        (84.75, 946_684_800, "00000006010100000000000000001c080054c0"),
    ],
)
def test_registers_and_what_they_say(celsius: float, seconds: int, registers: str, world: World, bus: SimBus) -> None:
    """adafruit_ds3231 2.4.28 reads 2023-11-14 22:13:20, 2099-12-31 23:59:59, 2000-01-01 00:00:00 out of them."""
    bus.attach(0x68, SimDS3231(world, "it"))
    world["it.temperature"] = celsius
    clock = DS3231(bus)
    clock.set_time(seconds)

    assert clock.read().values == {"temperature": celsius, "time": float(seconds), "stopped": False}
    assert bus.log[-1].answer.hex() == registers


def test_a_clock_that_stood_still_says_so_until_it_is_set(world: World, bus: SimBus) -> None:
    chip = SimDS3231(world, "it")
    bus.attach(0x68, chip)
    with DS3231(bus) as clock:
        assert clock.read().values["stopped"] is True
        clock.set_time(1_800_000_000)
        assert clock.read().values["stopped"] is False
        chip.power_up()
        assert clock.read().values["stopped"] is True


def test_it_runs_with_the_worlds_clock(world: World, now, bus: SimBus) -> None:  # type: ignore[no-untyped-def]
    bus.attach(0x68, SimDS3231(world, "it"))
    clock = DS3231(bus)
    clock.set_time(1_709_164_799)  # 28 February 2024, one second to midnight

    now.seconds += 2

    assert clock.read().values["time"] == 1_709_164_801.0


@pytest.mark.parametrize(
    ("byte", "hour"), [(0x00, 0), (0x23, 23), (0x52, 0), (0x41, 1), (0x63, 15), (0x72, 12), (0x71, 23)]
)
def test_hours_both_ways(byte: int, hour: int) -> None:
    """0x63 is 15 o'clock in the tests of the Elixir library `kf8a/real-time-clock` too; twelve is the odd one."""
    assert hour_of(byte) == hour


@given(seconds=st.integers(946_684_800, 4_102_444_799))
@settings(max_examples=80, deadline=None)
def test_every_second_of_the_century_comes_back(seconds: int) -> None:
    bus = SimBus({0x68: SimDS3231(World(), "it")})
    clock = DS3231(bus)

    clock.set_time(seconds)

    assert clock.read().values["time"] == seconds


@pytest.mark.parametrize("seconds", [0.0, 946_684_799.0, 4_102_444_800.0])
def test_a_time_it_cannot_hold_is_refused(seconds: float, bus: SimBus) -> None:
    with pytest.raises(OutOfRange, match="from 2000 to 2099"):
        DS3231(bus).set_time(seconds)


def test_registers_that_are_no_date_are_no_reading(world: World, bus: SimBus) -> None:
    class Rotten(SimDS3231):
        def _tick(self) -> None:
            super()._tick()
            self.registers[5] = 0x13

    bus.attach(0x68, Rotten(world, "it"))

    with pytest.raises(BadData, match="shows no date"):
        DS3231(bus).start()


def test_a_gyroscope_at_the_same_address_is_another_chip(world: World, bus: SimBus) -> None:
    class Other(SimDS3231):
        def _tick(self) -> None:
            self.registers[0:19] = bytes(range(0x80, 0x93))

    bus.attach(0x68, Other(world, "it"))

    with pytest.raises(WrongChip, match="keeps at zero"):
        DS3231(bus).start()
