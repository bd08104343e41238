"""Any value of the kernel's hardware monitors, `/sys/class/hwmon/*`: board voltages, fans, temperatures, power meters.

    board: {driver: hwmon, id: rpi_volt, channels: in0_lcrit_alarm}
    psu:   {driver: hwmon, id: ina219, channels: in1 curr1 power1}

A channel is the kernel's own name, `temp1`, `in0`, `fan2`, or one of its flags, `in0_lcrit_alarm`, `temp1_fault`.
Names and units are those of Linux `Documentation/hwmon/sysfs-interface.rst`.
"""

import re
from collections.abc import Iterable, Mapping
from typing import ClassVar

from drivers.base import Reading
from drivers.errors import BadData, OutOfRange
from drivers.kit.chosen import ChosenChannels, SimChosen
from drivers.sim import World
from drivers.wires.sysfs import Tree

UNITS: Mapping[str, tuple[str, float]] = {
    "in": ("V", 1e-3),
    "temp": ("degC", 1e-3),
    "curr": ("A", 1e-3),
    "power": ("W", 1e-6),
    "energy": ("J", 1e-6),
    "humidity": ("%", 1e-3),
    "fan": ("rpm", 1.0),
}
_CHANNEL = re.compile(r"(in|temp|curr|power|energy|humidity|fan)[0-9]+((?:_[a-z]+)?_(?:alarm|fault))?")


def scale(channel: str) -> tuple[str, float]:
    """Our unit of a channel, and its factor. Raises `OutOfRange` for what no monitor has."""
    parts = _CHANNEL.fullmatch(channel)
    if parts is None:
        raise OutOfRange(f"no hwmon channel is called {channel!r}; they are like temp1, in0 or in0_lcrit_alarm")
    return ("bool", 1.0) if parts[2] else UNITS[parts[1]]


def channels_in(files: Iterable[str]) -> list[str]:
    """The channels that such a folder has a value of."""
    names = (file.removesuffix("_input") for file in sorted(files) if file.endswith("_input"))
    return [name for name in names if _CHANNEL.fullmatch(name)]


class Hwmon(ChosenChannels):
    """One file read a channel; blocking for as long as the kernel's driver measures."""

    channels: ClassVar[Mapping[str, str]] = {"temp1": "degC"}
    tree_name = "hwmon"
    folder = "/sys/class/hwmon"
    prefix = ("hwmon",)
    advice = "load the kernel's driver for the part"

    def __init__(self, tree: Tree, id: str | None = None, *, channels: str = "temp1") -> None:
        super().__init__(tree, id, channels=channels)

    @classmethod
    def unit_of(cls, channel: str) -> str:
        return scale(channel)[0]

    def read(self) -> Reading:
        return self.reading(**{channel: self._value(channel) for channel in self.chosen})

    def _value(self, channel: str) -> float | bool:
        unit, factor = scale(channel)
        if unit == "bool":
            return self.number(channel) != 0
        value = self.number(f"{channel}_input") * factor
        if f"{channel}_fault" in self.tree.names(self.path) and self.number(f"{channel}_fault"):
            raise BadData(f"{self.path}/{channel}_fault is set: the chip itself says that its sensor is broken")
        return value


class SimHwmon(SimChosen):
    """A hardware monitor: fixed-point numbers, one a file. `broken`: the chip sets its fault flags."""

    defaults: ClassVar[Mapping[str, float]] = {"temp1": 21.0}
    node = "hwmon0"

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.broken = False

    def paths(self) -> list[str]:
        files = ["name"]
        for channel in self.chosen:
            flag = channel.endswith(("_alarm", "_fault"))
            files += [channel] if flag else [f"{channel}_input"]
            files += [f"{channel}_fault"] if channel.startswith(("temp", "fan")) and not flag else []
        return [f"{self.place}/{file}" for file in files]

    def text(self, path: str) -> str:
        file = path.rpartition("/")[2]
        if file == "name":
            return self.label
        if file.endswith("_fault") and file not in self.chosen:
            return str(int(self.broken))
        channel = file.removesuffix("_input")
        value = self.shown(channel)
        if file == channel:
            return str(int(bool(value)))
        micro = channel.startswith(("power", "energy"))
        return str(round(value * (1_000_000 if micro else 1 if channel.startswith("fan") else 1000)))


DRIVER, SIM = Hwmon, SimHwmon
