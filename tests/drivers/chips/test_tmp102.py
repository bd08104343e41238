"""TMP102: the sign, the steps, and the chips that look alike."""

import pytest

from drivers import Nack, SimBus, World, WrongChip
from drivers.tmp102 import TMP102, SimTMP102


@pytest.mark.parametrize(
    ("celsius", "word"),
    [
        (127.9375, "7ff0"),
        (31.5, "1f80"),
        (0.25, "0040"),
        (0.0, "0000"),
        (-0.25, "ffc0"),
        (-25.0, "e700"),
        (-55.0, "c900"),
    ],
)
def test_temperatures_and_their_words(celsius: float, word: str, world: World, bus: SimBus) -> None:
    """Left-justified two's complement, 1/16 degC a count, as Linux `tmp102.c` converts it."""
    chip = SimTMP102(world, "it")
    world["it.temperature"] = celsius
    bus.attach(0x48, chip)

    with TMP102(bus) as sensor:
        assert sensor.read().values == {"temperature": celsius}
        assert bus.log[-1].answer.hex() == word


def test_the_first_reading_waits_for_the_first_conversion(world: World) -> None:
    waits: list[float] = []
    bus = SimBus({0x49: SimTMP102(world, "it")}, wait=waits.append)

    TMP102(bus, 0x49).start()

    assert waits == [0.035]


def test_a_chip_that_does_not_keep_the_configuration_is_another_one(world: World, bus: SimBus) -> None:
    class Lookalike(SimTMP102):
        def write(self, data: bytes) -> None:
            super().write(data)
            self.held[1] = 0x0000

    bus.attach(0x48, Lookalike(world, "it"))

    with pytest.raises(WrongChip, match="keeps 0x0000 where a TMP102 keeps 0x60a0"):
        TMP102(bus).start()


def test_two_sensors_of_one_class_do_not_share_anything(world: World) -> None:
    world["a.temperature"], world["b.temperature"] = 10.0, 20.0
    bus = SimBus({0x48: SimTMP102(world, "a"), 0x49: SimTMP102(world, "b")})
    first, second = TMP102(bus, 0x48), TMP102(bus, 0x49)

    assert [s.read().values["temperature"] for s in (first, second, first)] == [10.0, 20.0, 10.0]


def test_an_unplugged_sensor_is_a_nack_with_bus_and_address(world: World, bus: SimBus) -> None:
    bus.attach(0x48, SimTMP102(world, "it"))
    sensor = TMP102(bus)
    sensor.start()
    bus.detach(0x48)

    with pytest.raises(Nack, match="sim 0x48: no answer: check wiring, power and address"):
        sensor.read()


@pytest.mark.parametrize("celsius", [-55.0, -0.0625, 21.0, 127.9375, 150.0])
def test_in_extended_mode_the_chip_shows_thirteen_bits_as_linux_reads_them(
    bus: SimBus, world: World, celsius: float
) -> None:
    world["it.temperature"] = celsius
    bus.attach(0x48, SimTMP102(world, "it"))
    bus.transfer(0x48, b"\x01\x60\xb0")
    word = int.from_bytes(bus.transfer(0x48, b"\x00", 2), "big", signed=True)

    assert word & 1 == 1, "the mode shows in the value"
    assert (word & ~1) / 128 == celsius
    with TMP102(bus) as sensor:
        assert sensor.read().values == {"temperature": min(celsius, 127.9375)}
