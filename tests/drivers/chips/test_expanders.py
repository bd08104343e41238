"""PCF8574 and PCA9685: outputs on a bus, what `set` takes, safe states, and what is seen when they are lost."""

import math
from typing import Any

import pytest

from drivers import BadData, Nack, NotStarted, OutOfRange, SimBus, World
from drivers.mcp23017 import MCP23017, SimMCP23017
from drivers.pca9685 import PCA9685, SimPCA9685, duty
from drivers.pcf8574 import PCF8574, SimPCF8574


def levels(expander: PCF8574) -> str:
    return "".join("1" if level else "0" for level in reversed(expander.read().values.values()))


def test_pins_of_a_pcf8574(world: World, bus: SimBus) -> None:
    """The byte as adafruit_pcf8574 1.0.17 uses it: bit 3 is pin 3, low pulls."""
    bus.attach(0x20, SimPCF8574(world, "it"))
    with PCF8574(bus) as expander:
        assert levels(expander) == "11111111"
        world["it.p3"] = False
        assert levels(expander) == "11110111"
        expander.set("p5=off")
        assert levels(expander) == "11010111"
        assert world["it.p5"] is False, "the world sees what the chip pulls"
        expander.set("p5=on, p0=off")
        assert world["it.p5"] is True
        assert levels(expander) == "11110110"
        expander.set(0b10101010)
        assert levels(expander) == "10100010"
        expander.set(True)
        assert levels(expander) == "11110111", "something outside still pulls at p3"


@pytest.mark.parametrize("value", ["p8=on", "p1=maybe", "p1=on p1=off", 256, -1, "neither", 0.5])
def test_what_a_pcf8574_does_not_take(value: Any, world: World, bus: SimBus) -> None:
    chip = SimPCF8574(world, "it")
    bus.attach(0x20, chip)
    with PCF8574(bus) as expander:
        with pytest.raises(OutOfRange):
            expander.set(value)
        assert chip.latch == 0xFF, "a value that is refused changes nothing"


def test_a_pcf8574_is_safe_from_start_to_close(world: World, bus: SimBus) -> None:
    chip = SimPCF8574(world, "it")
    bus.attach(0x20, chip)
    with PCF8574(bus, safe=0b11110000) as expander:
        assert chip.latch == 0b11110000
        expander.set("p0=on p7=off")
        assert chip.latch == 0b01110001
    assert chip.latch == 0b11110000
    with pytest.raises(NotStarted):
        expander.set(True)
    with pytest.raises(OutOfRange, match="0 to 255"):
        PCF8574(bus, safe=256)


def test_a_pcf8574_that_lost_its_outputs_is_noticed_and_made_safe(world: World, bus: SimBus) -> None:
    """Back from a brown-out it lets go of every pin: the valve is shut while everybody thinks it is open."""
    chip = SimPCF8574(world, "it")
    bus.attach(0x20, chip)
    expander = PCF8574(bus)
    expander.start()
    expander.set("p2=off")
    chip.power_up()

    with pytest.raises(BadData, match=r"driven 0xfb, read 0xff"):
        expander.read()

    expander.start()
    assert levels(expander) == "11111111"


def test_a_passing_fault_does_not_move_what_was_set(world: World, bus: SimBus) -> None:
    """The caller starts a device anew after an error; a valve must not close because of noise."""
    bus.attach(0x20, SimPCF8574(world, "valves"))
    bus.attach(0x40, SimPCA9685(world, "servos"))
    with PCF8574(bus) as valves, PCA9685(bus) as servos:
        valves.set("p2=off")
        servos.set(40)
        for device in (valves, servos):
            bus.fail(device.address, Nack)  # type: ignore[arg-type]
            with pytest.raises(Nack):
                device.read()
            device.start()
        assert world["valves.p2"] is False
        assert world["servos.duty_0"] == pytest.approx(40, abs=0.02)


@pytest.mark.parametrize(("frequency", "prescaler"), [(50.0, 121), (200.0, 30), (1000.0, 5), (24.0, 253), (1526.0, 3)])
def test_the_prescaler(frequency: float, prescaler: int, world: World, bus: SimBus) -> None:
    """The values of adafruit_pca9685 3.4.22."""
    chip = SimPCA9685(world, "it")
    bus.attach(0x40, chip)

    with PCA9685(bus, frequency=frequency):
        assert chip.registers[0xFE] == prescaler


@pytest.mark.parametrize("frequency", [0.0, 20.0, 2000.0, -50.0])
def test_a_frequency_it_cannot_make_is_refused(frequency: float, bus: SimBus) -> None:
    with pytest.raises(OutOfRange, match="24 to 1526 Hz"):
        PCA9685(bus, frequency=frequency)


def test_duties(world: World, bus: SimBus) -> None:
    """Read back by adafruit_pca9685 3.4.22 as 0x1330, 0xFFFF, 0x0040 and 0 of 0xFFFF."""
    chip = SimPCA9685(world, "it")
    bus.attach(0x40, chip)
    with PCA9685(bus) as outputs:
        outputs.set("duty_0=7.5 duty_1=100 duty_2=0.1")
        assert chip.registers[6:22].hex() == "00003301001000000000040000000010"
        values = outputs.read().values
        assert [values[f"duty_{n}"] for n in range(4)] == pytest.approx([7.5, 100.0, 0.1, 0.0], abs=0.013)
        assert [world[f"it.duty_{n}"] for n in range(4)] == [values[f"duty_{n}"] for n in range(4)]
        outputs.set(50)
        assert set(outputs.read().values.values()) == {50.0}
        outputs.set("off")
        assert set(outputs.read().values.values()) == {0.0}


@pytest.mark.parametrize("value", ["duty_16=1", "duty_1=101", "duty_1=x", 100.5, -1, "duty_1=nan"])
def test_what_a_pca9685_does_not_take(value: Any, world: World, bus: SimBus) -> None:
    bus.attach(0x40, SimPCA9685(world, "it"))
    with PCA9685(bus) as outputs:
        with pytest.raises(OutOfRange):
            outputs.set(value)
        assert set(outputs.read().values.values()) == {0.0}


def test_a_pca9685_is_safe_from_start_to_close(world: World, bus: SimBus) -> None:
    bus.attach(0x40, SimPCA9685(world, "it"))
    outputs = PCA9685(bus, safe=25.0)
    with outputs:
        assert world["it.duty_9"] == 25.0
        outputs.set("duty_9=80")
        assert world["it.duty_9"] == pytest.approx(80.0, abs=0.02)
    assert world["it.duty_9"] == 25.0
    with pytest.raises(NotStarted):
        outputs.read()


def test_a_pca9685_back_from_a_brown_out_sleeps_and_is_noticed(world: World, bus: SimBus) -> None:
    chip = SimPCA9685(world, "it")
    bus.attach(0x40, chip)
    outputs = PCA9685(bus)
    outputs.start()
    outputs.set(50)
    chip.power_up()

    with pytest.raises(BadData, match="its outputs are off"):
        outputs.read()

    outputs.start()
    assert set(outputs.read().values.values()) == {0.0}


@pytest.mark.parametrize(
    ("on", "off", "percent"),
    [(0, 2048, 50.0), (1024, 3072, 50.0), (3072, 1024, 50.0), (4096, 4096, 0.0), (4096, 0, 100.0)],
)
def test_the_duty_of_two_words(on: int, off: int, percent: float) -> None:
    """Others may shift the phase; "full off" wins."""
    assert duty(on, off) == percent


def test_all_call_is_no_address(bus: SimBus) -> None:
    with pytest.raises(OutOfRange, match="cannot be at 0x70"):
        PCA9685(bus, 0x70)


# driver, its simulated chip, address, options, what switches the heater on, the signal that shows it
HEATERS: list[Any] = [
    (PCF8574, SimPCF8574, 0x20, {"safe": 0x00}, "p4=on", "it.p4", 1),
    (MCP23017, SimMCP23017, 0x21, {"outputs": "b4"}, "b4=on", "it.b4", 1),
    (PCA9685, SimPCA9685, 0x40, {}, "duty_4=100", "it.duty_4", 100),
]


@pytest.mark.parametrize(("driver", "sim", "address", "options", "on", "signal", "full"), HEATERS)
def test_a_heater_on_an_output_warms_the_room_from_the_moment_it_is_set_to_the_moment_it_is_lost(  # type: ignore[no-untyped-def]
    driver, sim, address, options, on, signal, full, world: World, bus: SimBus, now
) -> None:
    bus.attach(address, sim(world, "it"))
    heater = driver(bus, address, **options)
    heater.start()
    world["room.temperature"] = world.response(signal, gain=10 / full, seconds=100)
    now.seconds = 1000
    heater.set(on)
    now.seconds = 1100
    heater.make_safe()
    warm = 10 * (1 - math.exp(-1))
    assert world["room.temperature"] == pytest.approx(warm)
    now.seconds = 1200
    assert world["room.temperature"] == pytest.approx(warm * math.exp(-1))


@pytest.mark.parametrize("supply", ["dropped on the bus", "dropped on the chip"])
@pytest.mark.parametrize(("driver", "sim", "address", "options", "on", "signal", "full"), HEATERS[1:])
def test_an_output_that_lost_its_supply_is_seen_to_rest(  # type: ignore[no-untyped-def]
    driver, sim, address, options, on, signal, full, world: World, bus: SimBus, supply: str
) -> None:
    chip = sim(world, "it")
    bus.attach(address, chip)
    heater = driver(bus, address, **options)
    heater.start()
    heater.set(on)
    assert world[signal] == full
    if supply == "dropped on the bus":
        bus.restart(address)
    else:
        chip.power_up()

    assert world[signal] == 0


def test_a_pcf8574_that_lost_its_supply_lets_go_of_what_it_pulled(world: World, bus: SimBus) -> None:
    bus.attach(0x20, SimPCF8574(world, "it"))
    with PCF8574(bus) as expander:
        expander.set("p4=off")
        bus.restart(0x20)
        assert world["it.p4"] is True
        assert bus.transfer(0x20, b"", 1) == b"\xff"


def test_a_pin_that_becomes_an_input_shows_its_pull_and_then_the_world(world: World, bus: SimBus) -> None:
    bus.attach(0x20, SimMCP23017(world, "it"))
    device = MCP23017(bus, 0x20, outputs="b4")
    device.start()
    device.set("on")
    bus.transfer(0x20, b"\x0d\x10")  # GPPUB
    bus.transfer(0x20, b"\x01\xff")  # IODIRB
    assert world["it.b4"] is True, "the pull-up"
    world["it.b4"] = False
    assert bus.transfer(0x20, b"\x13", 1)[0] & 0x10 == 0
