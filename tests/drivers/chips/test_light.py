"""BH1750, TSL2561, VEML7700: counts as others turn them into lux, and what dazzles them."""

import pytest

from drivers import BadData, OutOfRange, SimBus, World
from drivers.bh1750 import BH1750, SimBH1750
from drivers.tsl2561 import TSL2561, SimTSL2561, lux
from drivers.veml7700 import VEML7700, SimVEML7700, straightened


@pytest.mark.parametrize(("lx", "word"), [(0.0, "0000"), (100.0, "0078"), (1000.0, "04b0"), (54000.0, "fd20")])
def test_words_of_a_bh1750(lx: float, word: str, world: World, bus: SimBus) -> None:
    """1.2 counts a lux: as Linux bh1750.c scales them, and adafruit_bh1750 1.1.19 at twice the resolution."""
    bus.attach(0x23, SimBH1750(world, "it"))
    world["it.illuminance"] = lx

    with BH1750(bus) as sensor:
        assert sensor.read().values["illuminance"] == pytest.approx(lx)
        assert bus.log[-1].answer.hex() == word


def test_sunlight_takes_less_time_and_reaches_further(world: World) -> None:
    waits: list[float] = []
    world["it.illuminance"] = 110_000.0
    bus = SimBus({0x23: SimBH1750(world, "it")}, wait=waits.append)

    with BH1750(bus, sunlight=True) as sensor:
        assert sensor.read().values["illuminance"] == pytest.approx(110_000, abs=1)
        waits_in_sun = waits.pop()
    too_much = pytest.raises(OutOfRange, match="dazzled: more than 54611 lx; shade it, or set sunlight: true")
    with BH1750(bus) as sensor, too_much:
        sensor.read()
    assert waits_in_sun < 0.09 < 0.17 < waits.pop()


def test_the_measuring_time_goes_with_every_sample(world: World, bus: SimBus) -> None:
    """A BH1750 that forgot it would be off by a factor of two, and there is no way to ask it."""
    chip = SimBH1750(world, "it")
    world["it.illuminance"] = 90_000.0
    bus.attach(0x23, chip)
    with BH1750(bus, sunlight=True) as sensor:
        chip.time = 69
        assert sensor.read().values["illuminance"] == pytest.approx(90_000, abs=1)


@pytest.mark.parametrize(
    ("broadband", "infrared", "adafruit", "lines"),
    [
        (1000, 200, 23.886, 379 / 16),
        (1000, 250, None, 344 / 16),
        (1000, 450, None, 160 / 16),
        (1000, 550, 5.350, 86 / 16),
        (1000, 700, 2.090, 33 / 16),
        (1000, 1000, 0.340, 6 / 16),
        (1000, 1400, 0.0, 0.0),
        (60000, 12000, 1433.173, None),
    ],
)
def test_lux_out_of_two_channels(broadband: int, infrared: int, adafruit: float | None, lines: float | None) -> None:
    """adafruit_tsl2561 3.3.25 has the same formula; the package tsl2561 3.4.0 the one of straight lines, in whole lux
    at gain 1, which is why sixteenths of it are coarse."""
    ours = lux(broadband, infrared)

    if adafruit is not None:
        assert ours == pytest.approx(adafruit, abs=1e-3)
    if lines is not None:
        assert ours == pytest.approx(lines, rel=0.02, abs=0.05)


@pytest.mark.parametrize(
    ("lx", "counts", "adafruit"),
    [(10.0, (29, 7), 10.1729), (300.0, (872, 218), 299.9343), (5000.0, (14537, 3634), 5000.3663)],
)
def test_counts_of_a_tsl2561(lx: float, counts: tuple[int, int], adafruit: float, world: World, bus: SimBus) -> None:
    """What adafruit_tsl2561 3.3.25 reads from the simulated chip."""
    bus.attach(0x39, SimTSL2561(world, "it"))
    world["it.illuminance"] = lx

    with TSL2561(bus) as sensor:
        assert sensor.read().values["illuminance"] == pytest.approx(adafruit, abs=1e-3)
    words = [int.from_bytes(t.answer, "little") for t in bus.log if len(t.answer) == 2]
    assert tuple(words[-2:]) == counts


def test_both_channels_of_a_tsl2561_see_the_same_light(world: World, bus: SimBus) -> None:
    """One integration holds until the next is over, and there is no next."""
    bus.attach(0x39, SimTSL2561(world, "it"))
    sensor = TSL2561(bus)
    sensor.start()
    bus.log.clear()

    sensor.read()

    controls = [t.write.hex() for t in bus.log if t.write[:1] == b"\x80"]
    assert controls == ["8003", "8000"], "one integration: on, and off again"


def test_no_light_is_zero_and_not_an_error(world: World, bus: SimBus) -> None:
    bus.attach(0x39, SimTSL2561(world, "it"))
    world["it.illuminance"] = 0.0

    with TSL2561(bus) as sensor:
        assert sensor.read().values == {"illuminance": 0.0}


def test_a_dazzled_tsl2561_says_what_to_do(world: World, bus: SimBus) -> None:
    bus.attach(0x39, SimTSL2561(world, "it"))
    world["it.illuminance"] = 35_000.0

    with TSL2561(bus, sunlight=True) as sensor:
        assert sensor.read().values["illuminance"] == pytest.approx(35_000, abs=20)
    with TSL2561(bus) as sensor, pytest.raises(OutOfRange, match="set sunlight: true"):
        sensor.read()


@pytest.mark.parametrize(
    ("lx", "counts"), [(0, 0), (100, 184), (1000, 1737), (10_000, 13_904), (50_000, 32_878), (119_000, 42_669)]
)
def test_counts_of_a_veml7700(lx: float, counts: int, world: World, bus: SimBus) -> None:
    """adafruit_veml7700 2.2.2 makes of these counts, with its correction, the same lux within a count."""
    bus.attach(0x10, SimVEML7700(world, "it"))
    world["it.illuminance"] = float(lx)

    with VEML7700(bus) as sensor:
        assert sensor.read().values["illuminance"] == pytest.approx(lx, abs=11)
    assert int.from_bytes(bus.log[-2].answer, "little") == counts


def test_bright_light_is_more_than_the_counts_say() -> None:
    """compute_lux(use_correction=True) of adafruit_veml7700 2.2.2."""
    assert straightened(98.9184) == pytest.approx(99.93422682)
    assert straightened(7474.7904) == pytest.approx(9999.57902787)
    assert straightened(22938.8544) == pytest.approx(119001.52906337)


def test_a_veml7700_that_fell_asleep_is_not_darkness(world: World, bus: SimBus) -> None:
    chip = SimVEML7700(world, "it")
    bus.attach(0x10, chip)
    sensor = VEML7700(bus)
    sensor.start()
    chip.power_up()

    with pytest.raises(BadData, match="lost its settings"):
        sensor.read()
