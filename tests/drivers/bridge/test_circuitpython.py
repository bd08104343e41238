"""Adafruit's drivers, unmodified, on our bus: two independent decoders of the same simulated chip."""

from __future__ import annotations

import math
import re
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers import Device, Nack, SimBus, SimChip, World, find
from drivers.errors import BadData, BusError, DriverError, OutOfRange, WrongChip
from drivers.htu21d import SimSi7021
from tests.drivers.failing import Failing
from tests.drivers.test_every_driver import Blank

LOCK = Path(__file__).parents[3] / "requirements-circuitpython.lock"
CELSIUS = "temperature=degC"
AIR = f"{CELSIUS} relative_humidity:humidity=%"
FACTORS = {"m/s2": 1 / 9.80665, "rad/s": 180 / math.pi, "mA": 0.001}
"""Their units in ours."""


@dataclass(frozen=True)
class Part:
    """Their driver, and the kind of ours for the same part.

    within      channel -> where it is compared, if not over the whole range: theirs reaches less far
    off         channel -> share by which theirs is off
    """

    kind: str
    module: str
    name: str
    channels: str
    options: Mapping[str, Any] = field(default_factory=dict)
    within: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    off: Mapping[str, float] = field(default_factory=dict)
    sim: type[SimChip] | None = None

    def __str__(self) -> str:
        return self.module

    @property
    def address(self) -> int:
        address = find(self.kind).driver.address  # type: ignore[attr-defined]
        assert isinstance(address, int)
        return address

    @property
    def settings(self) -> dict[str, Any]:
        there = {"module": self.module, "class": self.name, "channels": self.channels, "sim": self.kind}
        return {**there, **self.options}

    def chip(self, world: World) -> SimChip:
        made = (self.sim or find("circuitpython").simulated(self.settings))(world, "it")
        assert isinstance(made, SimChip)
        return made

    def build(self, bus: Any) -> Device:
        return find("circuitpython").build(bus, self.address, **self.settings)


TURNS = "gyro_x:rotation_x=rad/s gyro_y:rotation_y=rad/s gyro_z:rotation_z=rad/s"
SWAYS = "acceleration_x=m/s2 acceleration_y=m/s2 acceleration_z=m/s2"
AXES = ("acceleration_x", "acceleration_y", "acceleration_z")
PARTS = [
    Part("bme280", "adafruit_bme280.basic", "Adafruit_BME280_I2C", f"{AIR} pressure=hPa"),
    Part("bme280", "adafruit_bme280.advanced", "Adafruit_BME280_I2C", f"{AIR} pressure=hPa"),
    Part("bmp280", "adafruit_bmp280", "Adafruit_BMP280_I2C", f"{CELSIUS} pressure=hPa"),
    Part("bmp388", "adafruit_bmp3xx", "BMP3XX_I2C", f"{CELSIUS} pressure=hPa"),
    Part("sht31", "adafruit_sht31d", "SHT31D", AIR),
    Part("sht4x", "adafruit_sht4x", "SHT4x", "measurements_0:temperature=degC measurements_1:humidity=%"),
    Part("htu21d", "adafruit_htu21d", "HTU21D", AIR),
    Part("htu21d", "adafruit_si7021", "SI7021", AIR, sim=SimSi7021),
    Part("aht20", "adafruit_ahtx0", "AHTx0", AIR),
    Part("mcp9808", "adafruit_mcp9808", "MCP9808", CELSIUS),
    Part("tmp117", "adafruit_tmp117", "TMP117", CELSIUS),
    Part("lm75", "adafruit_pct2075", "PCT2075", CELSIUS),
    Part("ds3231", "adafruit_ds3231", "DS3231", CELSIUS),
    Part("bh1750", "adafruit_bh1750", "BH1750", "lux:illuminance=lx", within={"illuminance": (0, 27000)}),
    Part("tsl2561", "adafruit_tsl2561", "TSL2561", "lux:illuminance=lx",
         within={"illuminance": (1, 19000)}),
    Part("veml7700", "adafruit_veml7700", "VEML7700", "autolux:illuminance=lx", {"patience": 20.0},
         off={"illuminance": 0.004}),
    Part("ina219", "adafruit_ina219", "INA219", "bus_voltage:voltage=V current=mA"),
    Part("adxl345", "adafruit_adxl34x", "ADXL345", SWAYS,
         within=dict.fromkeys(AXES, (-1.9, 1.9)), off=dict.fromkeys(AXES, 0.025)),
    Part("mpu6050", "adafruit_mpu6050", "MPU6050", f"{CELSIUS} {SWAYS} {TURNS}"),
    Part("scd4x", "adafruit_scd4x", "SCD4X", f"CO2=ppm {AIR}",
         {"begin": "start_periodic_measurement", "patience": 6.0}),
    Part("sgp40", "adafruit_sgp40", "SGP40", "raw=ticks"),
]  # fmt: skip
every_part = pytest.mark.parametrize("part", PARTS, ids=str)


@pytest.mark.parametrize("line", [line for line in LOCK.read_text().splitlines() if "==" in line])
def test_the_driver_is_installed_in_the_version_of_the_lock(line: str) -> None:
    """Not skipped: without them the tests below would prove nothing."""
    name, _, wanted = line.partition("==")
    try:
        there = version(name)
    except PackageNotFoundError:
        there = "none"
    assert there == wanted, f"`make setup`, or: pip install --no-deps -r {LOCK.name}"


@every_part
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_their_decoder_and_ours_agree_with_the_world(part: Part, data: st.DataObject) -> None:
    """Over the range, within our driver's resolution, in our units."""
    world, ours = World(), find(part.kind).driver
    theirs = find("circuitpython").driver.channels_of(part.settings)
    wanted = {}
    for channel in theirs:
        low, high = part.within.get(channel, ours.ranges[channel])
        step = ours.resolution[channel]
        wanted[channel] = world[f"it.{channel}"] = data.draw(st.floats(low + step, high - step))

    with part.build(SimBus({part.address: part.chip(world)})) as device:
        got = {channel: value * FACTORS.get(theirs[channel], 1) for channel, value in device.read().values.items()}
    with find(part.kind).build(SimBus({part.address: part.chip(world)}), part.address) as device:
        reference = device.read().values

    for channel, value in wanted.items():
        # theirs may take a wider span with double steps: then half a step of theirs is exactly one of ours
        near = ours.resolution[channel] * (1 + 1e-9) + part.off.get(channel, 0) * abs(value)
        assert got[channel] == pytest.approx(value, abs=near)
        assert got[channel] == pytest.approx(reference[channel], abs=2 * near)


@every_part
@pytest.mark.parametrize("error", [Nack, BusError])
def test_an_error_in_any_transfer_is_told_as_such_or_passed_over_and_a_new_start_mends_it(
    part: Part, error: type[BusError]
) -> None:
    """Theirs repeat some transfers themselves. What they then give is a true reading."""
    sim = SimBus({part.address: part.chip(World())})
    bus = Failing(sim, error=error)
    device = part.build(bus)
    device.start()
    wanted = device.read().values
    sim.log.clear()
    device.start()
    for transfer in {0, 1, len(sim.log) // 2, len(sim.log) - 1}:
        bus.left = transfer
        told = ""
        try:
            device.start()
        except error as one:
            told = str(one)
        assert "scripted" in told or not told
        bus.left = -1
        sim.wait(10.0)

        device.start()
        assert device.read().values == pytest.approx(wanted)


@every_part
def test_one_that_is_pulled_out_says_so_within_its_patience_and_goes_on_when_it_is_back(part: Part) -> None:
    bus = SimBus({part.address: part.chip(World())})
    device = part.build(bus)
    device.start()
    wanted = device.read().values
    chip = bus.detach(part.address)
    assert chip is not None
    with pytest.raises(Nack, match="no answer"):
        device.read()
    with pytest.raises(Nack):
        device.start()

    bus.attach(part.address, part.chip(World()))
    device.start()
    assert device.read().values == wanted


CHECKED = [part for part in PARTS if part.kind in ("sht31", "sht4x", "htu21d", "scd4x", "sgp40")]


@pytest.mark.parametrize("part", CHECKED, ids=str)
def test_a_wrong_checksum_is_no_reading(part: Part) -> None:
    bus = SimBus({part.address: part.chip(World())})
    device = part.build(bus)
    device.start()
    if part.kind == "scd4x":
        bus.wait(5.0)
    bus.faults.plan("crc", part.address, seconds=1.0)
    with pytest.raises(BadData, match=f"{part.name} at 0x.*(CRC|crc|mismatch)"):
        device.read()


CREDULOUS = ["adafruit_ahtx0", "adafruit_pct2075", "adafruit_ds3231", "adafruit_bh1750", "adafruit_tsl2561",
             "adafruit_veml7700", "adafruit_ina219", "adafruit_adxl34x"]  # fmt: skip
"""Named in the guide: they look at no identity, and take more than one of 256 other chips for their own."""


@every_part
def test_another_chip_at_the_address_is_refused_by_those_that_look(part: Part) -> None:
    """One that gives the same byte for everything. A CRC of zeros can be right, and an id can be that byte."""
    taken, bus = 0, SimBus()
    device = part.build(bus)
    for byte in range(256):
        bus.attach(part.address, Blank(byte))
        try:
            device.start()
        except (WrongChip, BadData, OutOfRange):
            continue
        taken += 1
    assert (taken > 1) == (part.module in CREDULOUS)


def test_a_first_value_that_means_nothing_is_waited_for() -> None:
    """Theirs gives 0 lx, which no check can tell from a dark room."""
    dark = Part("veml7700", "adafruit_veml7700", "VEML7700", "lux:illuminance=lx")
    part = replace(dark, options={"settle": 0.2})
    for one, wanted in ((dark, 0.0), (part, pytest.approx(300, rel=0.03))):
        with one.build(SimBus({one.address: one.chip(World())})) as device:
            assert device.read().values == {"illuminance": wanted}


def test_theirs_for_the_scd4x_keeps_its_last_values_as_the_guide_says() -> None:
    part = next(part for part in PARTS if part.kind == "scd4x")
    world = World()
    bus = SimBus({part.address: part.chip(world)})
    device = part.build(bus)
    device.start()
    bus.restart(part.address)  # its supply was lost: it does not measure any more
    world["it.co2"] = 4000
    bus.wait(60.0)
    assert device.read().values["co2"] == 600.0


def test_each_of_them_leaves_a_wire_that_hangs_as_a_time_out() -> None:
    part = PARTS[0]
    bus = SimBus({part.address: part.chip(World())})
    device = part.build(bus)
    device.start()
    bus.stuck = True
    with pytest.raises(DriverError) as caught:
        device.read()
    assert caught.value.kind == "timeout"


@pytest.mark.parametrize("module", ["adafruit_ina219", "adafruit_ds3231"])
def test_two_buses_on_two_threads_never_see_each_other_s_values(module: str) -> None:
    """`adafruit_register` has one buffer for all registers of all instances; shared, it shows the other chip's."""
    part = next(part for part in PARTS if part.module == module)
    wrong: list[Any] = []

    def read(device: Device, wanted: Mapping[str, float | bool]) -> None:
        wrong.extend(got for got in (device.read().values for _ in range(1000)) if got != wanted)

    threads = []
    for level in (20.0, 80.0):
        world = World()
        world["it.temperature"], world["it.voltage"], world["it.current"] = level, level / 4, level / 100
        device = part.build(SimBus({part.address: part.chip(world)}))
        device.start()
        threads.append(threading.Thread(target=read, args=(device, device.read().values)))
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert wrong == []


def test_a_converter_whose_values_need_a_call_is_read_by_a_class_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their ADS1115 is polled without a pause: that a conversion takes its time must show on the bus's clock."""
    (tmp_path / "soil_probes.py").write_text(
        "from adafruit_ads1x15 import ADS1115, AnalogIn\n"
        "class Probes(ADS1115):\n"
        "    @property\n"
        "    def volts(self):\n"
        "        return AnalogIn(self, 0).voltage, AnalogIn(self, 3).voltage\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    world = World()
    world["it.a0"], world["it.a3"] = 1.5, 0.25
    options = {"module": "soil_probes", "class": "Probes", "channels": "volts_0:a0=V volts_1:a3=V", "sim": "ads1115"}
    chip: Any = find("ads1115").sim
    with find("circuitpython").build(SimBus({0x48: chip(world, "it")}), 0x48, **options) as device:
        got = device.read().values

    assert got == pytest.approx({"a0": 1.5, "a3": 0.25}, abs=0.0002)


def test_the_number_of_them_is_as_the_documents_say() -> None:
    text = (LOCK.parent / "hardware.md").read_text()
    [told] = re.findall(r"- `circuitpython`: (\d+) of Adafruit's drivers", text)
    assert int(told) == len(PARTS) + 1
