"""What is connected beside the chips on I2C buses: 1-Wire sensors, what kernel drivers read already, serial ports."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import drivers
from drivers import DriverError, SerialDevice, SysfsDevice
from drivers.ds18b20 import DS18B20
from drivers.hwmon import Hwmon
from drivers.hwmon import channels_in as hwmon_channels
from drivers.iio import IIO
from drivers.iio import channels_in as iio_channels
from drivers.wires.sysfs import Tree
from drivers.wires.uart import ports
from edge.config.models import Config

Part = dict[str, Any]
"""`kind`, `place`, `what` it calls itself, the `device` that has it, `likely` drivers, and the `yaml` line."""


def connected(tree: Tree, config: Config, root: Path) -> list[Part]:
    """Everything of these kinds on this machine; asks no sensor for a value."""
    return [
        *_listed(tree, config, "ds18b20", DS18B20, lambda files: []),
        *_listed(tree, config, "iio", IIO, iio_channels),
        *_listed(tree, config, "hwmon", Hwmon, hwmon_channels),
        *_serial(config, root),
    ]


def line(kind: str, keys: str, config: Config, taken: Iterable[str] = ()) -> str:
    """One line for `devices:`, with a name that is free."""
    used = {*config.devices, *taken}
    stem = re.sub("[^a-z0-9_]+", "-", kind.lower()).strip("-") or "part"
    stem = stem if stem[0].isalpha() else f"part-{stem}"
    name = next(one for one in (stem, *(f"{stem}-{number}" for number in range(2, 1000))) if one not in used)
    return f"{name}: {{{keys}}}"


def _listed(
    tree: Tree, config: Config, driver: str, kind: type[SysfsDevice], channels_in: Callable[[list[str]], list[str]]
) -> Iterator[Part]:
    """The parts in a folder of the kernel's that a driver of ours reads."""
    for name in tree.names(kind.folder):
        if not name.startswith(kind.prefix):
            continue
        files = tree.names(f"{kind.folder}/{name}")
        title = _title(tree, f"{kind.folder}/{name}/name") if "name" in files and kind is not DS18B20 else ""
        channels = channels_in(files)
        if not channels and kind is not DS18B20:
            continue  # a converter without a value of its own, a power supply's switch
        keys = f"driver: {driver}, id: {title or name}" + (f", channels: {' '.join(channels)}" if channels else "")
        yield {
            "kind": kind.tree_name,
            "place": name,
            "what": title,
            "device": _owner(config, driver, {name, title}),
            "likely": [driver],
            "yaml": line(title or driver, keys, config),
        }


def _title(tree: Tree, path: str) -> str:
    try:
        return tree.read(path)
    except DriverError:
        return ""


def _owner(config: Config, driver: str, names: set[str]) -> str | None:
    """The configured device that reads it; one without an id reads the only one there is."""
    for name, settings in config.devices.items():
        if settings.driver == driver and (settings.id is None or settings.id in names):
            return name
    return None


def _serial(config: Config, root: Path) -> Iterator[Part]:
    talking = [kind for kind in drivers.kinds() if _speaks(kind)]
    seen: set[Path] = set()
    for path in ports(root / "dev"):
        if (real := Path(path).resolve()) in seen:
            continue  # the stable names of adapters come first
        seen.add(real)
        port = f"/dev/{Path(path).relative_to(root / 'dev')}"
        short = {port, port.removeprefix("/dev/")}
        owner = next((name for name, one in config.devices.items() if one.port in short), None)
        yield {
            "kind": "serial",
            "place": port,
            "what": "",
            "device": owner,
            "likely": talking,
            "yaml": line(talking[0], f"driver: {talking[0]}, port: {port}", config) if talking else None,
        }


def _speaks(kind: str) -> bool:
    try:
        return issubclass(drivers.find(kind).driver, SerialDevice)
    except DriverError:
        return False
