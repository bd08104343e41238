"""The kernel's own driver for a chip as a second, independent decoder: it and ours read the same simulated registers.

The kernel's values come through our `hwmon` and `iio` drivers and the real /sys.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from drivers import ArbitrationLost, Device, Nack, Reading, SimBus, World, find
from drivers.bus import SMBusBus
from drivers.wires.sysfs import SysfsTree
from tests.hardware.free_running import CHIPS
from tests.hardware.interfaces import Adapter, absent
from tests.hardware.user_bus import UserBus
from tests.hardware.waiting import until

pytestmark = pytest.mark.hardware


@dataclass(frozen=True)
class Pair:
    """Our driver and the kernel's for one chip.

    channels  ours -> (the kernel's, how far it may be off in our unit)
    factor    our unit in the kernel's, where they differ
    settings  files of the kernel's that are written first
    called    what the kernel's driver calls itself in /sys, where that is not `theirs`
    rate      of the bus, Hz: some of the kernel's drivers wait as long as the transfer takes and no longer
    shares    where in the range of each channel it is read
    newer     Linux 6.1 does not know it yet: skipped where the kernel takes no driver for it
    """

    ours: str
    theirs: str
    tree: str
    channels: Mapping[str, tuple[str, float]]
    factor: Mapping[str, float] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    called: str = ""
    rate: int = 100_000
    shares: tuple[float, ...] = (0.3, 0.62)
    newer: bool = False


GRAVITY = 9.80665
AXES = ("x", "y", "z")
PAIRS = [
    Pair("tmp102", "tmp102", "hwmon", {"temperature": ("temp1", 0.0625)}),
    Pair("lm75", "lm75", "hwmon", {"temperature": ("temp1", 0.5)}),
    Pair("mcp9808", "jc42", "hwmon", {"temperature": ("temp1", 0.0625)}),
    Pair("ds3231", "ds3231", "hwmon", {"temperature": ("temp1", 0.25)}),
    Pair("sht31", "sht3x", "hwmon", {"temperature": ("temp1", 0.01), "humidity": ("humidity1", 0.01)}),
    Pair("sht4x", "sht4x", "hwmon", {"temperature": ("temp1", 0.01), "humidity": ("humidity1", 0.01)}),
    Pair("aht20", "aht20", "hwmon", {"temperature": ("temp1", 0.01), "humidity": ("humidity1", 0.01)}, newer=True),
    Pair(
        "ina219",
        "ina219",
        "hwmon",
        {"voltage": ("in1", 0.004), "current": ("curr1", 0.0011)},
        settings={"shunt_resistor": "100000"},
    ),
    Pair("ina3221", "ina3221", "hwmon", {f"voltage_{n}": (f"in{n}", 0.008) for n in (1, 2, 3)}),
    Pair(
        "bme280",
        "bme280",
        "iio",
        {"temperature": ("temperature", 0.02), "humidity": ("humidity", 0.1), "pressure": ("pressure", 0.05)},
    ),
    Pair("bmp280", "bmp280", "iio", {"temperature": ("temperature", 0.02), "pressure": ("pressure", 0.05)}),
    Pair("bmp388", "bmp380", "iio", {"temperature": ("temperature", 0.02), "pressure": ("pressure", 0.05)}),
    Pair("tmp117", "tmp117", "iio", {"temperature": ("temperature", 0.01)}),
    Pair("htu21d", "htu21", "iio", {"temperature": ("temperature", 0.02), "humidity": ("humidity", 0.05)}),
    Pair("bh1750", "bh1750", "iio", {"illuminance": ("illuminance", 1.0)}),
    Pair(
        "scd4x",
        "scd41",
        "iio",
        {"co2": ("concentration_co2", 1.0), "humidity": ("humidity", 0.01)},
        rate=10_000,
        shares=(0.4,),
    ),
    Pair(
        "ads1115",
        "ads1115",
        "iio",
        {f"a{n}": (f"voltage{n}", 0.001) for n in range(4)},
        called="ads1015",
        settings={f"in_voltage{n}_scale": "0.125000" for n in range(4)},
    ),
    Pair(
        "mpu6050",
        "mpu6050",
        "iio",
        {
            **{f"acceleration_{a}": (f"acceleration_{a}", 0.001) for a in AXES},
            **{f"rotation_{a}": (f"rotation_{a}", 0.1) for a in AXES},
            "temperature": ("temperature", 0.01),
        },
        {f"acceleration_{a}": GRAVITY for a in AXES},
    ),
]


@pytest.fixture
def tree() -> SysfsTree:
    return SysfsTree(wait=time.sleep)


def patiently(device: Device) -> Reading:
    """Start and read, again while the part is busy: its first measurement, or what the driver before told it to do."""

    def attempt() -> Reading | None:
        try:
            device.start()
            return device.read()
        except (ArbitrationLost, Nack):
            return None

    reading = until(attempt)
    assert reading is not None
    return reading


@pytest.mark.parametrize(
    ("pair", "share"),
    [pytest.param(pair, share, id=f"{pair.ours}-{share}") for pair in PAIRS for share in pair.shares],
)
def test_the_kernels_driver_and_ours_read_the_same_world(
    user: Adapter, plain_bus: SMBusBus, answering: UserBus, world: World, tree: SysfsTree, pair: Pair, share: float
) -> None:
    answering.byte_time = 9 / pair.rate
    entry: Any = find(pair.ours)
    address = entry.driver.address
    answering.sim.attach(address, CHIPS.get(pair.ours, entry.sim)(world, "it"))
    for channel in pair.channels:
        low, high = entry.driver.ranges[channel]
        world[f"it.{channel}"] = low + share * (high - low)

    folder = user.bind(pair.theirs, address)
    try:
        if pair.newer and not (folder / "driver").exists():
            pytest.skip(f"this kernel has no driver that takes '{pair.theirs}'")
        for file, text in pair.settings.items():
            next(folder.glob(f"**/{file}")).write_text(text)
        wanted = " ".join(theirs for theirs, _ in pair.channels.values())
        kernel = patiently(find(pair.tree).build(tree, pair.called or pair.theirs, channels=wanted)).values
    finally:
        user.release(address)
    own = patiently(entry.build(plain_bus, address)).values

    for channel, (theirs, tolerance) in pair.channels.items():
        read = kernel[theirs] / pair.factor.get(channel, 1.0)
        assert read == pytest.approx(world[f"it.{channel}"], abs=tolerance), f"{channel}: the kernel's driver"
        assert own[channel] == pytest.approx(read, abs=tolerance), f"{channel}: ours and the kernel's"


def test_a_chip_that_is_pulled_from_under_the_kernels_driver_is_a_nack(
    user: Adapter, sim: SimBus, world: World, tree: SysfsTree
) -> None:
    chip = find("lm75").sim(world, "it")  # type: ignore[call-arg]
    sim.attach(0x48, chip)  # type: ignore[arg-type]
    user.bind("lm75", 0x48)
    try:
        with find("hwmon").build(tree, "lm75") as device:
            sim.detach(0x48)
            with pytest.raises(Nack, match=r"temp1_input: the kernel's driver got no answer.*EREMOTEIO"):
                device.read()
            sim.attach(0x48, chip)  # type: ignore[arg-type]
            assert device.read().values == {"temp1": 21.0}
    finally:
        user.release(0x48)
    with pytest.raises(Nack, match="lm75"):
        find("hwmon").build(tree, "lm75").start()


def test_a_kernel_driver_that_has_not_measured_yet_is_busy_and_no_crash(
    user: Adapter, sim: SimBus, world: World, tree: SysfsTree
) -> None:
    """tmp102 answers EAGAIN for its first 35 ms."""
    sim.attach(0x48, find("tmp102").sim(world, "it"))  # type: ignore[arg-type,call-arg]
    user.bind("tmp102", 0x48)
    try:
        with pytest.raises(ArbitrationLost, match="its first measurement may not be over"):
            find("hwmon").build(tree, "tmp102").start()
    finally:
        user.release(0x48)


def test_iio_counts_become_values_by_the_offset_and_scale_of_the_kernel(tree: SysfsTree) -> None:
    """iio-dummy: 73 counts, offset 7, 0.001333 mV each."""
    folder = Path("/sys/kernel/config/iio/devices/dummy")
    if not folder.is_dir():
        absent("no iio-dummy", "sudo modprobe iio-dummy (kernel option IIO_SIMPLE_DUMMY), or scripts/kernel-tests")
    part = folder / "edge-test"
    part.mkdir()
    try:
        with find("iio").build(tree, "edge-test", channels="voltage0") as device:
            assert device.read().values == {"voltage0": pytest.approx((73 + 7) * 0.001333 / 1000)}
    finally:
        part.rmdir()


def test_the_processors_temperature_is_that_of_its_thermal_zone(tree: SysfsTree) -> None:
    testing = Path("/sys/kernel/debug/thermal-testing")
    if not testing.is_dir():
        pytest.skip("no thermal-testing: Linux 6.12 or newer has it, with the option THERMAL_CORE_TESTING")
    (testing / "command").write_text("addtz")
    zone = until(lambda: next(testing.glob("tz*"), None))
    assert zone is not None
    number = zone.name.removeprefix("tz")
    try:
        (zone / "init_temp").write_text("48312")
        (testing / "command").write_text(f"tzreg:{number}")
        until(lambda: list(Path("/sys/class/thermal").glob("thermal_zone*")))
        with find("soc").build(tree, "test_tz", flags=False) as device:
            assert device.read().values == {"temperature": pytest.approx(48.312)}
            (zone / "temp").write_text("-1500")
            assert device.read().values == {"temperature": pytest.approx(-1.5)}
    finally:
        (testing / "command").write_text(f"deltz:{number}")
