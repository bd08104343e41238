"""BME280: vectors from independent implementations, and the traps a flat register dump does not show."""

from dataclasses import astuple, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers import BadData, Nack, NotStarted, OutOfRange, SimBus, World, WrongChip
from drivers.bme280 import BME280, SKIPPED, Calibration, SimBME280

BOSCH = Calibration(
    27504, 26435, -1000, 36477, -10685, 3024, 2855, 140, -7, 15500, -14600, 6000, 75, 362, 0, 315, 50, 30
)
SECOND_MODULE = Calibration(
    28297, 26729, 50, 37189, -10580, 3024, 8137, -87, -7, 9900, -10230, 4285, 75, 394, 0, 242, 56, 30
)


def test_the_vector_of_bosch() -> None:
    """25.0825 degC and 100653.27 Pa: the worked example of Bosch's compensation formulas."""
    assert BOSCH.temperature(519888) == pytest.approx(25.0825, abs=5e-5)
    assert BOSCH.pressure(415148, BOSCH.fine(519888)) == pytest.approx(1006.5327, abs=5e-5)


@pytest.mark.parametrize(
    ("module", "raw", "expected"),
    [
        (replace(SimBME280.calibration, h4=370, h5=60), (536368, 284052, 35181), (26.7460, 1003.9149, 59.2)),
        (SECOND_MODULE, (516344, 316593, 26270), (20.2649, 1002.7840, 64.4)),
    ],
)
def test_two_real_modules_as_another_implementation_decodes_them(
    module: Calibration, raw: tuple[int, int, int], expected: tuple[float, float, float]
) -> None:
    """Raw counts, constants and results from the tests of the Elixir library `bmp280`."""
    temperature, pressure, humidity = raw
    fine = module.fine(temperature)

    assert module.temperature(temperature) == pytest.approx(expected[0], abs=1e-4)
    assert module.pressure(pressure, fine) == pytest.approx(expected[1], abs=1e-4)
    assert module.humidity(humidity, fine) == pytest.approx(expected[2], abs=0.1)


def test_the_calibration_block_of_a_real_module() -> None:
    """The dump is from the tests of the Elixir library `bmp280`, which reads H4 370 and H5 60 out of it: it takes the
    halves of 0xE5 the other way round. Bosch's reference driver gives 380 and 50."""
    low = bytes.fromhex("1d6ead6632001b8f38d6d00b542b0ffff9ff0c3020d18813004b")
    high = bytes.fromhex("52010017 2c031e")

    assert Calibration.unpack(low, high) == SimBME280.calibration
    assert SimBME280.calibration.pack() == (low, high)
    assert (SimBME280.calibration.h4, SimBME280.calibration.h5) == (380, 50)


twelve_bits = st.integers(-2048, 2047)
sixteen_bits = st.integers(-32768, 32767)


@given(h4=twelve_bits, h5=twelve_bits, h6=st.integers(-128, 127), t3=sixteen_bits)
@settings(max_examples=200, deadline=None)
def test_signed_calibration_values_survive_packing(h4: int, h5: int, h6: int, t3: int) -> None:
    """dig_H4 and dig_H5 share a byte and are signed; drivers that forget it read 0 % humidity."""
    module = Calibration(27504, 26435, t3, *[1] * 9, 75, 362, 0, h4, h5, h6)

    assert Calibration.unpack(*module.pack()) == module


@given(
    temperature=st.floats(-39, 84),
    humidity=st.floats(25, 99),  # below, such a module would need a negative count
    pressure=st.floats(301, 1099),
    h4=st.sampled_from([-40, 333]),
    h5=st.sampled_from([-30, 0, 50]),
)
@settings(max_examples=60, deadline=None)
def test_modules_with_negative_h4_and_h5_are_read_correctly(
    temperature: float, humidity: float, pressure: float, h4: int, h5: int
) -> None:
    class Module(SimBME280):
        calibration = Calibration(*[*BOSCH_FIELDS[:15], h4, h5, 30])

    world = World()
    world["it.temperature"], world["it.humidity"], world["it.pressure"] = temperature, humidity, pressure

    with BME280(SimBus({0x76: Module(world, "it")}), oversampling=16) as sensor:
        values = sensor.read().values

    assert values["temperature"] == pytest.approx(temperature, abs=0.001)
    assert values["humidity"] == pytest.approx(humidity, abs=0.008)
    assert values["pressure"] == pytest.approx(pressure, abs=0.01)


BOSCH_FIELDS = astuple(BOSCH)


def test_all_channels_come_from_one_measurement(world: World, bus: SimBus) -> None:
    """The world moves on between two transfers; the three values still belong together."""
    moment = iter(range(1000))
    world.now = lambda: float(next(moment))
    for channel in ("temperature", "humidity", "pressure"):
        world[f"it.{channel}"] = 50.0 if channel == "humidity" else 500.0 if channel == "pressure" else 20.0
    bus.attach(0x76, SimBME280(world, "it"))
    sensor = BME280(bus)
    sensor.start()
    bus.log.clear()

    sensor.read()

    bursts = [t for t in bus.log if len(t.answer) > 1]
    assert len(bursts) == 1


def test_humidity_settings_count_only_once_ctrl_meas_is_written(world: World) -> None:
    chip = SimBME280(world, "it")
    chip.write(bytes([0xF4, 0b001_001_01]))
    chip.write(bytes([0xF2, 1]))
    chip.elapse(1)
    assert int.from_bytes(chip.registers[0xFD:0xFF], "big") == 0x8000

    chip.write(bytes([0xF4, 0b001_001_01]))
    chip.elapse(1)
    assert int.from_bytes(chip.registers[0xFD:0xFF], "big") != 0x8000


def test_a_forced_measurement_ends_in_sleep(world: World) -> None:
    chip = SimBME280(world, "it")
    chip.write(bytes([0xF2, 1, 0xF4, 0b001_001_01]))
    assert chip.registers[0xF3] & 0b1000

    chip.elapse(1)

    assert not chip.registers[0xF3] & 0b1000
    assert chip.registers[0xF4] == 0b001_001_00


def test_a_chip_that_loses_power_while_it_measures_is_not_believed(world: World, bus: SimBus) -> None:
    """Its answer, 0x80000, would decode to a plausible temperature."""

    class BrownOut(SimBME280):
        def elapse(self, seconds: float) -> None:
            super().elapse(seconds)
            if self.failing:
                self.power_up()

        failing = False

    chip = BrownOut(world, "it")
    bus.attach(0x76, chip)
    sensor = BME280(bus)
    sensor.start()
    assert 20 < chip.calibration.temperature(SKIPPED) < 30, "the lie must be plausible, else this proves nothing"

    chip.failing = True
    with pytest.raises(BadData, match="power supply"):
        sensor.read()

    chip.failing = False
    assert sensor.read().values["temperature"] == pytest.approx(21.0, abs=0.01)


def test_the_count_that_equals_skipped_is_a_reading_when_the_settings_stand(world: World, bus: SimBus) -> None:
    chip = SimBME280(world, "it")
    world["it.temperature"] = chip.calibration.temperature(SKIPPED)
    bus.attach(0x76, chip)

    with BME280(bus) as sensor:
        assert sensor.read().values["temperature"] == pytest.approx(chip.calibration.temperature(SKIPPED), abs=1e-9)


def test_a_chip_that_never_finishes_is_an_error_and_not_an_endless_loop(world: World, bus: SimBus) -> None:
    class Hangs(SimBME280):
        def elapse(self, seconds: float) -> None:
            return

    bus.attach(0x76, Hangs(world, "it"))
    sensor = BME280(bus)
    sensor.start()

    with pytest.raises(BadData, match="too long to measure"):
        sensor.read()


def test_a_bmp280_in_its_place_is_named(world: World, bus: SimBus) -> None:
    chip = SimBME280(world, "it")
    chip.registers[0xD0] = 0x58
    bus.attach(0x76, chip)

    with pytest.raises(WrongChip, match=r"0x58, BMP280 \(the same without humidity\)"):
        BME280(bus).start()


def test_another_module_plugged_in_is_read_with_its_own_calibration(world: World, bus: SimBus) -> None:
    class Other(SimBME280):
        calibration = SECOND_MODULE

    world["it.temperature"] = 20.0
    bus.attach(0x76, SimBME280(world, "it"))
    sensor = BME280(bus)
    sensor.start()
    bus.attach(0x76, Other(world, "it"))

    sensor.start()

    assert sensor.read().values["temperature"] == pytest.approx(20.0, abs=0.01)


def test_a_failed_new_start_forgets_the_old_module(world: World, bus: SimBus) -> None:
    """Else another module's counts would be compensated with the constants of the one that was there before."""
    bus.attach(0x76, SimBME280(world, "it"))
    sensor = BME280(bus)
    sensor.start()
    bus.fail(0x76, Nack)
    with pytest.raises(Nack):
        sensor.start()

    with pytest.raises(NotStarted):
        sensor.read()


def test_reading_before_start_says_so(bus: SimBus) -> None:
    with pytest.raises(NotStarted, match="not started"):
        BME280(bus).read()


def test_an_address_it_cannot_have_is_refused_with_those_it_can(bus: SimBus) -> None:
    with pytest.raises(OutOfRange, match=r"cannot be at 0x48; it answers at 0x76, 0x77"):
        BME280(bus, 0x48)


def test_saturated_humidity_is_held_at_its_limits(world: World, bus: SimBus) -> None:
    bus.attach(0x77, SimBME280(world, "it"))
    world["it.humidity"] = 104.0

    with BME280(bus, 0x77) as sensor:
        assert sensor.read().values["humidity"] == 100.0


def test_more_oversampling_waits_longer_and_reads_finer(world: World) -> None:
    waits: list[float] = []
    world["it.temperature"] = 23.4237
    errors = []
    for factor in (1, 16):
        bus = SimBus({0x76: SimBME280(world, "it")}, wait=waits.append)
        with BME280(bus, oversampling=factor) as sensor:  # type: ignore[arg-type]
            waits.clear()
            errors.append(abs(sensor.read().values["temperature"] - 23.4237))
            waits.append(sum(waits))
    assert waits[-1] == pytest.approx(0.1128, abs=1e-4)
    assert errors[1] < 0.0002 < errors[0] < 0.003
