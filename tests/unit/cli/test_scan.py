"""`edge devices scan` and `recover` on the command line: simulated buses, a runtime, a machine made of files."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from drivers import BusTimeout, SimBus
from drivers.wires.sysfs import SysfsTree
from edge.cli.hardware import outside
from edge.config import load
from edge.connected import connected
from tests.unit.cli.conftest import Edge, Serving

CONFIG = """\
edge: {id: bench, backend: sim}
devices:
  mux:   {driver: tca9548a, bus: i2c-1, channels: 2}
  left:  {driver: bme280, bus: mux/0, address: 0x76}
  right: {driver: tmp102, bus: mux/1, address: 0x48}
  room:  {driver: tmp117, bus: i2c-1, address: 0x49}
journal: {path: ./journal}
"""


@pytest.fixture(autouse=True)
def configured(folder: Path) -> None:
    outside.cache_clear()
    (folder / "edge.yaml").write_text(CONFIG)


def test_a_laptop_shows_its_simulated_buses_and_what_is_behind_multiplexers(edge: Edge) -> None:
    said = edge("devices", "scan", "i2c-1", "mux/0", "mux/1")
    assert said.code == 0
    assert said.err == ""
    pages = said.out.split("\n\n")
    assert pages[0].splitlines() == [
        "i2c-1  simulated",
        "     0  1  2  3  4  5  6  7  8  9  a  b  c  d  e  f",
        "00:                         -- -- -- -- -- -- -- --",
        *(f"{row}0: -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- --" for row in "123"),
        "40: -- -- -- -- -- -- -- -- -- 49 -- -- -- -- -- --",
        *(f"{row}0: -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- --" for row in "56"),
        "70: 70 -- -- -- -- -- -- --",
        "0x49  room: tmp117, its id says so",
        "0x70  mux: tca9548a",
    ]
    assert pages[1].splitlines()[0] == "mux/0  i2c-1, simulated"
    assert pages[1].splitlines()[-1] == "0x76  left: bme280, its id says so"
    assert pages[2].splitlines()[-1] == "0x48  right: tmp102"


def test_an_empty_bus_is_one_line_and_no_grid(edge: Edge, folder: Path) -> None:
    (folder / "edge.yaml").write_text(CONFIG.replace("  right: {driver: tmp102, bus: mux/1, address: 0x48}\n", ""))

    assert edge("devices", "scan", "mux/1").out == "mux/1  i2c-1, simulated\nnobody answers\n"


def test_json_has_the_same_and_a_line_for_what_is_new(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    from drivers.bmp280 import SimBMP280
    from edge import devices

    real = devices.Wiring.solder

    def with_a_stranger(wiring: Any, handle: Any) -> None:
        real(wiring, handle)
        wiring.bus("i2c-1", "sim").attach(0x77, SimBMP280(outside().wires.world, "new"))

    monkeypatch.setattr(devices.Wiring, "solder", with_a_stranger)
    [bus] = json.loads(edge("devices", "scan", "i2c-1", "--json").out)["buses"]
    assert [(one["address"], one["device"]) for one in bus["found"]] == [(0x49, "room"), (0x70, "mux"), (0x77, None)]
    new = bus["found"][2]
    assert (new["proven"], new["likely"]) == ("bmp280", ["bmp280"])
    assert new["yaml"] == "bmp280: {driver: bmp280, bus: i2c-1, address: 0x77}"
    assert "lines for edge.yaml, below devices:\n  bmp280: {driver: bmp280," in edge("devices", "scan", "i2c-1").out


def test_a_bus_that_is_none_is_named_with_those_there_are(edge: Edge) -> None:
    said = edge("devices", "scan", "i2c-7")
    assert said.code == 1
    assert "no bus 'i2c-7' to scan; there are i2c-1, mux/0, mux/1" in said.err


def test_a_hung_bus_is_told_with_the_remedy_and_the_others_are_scanned(edge: Edge, monkeypatch: Any) -> None:
    monkeypatch.setattr(SimBus, "probe", hang)
    said = edge("devices", "scan", "i2c-1")
    assert said.code == 3
    assert "i2c-1 0x09: the bus hung; `edge devices recover i2c-1` may free it" in said.out


def hang(self: Any, address: int, *, reading: bool) -> bool:
    raise BusTimeout(f"{self.name} {address:#04x}: the bus hung")


def test_a_running_runtime_is_asked(serving: Serving, edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str | None] = []
    one = {"bus": "i2c-1", "backend": "real", "adapter": "bcm2835 (i2c@7e804000)", "clock": 100000, "skipped": None}
    chip = {"address": 0x68, "kernel": "rtc-ds1307", "device": None, "likely": [], "proven": None, "wrong": False,
            "yaml": None}  # fmt: skip
    hdmi = {**one, "bus": "i2c-20", "skipped": "it belongs to a display"}
    part = {"kind": "w1", "place": "28-00000a1b2c3d", "what": "", "device": None, "likely": ["ds18b20"],
            "yaml": "ds18b20: {driver: ds18b20, id: 28-00000a1b2c3d}"}  # fmt: skip

    def scan(bus: str | None = None) -> Any:
        asked.append(bus)
        if bus is None:
            return [one, hdmi]
        return {**one, "found": [chip], "note": None, "error": None}

    monkeypatch.setattr("edge.cli.scan.connected", lambda tree, config, root: [part])
    serving({"status": list, "scan": scan})
    said = edge("devices", "scan")
    assert (said.code, asked) == (0, [None, "i2c-1"])
    assert "i2c-1  bcm2835 (i2c@7e804000), 100 kHz" in said.out
    assert "60: -- -- -- -- -- -- -- -- UU" in said.out
    assert "0x68  in use by the kernel driver rtc-ds1307" in said.out
    assert "not scanned, because it belongs to a display; `edge devices scan i2c-20` does" in said.out
    assert re.search("^w1 +28-00000a1b2c3d +ds18b20$", said.out, re.MULTILINE)
    assert said.out.endswith("below devices:\n  ds18b20: {driver: ds18b20, id: 28-00000a1b2c3d}\n")


def test_no_configuration_is_needed(edge: Edge, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "edge.yaml").unlink()
    monkeypatch.setattr("edge.scanning.adapters", lambda root: [])
    said = edge("devices", "scan")
    assert said.code == 0
    assert said.out.startswith("no I2C bus; on a Raspberry Pi: sudo raspi-config nonint do_i2c 0")


def test_a_configuration_with_mistakes_is_said_and_not_used(edge: Edge, folder: Path, monkeypatch: Any) -> None:
    (folder / "edge.yaml").write_text("edge: {id: bench}\ndevices:\n  x: {driver: tmp12, bus: i2c-1}\n")
    monkeypatch.setattr("edge.scanning.adapters", lambda root: [])
    said = edge("devices", "scan")
    assert said.code == 0
    assert "mistakes in the configuration (`edge check`): scanning without it" in said.err


def test_what_the_kernel_and_serial_ports_have_comes_with_its_line(tmp_path: Path, folder: Path) -> None:
    files = {
        "sys/bus/w1/devices/28-00000a1b2c3d/w1_slave": "",
        "sys/bus/iio/devices/iio:device0/name": "bme280\n",
        "sys/bus/iio/devices/iio:device0/in_temp_input": "21000\n",
        "sys/bus/iio/devices/iio:device0/in_humidityrelative_input": "45000\n",
        "sys/bus/iio/devices/iio:device1/name": "ads1015\n",
        "sys/bus/iio/devices/iio:device1/in_voltage0_raw": "12\n",
        "sys/bus/iio/devices/iio:device1/in_voltage0-voltage1_raw": "12\n",
        "sys/bus/iio/devices/iio:device1/in_voltage_scale": "3\n",
        "sys/class/hwmon/hwmon0/name": "cpu_thermal\n",
        "sys/class/hwmon/hwmon0/temp1_input": "42000\n",
        "dev/ttyUSB0": "",
    }
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    (tmp_path / "dev/serial/by-id").mkdir(parents=True)
    (tmp_path / "dev/serial/by-id/usb-FTDI-port0").symlink_to(tmp_path / "dev/ttyUSB0")
    (folder / "edge.yaml").write_text(
        CONFIG.replace("journal:", "  air: {driver: iio, id: bme280, channels: humidity}\njournal:")
    )
    tree = SysfsTree(wait=lambda seconds: None, root=tmp_path)

    found = connected(tree, load(folder / "edge.yaml"), tmp_path)

    assert [(one["place"], one["device"], one["yaml"]) for one in found] == [
        ("28-00000a1b2c3d", None, "ds18b20: {driver: ds18b20, id: 28-00000a1b2c3d}"),
        ("iio:device0", "air", "bme280: {driver: iio, id: bme280, channels: humidity temperature}"),
        ("iio:device1", None, "ads1015: {driver: iio, id: ads1015, channels: voltage0}"),
        ("hwmon0", None, "cpu_thermal: {driver: hwmon, id: cpu_thermal, channels: temp1}"),
        ("/dev/serial/by-id/usb-FTDI-port0", None,
         "mhz19: {driver: mhz19, port: /dev/serial/by-id/usb-FTDI-port0}"),
    ]  # fmt: skip


def test_every_line_it_prints_is_a_configuration(edge: Edge, folder: Path) -> None:
    """Paste it, and it is accepted: for each chip of the catalogue."""
    from drivers import Driver, find, kinds, options_of
    from edge.connected import line

    config = load(folder / "edge.yaml")
    for kind in kinds():
        driver = find(kind).driver
        needs = any(one.required for one in options_of(driver).values())
        if not issubclass(driver, Driver) or not driver.addresses or needs:
            continue
        pasted = line(kind, f"driver: {kind}, bus: i2c-3, address: {driver.addresses[0]:#04x}", config)
        (folder / "pasted.yaml").write_text(f"edge: {{id: pi}}\ndevices:\n  {pasted}\n")
        load(folder / "pasted.yaml")


# -- recover ----------------------------------------------------------------------------------------------------------


def test_a_real_bus_is_freed_with_pinctrl(edge: Edge, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "edge.yaml").write_text(CONFIG.replace("backend: sim", "backend: real"))
    asked: list[Any] = []

    def freed(run: Any, bus: str, sda: int, scl: int) -> int:
        asked.append((bus, sda, scl))
        return 4

    monkeypatch.setattr("edge.cli.scan.nine_clocks", freed)
    assert edge("devices", "recover", "i2c-1").out == "i2c-1 is free after 4 clocks\n"
    assert json.loads(edge("devices", "recover", "i2c-3", "--pins", "4,5", "--json").out) == {
        "bus": "i2c-3",
        "clocks": 4,
    }
    assert asked == [("i2c-1", 2, 3), ("i2c-3", 4, 5)]
    assert edge("devices", "recover", "i2c-3").code == 2


def test_without_pinctrl_it_says_what_to_do_by_hand(edge: Edge, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "edge.yaml").unlink()
    monkeypatch.setenv("PATH", str(folder))
    said = edge("devices", "recover", "i2c-1")
    assert said.code == 3
    assert "By hand:\n  pinctrl get 2,3" in said.err


def test_a_simulated_bus_is_freed_by_the_runtime(serving: Serving, edge: Edge) -> None:
    assert "nothing hangs where no runtime runs" in edge("devices", "recover", "i2c-1").err
    serving({"recover": lambda bus: {"bus": bus, "clocks": 9}})
    assert edge("devices", "recover", "i2c-1").out == "i2c-1 is free after 9 clocks\n"


def test_a_tool_that_does_not_end_is_said_as_one_that_fails(
    edge: Edge, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    (folder / "edge.yaml").unlink()

    def hanging(command: list[str], **how: Any) -> Any:
        raise subprocess.TimeoutExpired(command, 10)

    monkeypatch.setattr(subprocess, "run", hanging)

    said = edge("devices", "recover", "i2c-1")

    assert said.code == 3
    assert "`pinctrl get 2` does not work here: it did not end within 10 s" in said.err
