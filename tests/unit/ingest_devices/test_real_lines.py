"""The same configuration on real files and a real terminal: opened when first used, once, and given back."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import serial

from drivers import BusUnavailable, World
from drivers.mhz19 import SimMHZ19
from drivers.wires.sysfs import SysfsTree
from drivers.wires.uart import SerialPort
from edge.config.models import Config
from edge.devices import Wires, Wiring
from tests.drivers.terminal import terminal


def refuse(*_: Any) -> Any:
    raise AssertionError("nobody needs this")


def wiring(root: Path, devices: dict[str, Any], opened: list[str]) -> Wiring:
    def wait(seconds: float) -> None: ...

    def open_tree() -> SysfsTree:
        opened.append("sysfs")
        return SysfsTree(wait=wait, root=root)

    def open_serial(port: str, baud: int) -> SerialPort:
        opened.append(f"{port} {baud}")
        return SerialPort(port, baud, wait=wait)

    wires = Wires(
        open_bus=refuse,
        open_pins=refuse,
        open_sim_pins=refuse,
        open_tree=open_tree,
        open_serial=open_serial,
        world=World(),
        wait=wait,
    )
    return Wiring(Config.model_validate({"edge": {"id": "a"}, "devices": devices}), wires)


def test_a_part_of_the_kernel_is_read_from_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "sys/bus/iio/devices/iio:device0"
    folder.mkdir(parents=True)
    (folder / "name").write_text("bme280\n")
    (folder / "in_temp_input").write_text("23420\n")
    opened: list[str] = []

    with closing(wiring(tmp_path, {"hut": {"driver": "iio", "id": "bme280"}}, opened)) as wired:
        assert opened == []
        assert wired.handles["hut"].read() == {"temperature": 23.42}
        assert wired.handles["hut"].read() == {"temperature": 23.42}
        assert opened == ["sysfs"]


def test_a_serial_part_is_read_from_its_port_and_the_port_is_given_back(tmp_path: Path) -> None:
    opened: list[str] = []
    with terminal(SimMHZ19(World(), "air")) as end:
        devices = {"air": {"driver": "mhz19", "port": end.path, "abc": False}}
        for _ in range(2):  # the port is open to one at a time
            with closing(wiring(tmp_path, devices, opened)) as wired:
                assert wired.handles["air"].read() == {"co2": 620.0, "temperature": 22.0}
                line = wired.line(wired.handles["air"])  # held, so that only closing can give the port back
        serial.Serial(end.path, exclusive=True).close()
        line.close()
    assert opened == [f"{end.path} 9600"] * 2


def test_a_missing_port_fails_its_device_and_says_what_to_do(tmp_path: Path) -> None:
    missing = "/dev/serial/by-id/usb-nobody_has_this"
    with (
        closing(wiring(tmp_path, {"air": {"driver": "mhz19", "port": missing}}, [])) as wired,
        pytest.raises(BusUnavailable, match="no such port"),
    ):
        wired.handles["air"].read()
