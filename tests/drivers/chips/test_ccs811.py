"""CCS811: a sensor with a program of its own, which must be started, left alone and asked why."""

import pytest

from drivers import BadData, OutOfRange, SimBus, World, WrongChip
from drivers.ccs811 import CCS811, SimCCS811


@pytest.fixture
def chip(world: World, bus: SimBus) -> SimCCS811:
    chip = SimCCS811(world, "it")
    bus.attach(0x5A, chip)
    return chip


def test_what_another_driver_sends_and_reads(chip: SimCCS811, bus: SimBus) -> None:
    """adafruit_ccs811 1.3.24, unmodified, reads this chip alike (300 results) and sends these bytes to it."""
    with CCS811(bus, humidity=48.5, temperature=23.5) as sensor:
        sensor.baseline = 0x1234
        assert sensor.baseline == 0x1234
    writes = [t.write.hex() for t in bus.log if not t.answer]

    assert writes == ["f4", "0110", "0561006100", "113412"]


def test_both_values_and_their_status_come_in_one_transfer(chip: SimCCS811, bus: SimBus) -> None:
    chip.world["it.eco2"], chip.world["it.tvoc"] = 2113.0, 412.0
    with CCS811(bus) as sensor:
        assert sensor.read().values == {"eco2": 2113.0, "tvoc": 412.0}
    results = [t.answer for t in bus.log if t.write == b"\x02"]

    assert [answer.hex() for answer in results] == ["0841019c9800"]


def test_a_second_start_does_not_disturb_a_chip_that_runs(chip: SimCCS811, bus: SimBus) -> None:
    """Its firmware would begin its twenty minutes anew."""
    sensor = CCS811(bus, period=10)
    sensor.start()
    sensor.read()
    bus.log.clear()

    sensor.start()

    assert [t.write.hex() for t in bus.log if not t.answer] == ["0564006400"]


@pytest.mark.parametrize(("period", "code"), [(1, "0110"), (10, "0120"), (60, "0130")])
def test_it_waits_for_a_result_and_not_for_ever(period: int, code: str, world: World) -> None:
    waits: list[float] = []
    chip = SimCCS811(world, "it")
    bus = SimBus({0x5A: chip}, wait=waits.append)
    with CCS811(bus, period=period) as sensor:  # type: ignore[arg-type]
        sensor.read()
        assert sum(waits) == pytest.approx(0.1 + period, abs=0.11)
        assert code in [t.write.hex() for t in bus.log]

        chip.held[0x01] = 0
        chip._converting = None
        with pytest.raises(BadData, match="does not measure any more"):
            sensor.read()
        assert sum(waits) <= 0.2 + period * 2.2


def test_its_own_errors_are_told_in_words(chip: SimCCS811, bus: SimBus) -> None:
    with CCS811(bus) as sensor:
        chip.errors = 0b11_0000
        with pytest.raises(BadData, match="a heater current beyond the range and a heater without its voltage"):
            sensor.read()
        assert sensor.read().values, "who asks which error it was clears it"


def test_what_another_program_asked_wrongly_is_not_our_error(chip: SimCCS811, bus: SimBus) -> None:
    bus.transfer(0x5A, b"\x77\x00")
    assert chip.errors

    assert CCS811(bus).__enter__().read().values


def test_a_chip_that_fell_back_into_its_boot_loader_is_not_read(chip: SimCCS811, bus: SimBus) -> None:
    with CCS811(bus) as sensor:
        bus.transfer(0x5A, b"\xff\x11\xe5\x72\x8a")
        with pytest.raises(BadData, match="does not run: it lost its power or was reset"):
            sensor.read()


def test_a_chip_without_firmware_and_one_that_does_not_start_it(world: World, bus: SimBus) -> None:
    class Empty(SimCCS811):
        def load(self, register: int) -> int:
            return super().load(register) & ~0x10 if register == 0 else super().load(register)

    class Asleep(SimCCS811):
        def write(self, data: bytes) -> None:
            if data != b"\xf4":
                super().write(data)

    for part, why in ((Empty, "no valid firmware: replace it"), (Asleep, "does not start its firmware.*nWAKE")):
        bus.attach(0x5A, part(world, "it"))
        with pytest.raises(BadData, match=why):
            CCS811(bus).start()


def test_another_chip_with_its_id_is_not_taken(chip: SimCCS811, bus: SimBus) -> None:
    chip.held[0x21] = 0x22
    with pytest.raises(WrongChip, match="device id 0x20; CCS811 has 0x10"):
        CCS811(bus).start()


@pytest.mark.parametrize("air", [{"humidity": 101.0}, {"humidity": -1.0}, {"temperature": 101.0}])
def test_air_that_cannot_be(air: dict[str, float], bus: SimBus) -> None:
    with pytest.raises(OutOfRange, match="the air has 0 to 100 %"):
        CCS811(bus, **air)  # type: ignore[arg-type]
