"""I2C buses, the GPIO header, the folder lgpio needs, and the power supply."""

from __future__ import annotations

import grp
import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

import drivers
from drivers.wires.adapters import SLOWEST_STRETCH, Adapter, adapter
from edge.cli.doctor.findings import Finding, Level, Machine
from edge.config.models import Config

_USUAL_CLOCK = 100_000  # Hz, where the device tree does not say
_UNDERVOLTAGE = "use the official power supply and a short cable: undervoltage corrupts SD cards"


def examine_hardware(machine: Machine, config: Config | None) -> Iterator[Finding]:
    """What the configuration needs; without one, what there is."""
    buses, pins = _needed(config)
    if config is not None and not (buses or pins):
        yield Finding("ok", "hardware", "no device uses a real bus or pin")
    else:
        if buses or config is None:
            yield from _i2c(machine, buses)
            yield from _clocks(machine, config)
        if pins or config is None:
            yield from _gpio(machine, needed=pins)
    yield from _power(machine)


def _needed(config: Config | None) -> tuple[list[str], bool]:
    """Real buses by name, and whether there are real pins."""
    if config is None:
        return [], False
    real = [one for one in config.devices.values() if (one.backend or config.edge.backend) == "real"]
    # what is behind a multiplexer is on the bus of the multiplexer
    buses = {one.bus for one in real if one.bus is not None and one.behind is None}
    spi = {bus for bus in buses if bus.startswith("spi-")}  # opened through the header's library
    return sorted(buses - spi), bool(spi) or any(one.numbers for one in real)


def _i2c(machine: Machine, buses: list[str]) -> Iterator[Finding]:
    there = [path.name for path in machine.glob("/dev", "i2c-*")]
    for bus in buses or there:
        path = machine.path(f"/dev/{bus}")
        if path.exists():
            yield access("i2c", path, f"/dev/{bus}")
        else:
            known = f"; there is {', '.join(there)}" if there else ""
            yield Finding(
                "fail",
                "i2c",
                f"/dev/{bus} does not exist{known}",
                "sudo raspi-config nonint do_i2c 0 (dtparam=i2c_arm=on in config.txt), load i2c-dev, reboot",
            )
    if not buses and not there:
        yield Finding("warn", "i2c", "no I2C bus", "sudo raspi-config nonint do_i2c 0, then reboot, if sensors need it")


def _clocks(machine: Machine, config: Config | None) -> Iterator[Finding]:
    """The clock of each real bus that is used, and who on it cannot keep up with that on this board."""
    holding: dict[str, list[str]] = {}
    for name, one in ({} if config is None else config.devices).items():
        bus = one.bus if one.behind is None or config is None else config.devices[one.behind].bus
        if config is None or bus is None or not bus.startswith("i2c-"):
            continue
        if (one.backend or config.edge.backend) == "real":
            driver = drivers.find(one.driver).driver
            slow = issubclass(driver, drivers.Driver) and driver.stretches
            holding.setdefault(bus, []).extend([f"{name} ({one.driver})"] if slow else [])
    for bus, names in sorted(holding.items()):
        yield from _clock(adapter(bus, machine.root), names)


def _clock(bus: Adapter, holding: list[str]) -> Iterator[Finding]:
    clock = bus.clock or _USUAL_CLOCK
    if holding and not bus.stretches and clock > SLOWEST_STRETCH:
        yield Finding(
            "warn",
            "i2c",
            f"{bus.name} runs at {clock / 1000:g} kHz, and {', '.join(holding)} holds the clock longer than the"
            " controller of a Raspberry Pi 1 to 4 or Zero waits: readings may be wrong",
            "dtparam=i2c_arm_baudrate=10000 in /boot/firmware/config.txt, then reboot",
        )
    elif bus.clock is not None:
        yield Finding("ok", "i2c", f"{bus.name} runs at {clock / 1000:g} kHz")


def _gpio(machine: Machine, *, needed: bool) -> Iterator[Finding]:
    bad: Level = "fail" if needed else "warn"
    chips = machine.glob("/dev", "gpiochip*")
    if not chips:
        yield Finding(bad, "gpio", "no /dev/gpiochip*", "this machine has no header; use `backend: sim` here")
    for chip in chips[:1]:
        yield access("gpio", chip, f"/dev/{chip.name}")
    if importlib.util.find_spec("lgpio") is None:
        yield Finding(bad, "gpio", "lgpio is not installed", "pip install 'edge-runtime[pi]' into this environment")
        return
    folder = Path(machine.environ.get("LG_WD") or ".").absolute()
    if not os.access(folder, os.W_OK):
        yield Finding(
            bad, "gpio", f"lgpio cannot write to {folder}", "set LG_WD to a writable folder, such as /run/edge"
        )
    else:
        yield Finding("ok", "gpio", f"lgpio may write to {folder}")


def access(area: str, path: Path, shown: str) -> Finding:
    """Whether this user may read and write a device node."""
    if os.access(path, os.R_OK | os.W_OK):
        return Finding("ok", area, f"{shown} may be used")
    return Finding(
        "fail",
        area,
        f"{shown} may not be used by this user",
        f"sudo usermod -aG {_group(path)} $USER, then log in again; deploy/99-edge.rules sets the group",
    )


def _group(path: Path) -> str:
    number = path.stat().st_gid
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def _power(machine: Machine) -> Iterator[Finding]:
    """Nothing where the machine does not tell."""
    for sensor in machine.glob("/sys/class/hwmon", "hwmon*"):
        name = f"/sys/class/hwmon/{sensor.name}"
        if machine.text(f"{name}/name") == "rpi_volt":
            alarm = machine.text(f"{name}/in0_lcrit_alarm") == "1"
            yield Finding("fail", "power", "undervoltage now", _UNDERVOLTAGE) if alarm else _power_fine()
            return
    said = machine.run(["vcgencmd", "get_throttled"])  # throttled=0x50005
    if said is None or "=" not in said:
        return
    bits = int(said.partition("=")[2], 16)
    if bits & 0x1:
        yield Finding("fail", "power", "undervoltage now", _UNDERVOLTAGE)
    elif bits & 0x10000:
        yield Finding("warn", "power", "undervoltage since it was switched on", _UNDERVOLTAGE)
    else:
        yield _power_fine()


def _power_fine() -> Finding:
    return Finding("ok", "power", "no undervoltage")
