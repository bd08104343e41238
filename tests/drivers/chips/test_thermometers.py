"""TMP117, MCP9808, LM75: words and temperatures as others convert them, and what each gets wrong when nobody looks."""

import pytest

from drivers import BadData, SimBus, World, WrongChip, find
from drivers.lm75 import LM75, SimLM75
from drivers.mcp9808 import MCP9808, SimMCP9808
from drivers.tmp117 import TMP117, SimTMP117


@pytest.mark.parametrize(
    ("kind", "celsius", "word"),
    [
        # as adafruit_tmp117 2.0.0 decodes them
        ("tmp117", 21.0, "0a80"),
        ("tmp117", 149.9921875, "4aff"),
        ("tmp117", -0.0078125, "ffff"),
        ("tmp117", -40.0078125, "ebff"),
        # as adafruit_mcp9808 3.3.32 decodes them: the upper three bits are alerts
        ("mcp9808", 21.0, "c150"),
        ("mcp9808", 0.0, "8000"),
        ("mcp9808", 124.9375, "c7cf"),
        ("mcp9808", -0.0625, "3fff"),
        ("mcp9808", -40.0, "3d80"),
        # as Linux lm75.c converts 9 bits
        ("lm75", 125.0, "7d00"),
        ("lm75", 25.0, "1900"),
        ("lm75", 0.5, "0080"),
        ("lm75", -0.5, "ff80"),
        ("lm75", -55.0, "c900"),
    ],
)
def test_temperatures_and_their_words(kind: str, celsius: float, word: str, world: World) -> None:
    entry = find(kind)
    world["it.temperature"] = celsius
    bus = SimBus({entry.driver.address: entry.sim(world, "it")})  # type: ignore[attr-defined,dict-item,arg-type]

    with entry.build(bus) as sensor:
        assert sensor.read().values == {"temperature": celsius}
        assert bus.log[-1].answer.hex() == word


def test_a_tmp117_measures_only_when_it_is_asked(world: World, bus: SimBus) -> None:
    bus.attach(0x48, SimTMP117(world, "it"))
    with TMP117(bus) as sensor:
        world["it.temperature"] = 10.0
        assert sensor.read().values["temperature"] == 10.0
        world["it.temperature"] = 30.0
        assert int.from_bytes(bus.transfer(0x48, b"\x00", 2), "big") * 0.0078125 == 10.0
        assert sensor.read().values["temperature"] == 30.0


@pytest.mark.parametrize(("averaging", "seconds"), [(1, 0.0195), (8, 0.142), (64, 1.122)])
def test_a_tmp117_waits_for_the_mean_of_so_many(averaging: int, seconds: float, world: World) -> None:
    waits: list[float] = []
    bus = SimBus({0x48: SimTMP117(world, "it")}, wait=waits.append)
    sensor = TMP117(bus, averaging=averaging)  # type: ignore[arg-type]
    sensor.start()
    waits.clear()

    sensor.read()

    assert waits == [pytest.approx(seconds)]


def test_a_tmp117_that_did_not_measure_is_not_believed(world: World, bus: SimBus) -> None:
    """Its register then holds -256 degC or the sample before."""

    class Dead(SimTMP117):
        def converted(self) -> None:
            return

    bus.attach(0x48, Dead(world, "it"))
    sensor = TMP117(bus)
    sensor.start()

    with pytest.raises(BadData, match="no new measurement"):
        sensor.read()


def test_the_revision_of_a_tmp117_is_not_its_id(world: World, bus: SimBus) -> None:
    chip = SimTMP117(world, "it")
    chip.held[15] = 0x2117
    bus.attach(0x48, chip)
    TMP117(bus).start()

    chip.held[15] = 0x0116
    with pytest.raises(WrongChip, match=r"0x48 has device id 0x116; TMP117 has 0x117: another chip"):
        TMP117(bus).start()


def test_an_mcp9808_left_coarse_by_others_is_made_fine(world: World, bus: SimBus) -> None:
    chip = SimMCP9808(world, "it")
    chip.held[8] = 0
    world["it.temperature"] = 21.3125
    bus.attach(0x18, chip)
    assert bus.transfer(0x18, b"\x05", 2).hex() == "c150"

    with MCP9808(bus) as sensor:
        assert sensor.read().values == {"temperature": 21.3125}


@pytest.mark.parametrize(("bits", "shown"), [(9, 21.0), (11, 21.375), (12, 21.4375)])
def test_an_lm75_shows_as_many_bits_as_the_part_has(bits: int, shown: float, world: World, bus: SimBus) -> None:
    class Part(SimLM75):
        def load(self, register: int) -> int:
            return 0x1570 if register == 0 else super().load(register)

    bus.attach(0x4F, Part(world, "it"))

    with LM75(bus, 0x4F, bits=bits) as sensor:  # type: ignore[arg-type]
        assert sensor.read().values == {"temperature": shown}


def test_a_twelve_bit_lm75_is_switched_to_twelve_bits(world: World, bus: SimBus) -> None:
    bus.attach(0x48, SimLM75(world, "it"))
    world["it.temperature"] = -7.0625

    with LM75(bus, bits=12) as sensor:
        assert sensor.read().values == {"temperature": -7.0625}
