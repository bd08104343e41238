"""Devices with a line of their own: SPI, serial ports, and parts that the kernel reads."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

import drivers
from drivers import DriverError, SerialDevice, SpiDevice, SysfsDevice
from drivers.wires.sysfs import SysfsTree
from drivers.wires.uart import ports
from edge.cli.doctor.findings import Finding, Machine
from edge.cli.doctor.hardware import access
from edge.config.models import Config, DeviceSettings


def examine_lines(machine: Machine, config: Config | None) -> Iterator[Finding]:
    """Each real device of these kinds: whether its line is there and may be used; asks no sensor for a value."""
    if config is None:
        return
    for name, settings in config.devices.items():
        entry = drivers.find(settings.driver)
        if (settings.backend or config.edge.backend) == "sim":
            continue
        if issubclass(entry.driver, SpiDevice):
            yield _spi(machine, name, settings)
        elif issubclass(entry.driver, SerialDevice):
            yield from _serial(machine, name, settings)
        elif issubclass(entry.driver, SysfsDevice):
            yield _sysfs(machine, name, settings, entry)


def _spi(machine: Machine, name: str, settings: DeviceSettings) -> Finding:
    node = f"/dev/spidev0.{settings.select}"
    if machine.path(node).exists():
        return access("spi", machine.path(node), f"{node} of {name}")
    remedy = "sudo raspi-config nonint do_spi 0 (dtparam=spi=on in config.txt), then reboot"
    return Finding("fail", "spi", f"{node} of {name} does not exist", remedy)


def _serial(machine: Machine, name: str, settings: DeviceSettings) -> Iterator[Finding]:
    if importlib.util.find_spec("serial") is None:
        remedy = "pip install 'edge-runtime[serial]' into this environment"
        yield Finding("fail", "serial", f"pyserial, which {name} needs, is not installed", remedy)
    port = f"/dev/{str(settings.port).removeprefix('/dev/')}"
    if machine.path(port).exists():
        yield access("serial", machine.path(port), f"{port} of {name}")
        return
    there = [f"/dev/{path.partition('/dev/')[2]}" for path in ports(machine.path("/dev"))]
    known = f"; there is {', '.join(there)}" if there else ""
    remedy = "plug the adapter in; the header's port: sudo raspi-config nonint do_serial_hw 0, then reboot"
    yield Finding("fail", "serial", f"{port} of {name} does not exist{known}", remedy)


def _sysfs(machine: Machine, name: str, settings: DeviceSettings, entry: drivers.Entry) -> Finding:
    tree = SysfsTree(wait=lambda seconds: None, root=machine.root)
    device = entry.build(tree, settings.id, **settings.options)
    assert isinstance(device, SysfsDevice)
    try:
        return Finding("ok", "kernel", f"{name} is {device.path}")
    except DriverError as error:
        what, _, remedy = str(error).partition(": ")
        return Finding("fail", "kernel", f"{name}: {what}", remedy)
