"""HTU21D, Si7021 and their relatives: one command set, three tempers."""

import pytest

from drivers import BadData, BusTimeout, Nack, NotStarted, SimBus, World, WrongChip
from drivers.htu21d import HTU21D, SimHTU21D, SimSi7021


class SimSHT21(SimHTU21D):
    """Slower than both; its serial number has no byte that tells."""

    serial = bytes.fromhex("04146979b0151008")
    durations = {0xF3: 0.085, 0xF5: 0.029}  # noqa: RUF012


FAMILIES = [SimHTU21D, SimSi7021, SimSHT21]


def started(chip: SimHTU21D) -> HTU21D:
    sensor = HTU21D(SimBus({0x40: chip}))
    sensor.start()
    return sensor


@pytest.mark.parametrize(
    ("temperature", "humidity", "celsius", "percent"),
    [
        ("0a00ee", "0c4a52", -39.985937, 0.0),
        ("68381e", "4e8638", 24.686401, 32.337708),
        ("f9b064", "d90265", 124.537061, 99.957031),
    ],
)
def test_answers_as_another_implementation_decodes_them(
    temperature: str, humidity: str, celsius: float, percent: float
) -> None:
    """Decoded by adafruit-circuitpython-htu21d 0.11.22, which was given the humidity without its status bits."""

    class Says(SimHTU21D):
        def command(self, data: bytes) -> None:
            if data in (b"\xf3", b"\xf5"):
                self.reply(lambda: bytes.fromhex(temperature if data == b"\xf3" else humidity))
            else:
                super().command(data)

    values = started(Says(World(), "it")).read().values

    assert values == pytest.approx({"temperature": celsius, "humidity": percent}, abs=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("celsius", "percent"), [(-40.0, 0.0), (-0.02, 33.3), (21.0, 45.0), (85.0, 99.9), (124.9, 100.0)]
)
def test_every_family_is_read_in_its_own_time(
    family: type[SimHTU21D], celsius: float, percent: float, world: World
) -> None:
    world["it.temperature"], world["it.humidity"] = celsius, percent

    values = started(family(world, "it")).read().values

    assert values["temperature"] == pytest.approx(celsius, abs=0.011)
    assert values["humidity"] == pytest.approx(percent, abs=0.031)


@pytest.mark.parametrize(("family", "longest"), list(zip(FAMILIES, (0.069, 0.025, 0.117), strict=True)))
def test_a_fast_chip_is_not_waited_for_as_for_a_slow_one(family: type[SimHTU21D], longest: float, world: World) -> None:
    waits: list[float] = []
    sensor = HTU21D(SimBus({0x40: family(world, "it")}, wait=waits.append))
    sensor.start()
    waits.clear()

    sensor.read()

    assert sum(waits) < longest


def test_a_si7021_gives_both_channels_from_one_measurement(world: World) -> None:
    chip = SimSi7021(world, "it")
    sensor = started(chip)
    assert isinstance(sensor.bus, SimBus)
    sensor.bus.log.clear()

    sensor.read()

    assert [t.write.hex() for t in sensor.bus.log] == ["f5", "", "e0"]


def test_a_wait_that_suits_another_family_would_get_no_answer(world: World, bus: SimBus) -> None:
    bus.attach(0x40, SimSi7021(world, "it"))
    bus.transfer(0x40, b"\xf5")
    bus.wait(0.017)

    with pytest.raises(Nack):
        bus.transfer(0x40, b"", 3)


@pytest.mark.parametrize("what", ["temperature", "humidity"])
def test_a_wrong_checksum_is_no_reading(what: str, world: World) -> None:
    class Noisy(SimHTU21D):
        def command(self, data: bytes) -> None:
            super().command(data)
            if data == (b"\xf3" if what == "temperature" else b"\xf5"):
                self.reply(lambda: b"\x66\x66\x00", 0.01)

    with pytest.raises(BadData, match="the HTU21D at 0x40 sent 6666 with the checksum 0x00"):
        started(Noisy(world, "it")).read()


def test_start_puts_resolution_and_heater_back(world: World) -> None:
    chip = SimHTU21D(world, "it")
    bus = SimBus({0x40: chip})
    bus.transfer(0x40, b"\xe6\x85")
    assert chip.user & 0b1000_0101 == 0b1000_0101

    HTU21D(bus).start()

    assert chip.user == 0x3A


@pytest.mark.parametrize(
    ("user", "message"), [(0x00, "has 0x00 in its user register"), (0x3E, "has 0x3e"), (0xBA, "0xba")]
)
def test_another_user_register_is_another_chip(user: int, message: str, world: World) -> None:
    class Lookalike(SimHTU21D):
        def command(self, data: bytes) -> None:
            super().command(data)
            self.user = user

    with pytest.raises(WrongChip, match=message):
        started(Lookalike(world, "it"))


@pytest.mark.parametrize("user", [0x02, 0x3A])
def test_both_values_that_real_ones_have_are_theirs(user: int, world: World) -> None:
    """0x02: htu21dflib, issue 4. 0x3a: README of bokunimowakaru/si7021, of an HTU21D and a Si7021."""

    class Real(SimHTU21D):
        def command(self, data: bytes) -> None:
            super().command(data)
            self.user = user

    assert started(Real(world, "it")).read()


def test_a_low_supply_is_said(world: World) -> None:
    class Weak(SimHTU21D):
        def command(self, data: bytes) -> None:
            super().command(data)
            self.user = 0x7A

    with pytest.raises(BadData, match=r"supply is below 2\.25 V"):
        started(Weak(world, "it"))


@pytest.mark.parametrize("error", [Nack, BusTimeout])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_fault_on_the_bus_is_an_error_and_the_next_sample_is_good(
    family: type[SimHTU21D], error: type[Nack | BusTimeout], world: World, bus: SimBus
) -> None:
    bus.attach(0x40, family(world, "it"))
    sensor = HTU21D(bus)
    sensor.start()
    bus.fail(0x40, error)
    with pytest.raises(error):
        sensor.read()

    assert sensor.read().values["temperature"] == pytest.approx(21.0, abs=0.011)


def test_another_family_plugged_in_is_read_as_what_it_is(world: World, bus: SimBus) -> None:
    bus.attach(0x40, SimSi7021(world, "it"))
    sensor = HTU21D(bus)
    sensor.start()
    bus.attach(0x40, SimHTU21D(world, "other"))
    with pytest.raises(Nack):
        sensor.read()
    bus.wait(0.1)
    world["other.temperature"] = -12.5

    sensor.start()

    assert sensor.read().values["temperature"] == pytest.approx(-12.5, abs=0.011)


def test_reading_before_start_says_so(world: World, bus: SimBus) -> None:
    bus.attach(0x40, SimHTU21D(world, "it"))
    with pytest.raises(NotStarted, match="the HTU21D at 0x40 is not started"):
        HTU21D(bus).read()
