"""SGP40: commands with checksums, the compensation, and answers that come too early or broken."""

import pytest

from drivers import BadData, Nack, OutOfRange, SimBus, World
from drivers.sgp40 import SGP40, SimSGP40


def test_the_command_of_sensirion_for_50_percent_and_25_degrees(world: World, bus: SimBus) -> None:
    """26 0F 80 00 A2 66 66 93 is the command in adafruit_sgp40 1.3.24."""
    bus.attach(0x59, SimSGP40(world, "it"))
    with SGP40(bus) as sensor:
        sensor.read()
    assert "260f8000a2666693" in [t.write.hex() for t in bus.log]


def test_the_compensation_arrives(world: World, bus: SimBus) -> None:
    """For 37.5 % and 21.3 degC adafruit_sgp40 sends 6000 and 60fc, cutting where we round; half a tick is nothing."""
    chip = SimSGP40(world, "it")
    bus.attach(0x59, chip)
    world["it.raw"] = 31234.0
    with SGP40(bus, humidity=37.5, temperature=21.3) as sensor:
        assert sensor.read().values == {"raw": 31234.0}
        assert (chip.humidity, chip.temperature) == pytest.approx((37.5, 21.3), abs=0.002)
        sensor.compensate(80.0, -5.0)
        sensor.read()
        assert (chip.humidity, chip.temperature) == pytest.approx((80.0, -5.0), abs=0.002)
        assert chip.heated
    assert not chip.heated, "closed, it must not go on heating"


@pytest.mark.parametrize(("humidity", "temperature"), [(101, 20), (-1, 20), (50, 131), (50, -46), (float("nan"), 20)])
def test_air_that_cannot_be_is_refused(humidity: float, temperature: float, bus: SimBus) -> None:
    with pytest.raises(OutOfRange, match="compensates 0 to 100 %"):
        SGP40(bus, humidity=humidity, temperature=temperature)


def test_a_wrong_checksum_is_no_reading(world: World, bus: SimBus) -> None:
    class Noisy(SimSGP40):
        def read(self, count: int) -> bytes:
            answer = super().read(count)
            return bytes([answer[0] ^ 0x04]) + answer[1:] if self.heated else answer

    bus.attach(0x59, Noisy(world, "it"))
    sensor = SGP40(bus)
    sensor.start()

    with pytest.raises(BadData, match="checksum"):
        sensor.read()


def test_a_failed_self_test_is_told(world: World, bus: SimBus) -> None:
    chip = SimSGP40(world, "it")
    chip.health = 0x4B00
    bus.attach(0x59, chip)

    with pytest.raises(BadData, match=r"fails its self-test \(0x4b00\): replace it"):
        SGP40(bus).start()


def test_it_answers_when_it_is_ready_and_once(world: World, bus: SimBus) -> None:
    bus.attach(0x59, SimSGP40(world, "it"))
    bus.transfer(0x59, b"\x36\x82")
    with pytest.raises(Nack):
        bus.transfer(0x59, b"", 9)
    bus.wait(0.001)
    assert len(bus.transfer(0x59, b"", 9)) == 9
    with pytest.raises(Nack):
        bus.transfer(0x59, b"", 9)


def test_a_measurement_with_a_wrong_checksum_is_refused(world: World, bus: SimBus) -> None:
    bus.attach(0x59, SimSGP40(world, "it"))

    with pytest.raises(Nack, match="checksum"):
        bus.transfer(0x59, bytes.fromhex("260f8000a3666693"))
