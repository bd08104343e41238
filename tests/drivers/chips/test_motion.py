"""ADXL345 and MPU6050: counts as others scale them, spans, and zeros that are none."""

import pytest

from drivers import BadData, OutOfRange, SimBus, World
from drivers.adxl345 import ADXL345, SimADXL345
from drivers.mpu6050 import MPU6050, SimMPU6050


@pytest.mark.parametrize(
    ("axes", "counts"),
    [
        ((0.0, 0.0, 1.0), "000000000001"),
        ((-1.0, 0.5, 15.0), "00ff8000000f"),
        ((-15.99609375, 2.0, -0.00390625), "01f00002ffff"),
    ],
)
def test_counts_of_an_adxl345(axes: tuple[float, ...], counts: str, world: World, bus: SimBus) -> None:
    """adafruit_adxl34x 1.12.20 reads the same counts, and takes 4 mg for one where Linux takes 3.9."""
    bus.attach(0x53, SimADXL345(world, "it"))
    for axis, g in zip("xyz", axes, strict=True):
        world[f"it.acceleration_{axis}"] = g

    with ADXL345(bus) as sensor:
        assert tuple(sensor.read().values.values()) == axes
        assert bus.log[-1].answer[-6:].hex() == counts


@pytest.mark.parametrize("span", [2, 4, 8, 16])
def test_a_count_is_the_same_in_every_span(span: int, world: World, bus: SimBus) -> None:
    bus.attach(0x53, SimADXL345(world, "it"))
    world["it.acceleration_x"] = -1.25

    with ADXL345(bus, span=span) as sensor:  # type: ignore[arg-type]
        assert sensor.read().values["acceleration_x"] == -1.25
        assert sensor.limits()["acceleration_x"] == pytest.approx((-span, span), abs=1 / 256)


def test_zeros_of_a_sleeping_chip_are_no_free_fall(world: World, bus: SimBus) -> None:
    for driver, sim in ((ADXL345, SimADXL345), (MPU6050, SimMPU6050)):
        chip = sim(world, "it")
        bus.attach(driver.address, chip)  # type: ignore[arg-type]
        sensor = driver(bus)  # type: ignore[abstract]
        sensor.start()
        assert sensor.read().values["acceleration_z"] == 1.0

        chip.power_up()

        with pytest.raises(BadData, match="lost its settings"):
            sensor.read()


@pytest.mark.parametrize(
    ("span", "turn", "burst", "degrees"),
    [
        (2, 250, "a00000004000c23400006658ffbe", -0.5038168),
        (16, 2000, "f40000000800c23400000cd0fff8", -0.4878049),
        (4, 1000, "d00000002000c234000019a0fff0", -0.4878049),
    ],
)
def test_counts_of_an_mpu6050(span: int, turn: int, burst: str, degrees: float, world: World, bus: SimBus) -> None:
    """As adafruit_mpu6050 1.3.9 reads them: -1.5 g, 1 g, 200 degrees a second, -9.99941 degC."""
    bus.attach(0x68, SimMPU6050(world, "it"))
    world["it.acceleration_x"], world["it.rotation_y"], world["it.rotation_z"] = -1.5, 200.0, -0.5
    world["it.temperature"] = -10.0

    with MPU6050(bus, span=span, turn=turn) as sensor:  # type: ignore[arg-type]
        values = sensor.read().values

    assert bus.log[-2].answer.hex() == burst
    assert values["acceleration_x"] == -1.5
    assert values["acceleration_z"] == 1.0
    assert values["rotation_y"] == pytest.approx(200.0)
    assert values["rotation_z"] == pytest.approx(degrees)
    assert values["temperature"] == pytest.approx(-9.999411764705883)


def test_all_seven_come_in_one_burst(world: World, bus: SimBus) -> None:
    bus.attach(0x68, SimMPU6050(world, "it"))
    sensor = MPU6050(bus)
    sensor.start()
    bus.log.clear()

    sensor.read()

    assert [(t.write.hex(), len(t.answer)) for t in bus.log] == [("3b", 14), ("6b", 1)]


@pytest.mark.parametrize(
    ("signal", "value", "options", "advice"),
    [
        ("acceleration_x", 2.5, {"span": 2}, "more than 2 g at 0x[56][38]: choose a wider span"),
        ("acceleration_y", -2.5, {"span": 2}, "more than 2 g at 0x[56][38]: choose a wider span"),
        ("acceleration_z", 17.0, {"span": 16}, "more than 16 g at"),
        ("rotation_z", -251.0, {"turn": 250}, "more than 250 deg/s at 0x68: choose a wider turn"),
    ],
)
def test_the_end_of_the_scale_is_no_reading(
    signal: str, value: float, options: dict[str, int], advice: str, world: World, bus: SimBus
) -> None:
    """A shock of 5 g reads as 2 g there: whoever waits for 3 g would wait in vain."""
    world[f"it.{signal}"] = value
    for driver, sim in ((ADXL345, SimADXL345), (MPU6050, SimMPU6050)):
        if "turn" in options and driver is ADXL345:
            continue
        bus.attach(driver.address, sim(world, "it"))  # type: ignore[arg-type]
        with driver(bus, **options) as sensor, pytest.raises(OutOfRange, match=advice):  # type: ignore[abstract]
            sensor.read()
