"""BMP280: what differs from the BME280, whose tests hold for everything the two share."""

import pytest

from drivers import BadData, SimBus, World, WrongChip
from drivers.bme280 import SimBME280
from drivers.bmp280 import BMP280, Calibration, SimBMP280

BOSCH = Calibration(27504, 26435, -1000, 36477, -10685, 3024, 2855, 140, -7, 15500, -14600, 6000)


def test_the_vector_of_bosch() -> None:
    """25.0825 degC and 100653.27 Pa: the worked example of Bosch's compensation formulas."""
    assert BOSCH.temperature(519888) == pytest.approx(25.0825, abs=5e-5)
    assert BOSCH.pressure(415148, BOSCH.fine(519888)) == pytest.approx(1006.5327, abs=5e-5)


def test_a_real_module_as_another_implementation_decodes_it() -> None:
    """Register dump, raw bytes and results from the tests of the Elixir library `bmp280`."""
    module = Calibration.unpack(bytes.fromhex("1d6ead6632001b8f38d6d00b542b0ffff9ff0c3020d18813"))
    assert module == SimBMP280.calibration

    assert module.temperature(0x82F30) == pytest.approx(26.7460, abs=1e-4)
    assert module.pressure(0x45594, module.fine(0x82F30)) == pytest.approx(1003.9149, abs=1e-4)


def test_settings_and_both_channels_come_in_one_burst(world: World, bus: SimBus) -> None:
    bus.attach(0x76, SimBMP280(world, "it"))
    sensor = BMP280(bus)
    sensor.start()
    bus.log.clear()

    sensor.read()

    assert [(t.write.hex(), len(t.answer)) for t in bus.log] == [("f425", 0), ("f3", 1), ("f4", 11)]


def test_a_bme280_in_its_place_is_named_with_its_driver(world: World, bus: SimBus) -> None:
    bus.attach(0x76, SimBME280(world, "it"))

    with pytest.raises(WrongChip, match=r"0x60, BME280 \(driver: bme280\)"):
        BMP280(bus).start()


def test_a_chip_that_lost_its_settings_is_not_believed(world: World, bus: SimBus) -> None:
    class BrownOut(SimBMP280):
        def converted(self) -> None:
            self.power_up()

    bus.attach(0x76, BrownOut(world, "it"))
    sensor = BMP280(bus)
    sensor.start()

    with pytest.raises(BadData, match="power supply"):
        sensor.read()


def test_an_empty_calibration_is_refused(world: World, bus: SimBus) -> None:
    class Empty(SimBMP280):
        calibration = Calibration(*[0] * 12)

        def measure(self) -> float:
            return 0.0

    bus.attach(0x76, Empty(world, "it"))

    with pytest.raises(BadData, match="empty calibration"):
        BMP280(bus).start()
