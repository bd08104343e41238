"""INA219 and INA3221: words as others read them, shunts, overload, and the calibration nobody relies on."""

import pytest

from drivers import BadData, OutOfRange, SimBus, World, WrongChip
from drivers.ina219 import INA219, SimINA219
from drivers.ina3221 import INA3221, SimINA3221


@pytest.mark.parametrize(
    ("volts", "amperes", "shunt", "bus_word"),
    [
        (5.0, 0.5, "1388", "2712"),
        (12.0, -1.25, "cf2c", "5dc2"),
        (31.996, 3.0, "7530", "f9fa"),
        (0.004, 0.0001, "0001", "000a"),
    ],
)
def test_words_of_an_ina219(volts: float, amperes: float, shunt: str, bus_word: str, world: World, bus: SimBus) -> None:
    """As adafruit_ina219 3.5.2 reads them, with 0.1 ohm."""
    bus.attach(0x40, SimINA219(world, "it"))
    world["it.voltage"], world["it.current"] = volts, amperes

    with INA219(bus) as monitor:
        values = monitor.read().values

    assert values == pytest.approx({"voltage": volts, "current": amperes, "power": volts * amperes})
    assert [t.answer.hex() for t in list(bus.log)[-2:]] == [bus_word, shunt]


def test_another_shunt_is_another_current_and_another_range(world: World, bus: SimBus) -> None:
    bus.attach(0x40, SimINA219(world, "it"))
    world["it.current"] = 3.0

    with INA219(bus, shunt=0.01) as monitor:
        assert monitor.read().values["current"] == pytest.approx(30.0)
    assert monitor.limits()["current"] == pytest.approx((-32.0, 32.0))


@pytest.mark.parametrize("shunt", [0.0, -0.1, 1000.0])
def test_a_shunt_that_cannot_be_meant_is_refused(shunt: float, bus: SimBus) -> None:
    for monitor in (INA219, INA3221):
        with pytest.raises(OutOfRange, match="measures nothing"):
            monitor(bus, shunt=shunt)


@pytest.mark.parametrize("amperes", [3.3, -3.3])
def test_more_current_than_an_ina219_can_show_is_no_reading(amperes: float, world: World, bus: SimBus) -> None:
    """It would show 3.2 A for whatever is more."""
    bus.attach(0x40, SimINA219(world, "it"))
    world["it.current"] = amperes
    sensor = INA219(bus)
    sensor.start()

    with pytest.raises(OutOfRange, match=r"more than 3.2 A through 0.1 ohm: use a smaller shunt"):
        sensor.read()


def test_an_ina219_needs_no_calibration_to_survive(world: World, bus: SimBus) -> None:
    """The chip's own current register reads 0 A once the calibration is forgotten."""
    bus.attach(0x40, SimINA219(world, "it"))

    with INA219(bus) as monitor:
        assert bus.transfer(0x40, b"\x04", 2) == b"\x00\x00"
        assert monitor.read().values["current"] == pytest.approx(0.5)


def test_a_conversion_that_is_not_over_is_no_reading(world: World, bus: SimBus) -> None:
    class Dead(SimINA219):
        def converted(self) -> None:
            return

    class Dead3(SimINA3221):
        def converted(self) -> None:
            return

    bus.attach(0x40, Dead(world, "it"))
    bus.attach(0x41, Dead3(world, "it"))
    for monitor in (INA219(bus, 0x40), INA3221(bus, 0x41)):
        monitor.start()
        with pytest.raises(BadData, match="no new measurement"):
            monitor.read()


def test_what_keeps_another_configuration_after_a_reset_is_no_ina219(world: World, bus: SimBus) -> None:
    bus.attach(0x40, SimINA3221(world, "it"))

    with pytest.raises(WrongChip, match="the configuration after a reset 0x7127; INA219 has 0x399f"):
        INA219(bus).start()


@pytest.mark.parametrize(
    ("volts", "amperes", "shunt", "bus_word"),
    [(5.0, 0.1, "07d0", "1388"), (12.0, -0.5, "d8f0", "2ee0"), (25.992, 1.6, "7d00", "6588")],
)
def test_words_of_an_ina3221(
    volts: float, amperes: float, shunt: str, bus_word: str, world: World, bus: SimBus
) -> None:
    """As barbudor_ina3221 2.0.0 reads them, with 0.1 ohm; adafruit_ina3221 1.2.3 loses a step of negative ones."""
    bus.attach(0x40, SimINA3221(world, "it"))
    world["it.voltage_1"], world["it.current_1"] = volts, amperes
    world["it.voltage_3"], world["it.current_3"] = 3.304, -0.0004

    with INA3221(bus) as monitor:
        values = monitor.read().values

    assert values["voltage_1"] == pytest.approx(volts)
    assert values["current_1"] == pytest.approx(amperes)
    assert values["power_1"] == pytest.approx(volts * amperes)
    assert (values["voltage_3"], values["current_3"]) == pytest.approx((3.304, -0.0004))
    words = [t.answer.hex() for t in list(bus.log)[-6:]]
    assert words[:2] == [shunt, bus_word]
    assert words[4:] == ["fff8", "0ce8"]


def test_an_overloaded_channel_is_named(world: World, bus: SimBus) -> None:
    bus.attach(0x40, SimINA3221(world, "it"))
    world["it.current_2"] = 5.0
    sensor = INA3221(bus)
    sensor.start()

    with pytest.raises(OutOfRange, match=r"more than 1.638 A in channel 2"):
        sensor.read()
