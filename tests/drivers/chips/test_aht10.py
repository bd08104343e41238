"""AHT10: an AHT20 without its checksum, and what can be known in spite of that."""

import pytest

from drivers import BadData, SimBus, World, WrongChip
from drivers.aht10 import AHT10, SimAHT10
from drivers.aht20 import AHT20, SimAHT20


@pytest.mark.parametrize(
    ("temperature", "humidity", "answer"),
    [
        (21.0, 45.0, "18733335ae14"),
        (-40.0, 0.0, "18000000cccd"),
        (84.5, 99.5, "18feb85ac28f"),
    ],
)
def test_what_the_chip_says(temperature: float, humidity: float, answer: str, world: World, bus: SimBus) -> None:
    """adafruit_ahtx0 1.0.30, unmodified, reads this chip alike (300 points)."""
    world["it.temperature"], world["it.humidity"] = temperature, humidity
    bus.attach(0x38, SimAHT10(world, "it"))
    with AHT10(bus) as sensor:
        values = sensor.read().values

    assert values == pytest.approx({"temperature": temperature, "humidity": humidity}, abs=2e-4)
    assert bus.log[-1].answer.hex() == answer + "ff"


def test_it_is_initialised_by_its_own_command(world: World, bus: SimBus) -> None:
    bus.attach(0x38, SimAHT10(world, "it"))
    AHT10(bus).start()

    assert [t.write.hex() for t in bus.log if t.write][:2] == ["ba", "e10800"]


def test_an_aht20_is_told_apart_by_its_checksum_and_the_other_way_round(world: World, bus: SimBus) -> None:
    class Either(SimAHT20):
        """Takes both commands, as older ones do."""

        def write(self, data: bytes) -> None:
            super().write(self.initialise if data[:1] == b"\xe1" else data)

    bus.attach(0x38, Either(world, "it"))
    with pytest.raises(WrongChip, match="it is an AHT20; use it, with driver: aht20"):
        AHT10(bus).start()

    class Old(SimAHT10):
        """Takes both commands, too."""

        def write(self, data: bytes) -> None:
            super().write(self.initialise if data[:1] == b"\xbe" else data)

    bus.attach(0x38, Old(world, "it"))
    with pytest.raises(BadData, match="the AHT20 at 0x38 sent"):
        AHT20(bus).start()


def test_what_is_never_busy_does_not_measure(world: World, bus: SimBus) -> None:
    class Idle(SimAHT10):
        def write(self, data: bytes) -> None:
            super().write(data)
            self.status &= ~0x80

    bus.attach(0x38, Idle(world, "it"))
    with pytest.raises(WrongChip, match="not busy while it should measure"):
        AHT10(bus).start()
