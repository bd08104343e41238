"""What a person does wrong with hardware: each time one sentence says what, where, and what to do."""

from __future__ import annotations

import errno
import re
from pathlib import Path
from typing import Any

import pytest

from drivers import World
from drivers.bmp280 import SimBMP280
from drivers.bus import SMBusBus
from drivers.ina219 import SimINA219
from drivers.pcf8574 import SimPCF8574
from drivers.tca9548a import SimTCA9548A
from drivers.wires.adapters import Adapter
from edge.cli.hardware import outside
from tests.drivers.kernel import Kernel
from tests.unit.cli.conftest import Edge

CHECKED = {
    "unknown driver": (
        "x: {driver: tmp12, bus: i2c-1}",
        "edge.yaml:3: devices.x.driver: no driver called 'tmp12' did you mean 'tmp102'",
    ),
    "address out of range": (
        "x: {driver: tmp102, bus: i2c-1, address: 0x90}",
        "edge.yaml:3: devices.x.address: 0x90 is no I2C address; they go from 0x08 to 0x77 an 8-bit address from a"
        " datasheet? then it is 0x48; `edge devices scan` shows who answers",
    ),
    "address that the chip cannot have": (
        "x: {driver: tmp102, bus: i2c-1, address: 0x20}",
        "edge.yaml:3: devices.x.address: TMP102 cannot be at 0x20; it answers at 0x48, 0x49, 0x4a, 0x4b",
    ),
    "address taken": (
        "x: {driver: tmp102, bus: i2c-1}\n  y: {driver: tmp117, bus: i2c-1, address: 0x48}",
        "edge.yaml:4: devices.y.address: 0x48 on i2c-1 belongs to x already (line 3) one device a pin or address",
    ),
    "address taken by a chip before the multiplexer": (
        "m: {driver: tca9548a, bus: i2c-1}\n  x: {driver: tmp102, bus: i2c-1}\n  y: {driver: tmp102, bus: m/0}",
        "edge.yaml:5: devices.y.address: 0x48 belongs to x on i2c-1 itself (line 4): both would answer at once a"
        " multiplexer does not hide its own bus: put x behind a channel too, or change an address",
    ),
    "value out of the chip's range": (
        "x: {driver: ina219, bus: i2c-1, shunt: -1.0}",
        "edge.yaml:3: devices.x.shunt: a shunt of -1 ohm measures nothing; they have 0.001 to 100 ohm `edge devices kinds"
        " ina219` explains",
    ),
    "unit that does not fit": (
        "x: {driver: tmp102, bus: i2c-1, every: 5V}",
        "edge.yaml:3: devices.x.every: '5V' is not a duration",
    ),
    "unit left out": (
        "x: {driver: tmp102, bus: i2c-1, every: 5}",
        "edge.yaml:3: devices.x.every: 5 has no unit write a number and its unit, such as 500ms",
    ),
}


@pytest.fixture
def config(folder: Path) -> Any:
    outside.cache_clear()

    def write(devices: str) -> None:
        (folder / "edge.yaml").write_text(f"edge: {{id: bench, backend: real}}\ndevices:\n  {devices}\n")

    return write


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    """`/dev/i2c-1` of the machine that the command opens, whose chips a test plugs in."""
    (tmp_path / "machine").mkdir()
    kernel = Kernel(tmp_path / "machine", monkeypatch)
    monkeypatch.setattr("edge.outside.SMBusBus", lambda name, wait: SMBusBus(str(kernel.node), wait=kernel.sim.wait))
    return kernel


@pytest.mark.parametrize("case", CHECKED, ids=list(CHECKED))
def test_edge_check_says_it(edge: Edge, config: Any, case: str) -> None:
    devices, sentence = CHECKED[case]
    config(devices)
    said = edge("check")
    assert said.code == 1
    assert sentence in re.sub(r"\s+", " ", said.out), said.out


def test_a_bus_that_is_absent(edge: Edge, config: Any) -> None:
    config("x: {driver: tmp102, bus: i2c-99}")
    said = edge("read", "x")
    assert said.code == 3
    assert "x: /dev/i2c-99: no such bus: switch I2C on with `sudo raspi-config nonint do_i2c 0`" in said.err
    scanned = edge("devices", "scan", "i2c-99")
    assert scanned.code == 3
    assert "/dev/i2c-99: no such bus: switch I2C on with" in scanned.out


def test_a_bus_without_permission(edge: Edge, config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    config("x: {driver: tmp102, bus: i2c-1}")
    monkeypatch.setattr("smbus2.smbus2.os.open", refuse)
    sentence = "/dev/i2c-1: no permission: add the user to the group: `sudo usermod -aG i2c $USER`, then log in again"
    said, scanned = edge("read", "x"), edge("devices", "scan", "i2c-1")
    assert (said.code, scanned.code) == (3, 3)
    assert f"x: {sentence}" in said.err
    assert sentence in scanned.out


def test_a_chip_with_another_id(edge: Edge, config: Any, kernel: Kernel) -> None:
    config("x: {driver: bme280, bus: i2c-1, address: 0x76}")
    kernel.sim.attach(0x76, SimBMP280(World(), "it"))
    said = edge("read", "x")
    assert said.code == 3
    assert "x: 0x76 has device id 0x58, BMP280 (the same without humidity)" in said.err
    assert "0x76  x: another chip than bme280" in edge("devices", "scan", "i2c-1").out


def test_nobody_at_the_address(edge: Edge, config: Any, kernel: Kernel) -> None:
    config("x: {driver: tmp102, bus: i2c-1, address: 0x4a}")
    said = edge("read", "x")
    assert said.code == 3
    assert "0x4a: no answer: check wiring, power and address" in said.err


def test_a_multiplexer_that_is_absent_is_what_is_told_of_a_chip_behind_it(
    edge: Edge, config: Any, kernel: Kernel
) -> None:
    config("m: {driver: tca9548a, bus: i2c-1}\n  x: {driver: tmp102, bus: m/2}")
    said = edge("read", "x")
    assert said.code == 3
    assert re.search("channel 2 of the multiplexer cannot be selected: .*0x70: no answer: check wiring", said.err)
    kernel.sim.attach(0x70, SimTCA9548A(World(), "m"))
    assert re.search("i2c-7 0x48: no answer", edge("read", "x").err)


def test_a_value_that_the_chip_cannot_measure(edge: Edge, config: Any, kernel: Kernel) -> None:
    config("x: {driver: ina219, bus: i2c-1}")
    world = World()
    world["it.current"] = 99.0
    kernel.sim.attach(0x40, SimINA219(world, "it"))
    said = edge("read", "x")
    assert said.code == 3
    assert "x: more than 3.2 A through 0.1 ohm: use a smaller shunt" in said.err


def test_a_value_that_the_chip_cannot_be_set_to(edge: Edge, config: Any, kernel: Kernel) -> None:
    config("x: {driver: pcf8574, bus: i2c-1}")
    kernel.sim.attach(0x20, SimPCF8574(World(), "it"))
    said = edge("set", "x", "300", "--hold", "1ms")
    assert said.code == 1
    assert "x: a PCF8574 takes a byte, 0 to 255, not 300" in said.err


def test_an_address_that_a_kernel_driver_has(edge: Edge, config: Any, kernel: Kernel) -> None:
    config("x: {driver: tmp102, bus: i2c-1}")
    (kernel.sysfs / "drivers" / "lm75").mkdir(parents=True)
    (kernel.sysfs / "7-0048").mkdir()
    (kernel.sysfs / "7-0048" / "driver").symlink_to(kernel.sysfs / "drivers" / "lm75")
    said = edge("read", "x")
    assert said.code == 3
    assert "kernel driver 'lm75' owns this address: unbind it or use its hwmon/IIO values" in said.err
    assert "0x48  in use by the kernel driver lm75" in edge("devices", "scan", "i2c-1").out


def test_a_bus_that_no_device_uses_is_scanned_and_given_back(
    edge: Edge, config: Any, kernel: Kernel, monkeypatch: Any
) -> None:
    config("x: {driver: tmp102, bus: i2c-2}")
    kernel.sim.attach(0x76, SimBMP280(World(), "it"))
    monkeypatch.setattr("edge.scanning.adapters", lambda root: [Adapter("i2c-1", "bcm2835 (i2c@7e804000)")])
    closed: list[str] = []
    real = SMBusBus.close
    monkeypatch.setattr(SMBusBus, "close", lambda bus: (closed.append(bus.path), real(bus)))
    said = edge("devices", "scan", "i2c-1")
    assert said.code == 0
    assert "bmp280: {driver: bmp280, bus: i2c-1, address: 0x76}" in said.out
    assert closed == [str(kernel.node)]
