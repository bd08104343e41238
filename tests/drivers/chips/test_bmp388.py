"""BMP388: a real module's constants, and what a flat register dump does not show."""

import pytest

from drivers import BadData, NotStarted, SimBus, World, WrongChip
from drivers.bmp280 import SimBMP280
from drivers.bmp388 import BMP388, Calibration, SimBMP388


def test_a_real_module_as_another_implementation_decodes_it() -> None:
    """Constants, raw bytes and results from the tests of the Elixir library `bmp3xx`."""
    module, raw = SimBMP388.calibration, bytes([151, 159, 109, 115, 216, 133])
    celsius = module.temperature(int.from_bytes(raw[3:], "little"))

    assert celsius == pytest.approx(30.499314453874284, abs=1e-9)
    assert module.pressure(int.from_bytes(raw[:3], "little"), celsius) == pytest.approx(1008.7600634692199, abs=1e-8)


@pytest.mark.parametrize(
    ("celsius", "hectopascal", "data"),
    [(21.0, 1013.25, "0b156b9f817d"), (-39.5, 300.5, "cc8faa5dd348"), (84.5, 1249.5, "9fbc63359cb5")],
)
def test_bytes_that_adafruits_driver_reads_alike(
    celsius: float, hectopascal: float, data: str, world: World, bus: SimBus
) -> None:
    """adafruit_bmp3xx 1.3.27, unmodified, on the simulated chip."""
    bus.attach(0x76, SimBMP388(world, "it"))
    world["it.temperature"], world["it.pressure"] = celsius, hectopascal

    with BMP388(bus) as sensor:
        values = sensor.read().values

    assert values == pytest.approx({"temperature": celsius, "pressure": hectopascal}, abs=0.0005)
    assert [t.answer.hex() for t in bus.log if len(t.answer) == 6] == [data]


def test_the_calibration_survives_packing() -> None:
    assert Calibration.unpack(SimBMP388.calibration.pack()) == SimBMP388.calibration


def test_a_bmp390_is_as_good_and_a_bmp280_is_not(world: World, bus: SimBus) -> None:
    chip = SimBMP388(world, "it")
    bus.attach(0x76, chip)
    sensor = BMP388(bus)

    class BMP390(SimBMP388):
        def power_up(self) -> None:
            super().power_up()
            self.registers[0] = 0x60

    bus.attach(0x76, BMP390(world, "it"))
    sensor.start()
    sensor.read()
    bus.attach(0x76, SimBMP280(world, "it"))
    with pytest.raises(WrongChip, match="chip id 0x00; BMP388 has 0x50"):
        sensor.start()
    with pytest.raises(NotStarted):
        sensor.read()


def test_a_chip_that_loses_its_settings_while_it_measures_is_not_believed(world: World, bus: SimBus) -> None:
    class BrownOut(SimBMP388):
        def converted(self) -> None:
            super().converted()
            status = self.registers[3]
            self.power_up()
            self.registers[3] = status

    bus.attach(0x76, BrownOut(world, "it"))
    sensor = BMP388(bus)
    sensor.start()

    with pytest.raises(BadData, match="lost its settings"):
        sensor.read()


def test_a_chip_that_never_finishes_is_an_error_and_not_an_endless_loop(world: World, bus: SimBus) -> None:
    class Hangs(SimBMP388):
        def elapse(self, seconds: float) -> None:
            return

    bus.attach(0x76, Hangs(world, "it"))
    sensor = BMP388(bus)
    sensor.start()

    with pytest.raises(BadData, match="too long to measure"):
        sensor.read()
