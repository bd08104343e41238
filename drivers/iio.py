"""Any sensor that a kernel driver offers through IIO: dozens of chips, read as `/sys/bus/iio/devices/*` shows them.

    air: {driver: iio, id: bme280, channels: temperature humidity pressure}

A channel is one of the words below, with the kernel's index and modifier where there are several: `voltage0`,
`acceleration_x`, `temperature_ambient`, `concentration_co2`. Its value is the file `in_..._input`, or
(`_raw` + `_offset`) * `_scale`, where offset and scale may belong to the channel or to all of its type.
Names, formula and units are those of Linux `Documentation/ABI/testing/sysfs-bus-iio`.

Each file is a measurement of its own in most of the kernel's drivers: the channels of a sample follow one another
within milliseconds. Where they have to be one measurement, use the chip's own driver.
"""

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from typing import ClassVar

from drivers.base import Reading
from drivers.errors import NotStarted, OutOfRange, WrongChip
from drivers.kit.chosen import ChosenChannels, SimChosen
from drivers.sim import World
from drivers.wires.sysfs import SysfsDevice, Tree

QUANTITIES: Mapping[str, tuple[str, str, float]] = {
    # channel: (the kernel's type, our unit, our unit in the kernel's)
    "temperature": ("temp", "degC", 0.001),
    "humidity": ("humidityrelative", "%", 0.001),
    "pressure": ("pressure", "hPa", 10.0),
    "illuminance": ("illuminance", "lx", 1.0),
    "voltage": ("voltage", "V", 0.001),
    "current": ("current", "A", 0.001),
    "power": ("power", "W", 0.001),
    "acceleration": ("accel", "m/s2", 1.0),
    "rotation": ("anglvel", "deg/s", 180 / math.pi),
    "magnetic": ("magn", "uT", 100.0),
    "distance": ("distance", "mm", 1000.0),
    "concentration": ("concentration", "ppm", 10_000.0),
    "resistance": ("resistance", "ohm", 1.0),
}
_CHANNEL = re.compile(r"([a-z]+)([0-9]*)((?:_[a-z0-9]+)*)")


def stem(channel: str) -> tuple[str, str, str, float]:
    """The kernel's name of a channel, the type whose offset and scale it may share, our unit and its factor.

    Raises `OutOfRange` for a channel that is none of the words of `QUANTITIES`.
    """
    parts = _CHANNEL.fullmatch(channel)
    if parts is None or parts[1] not in QUANTITIES:
        near = difflib.get_close_matches(channel, QUANTITIES, n=1)
        known = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(QUANTITIES)}, as in voltage0"
        raise OutOfRange(f"no IIO channel is called {channel!r}; {known}")
    kind, unit, factor = QUANTITIES[parts[1]]
    return f"in_{kind}{parts[2]}{parts[3]}", f"in_{kind}", unit, factor


def channels_in(files: Iterable[str]) -> list[str]:
    """Our names of the channels that such a folder has, those that come with a `_input` or `_raw` of a known type."""
    words = {kind: word for word, (kind, _, _) in QUANTITIES.items()}
    found = {}
    for file in sorted(files):
        parts = re.fullmatch(r"in_([a-z]+)([0-9]*)((?:_[a-z0-9]+)*?)_(?:input|raw)", file)
        if parts is not None and parts[1] in words:
            found[f"{words[parts[1]]}{parts[2]}{parts[3]}"] = file
    return list(found)


class IIO(ChosenChannels):
    """Blocking for as long as the kernel's driver measures, once a channel."""

    channels: ClassVar[Mapping[str, str]] = {"temperature": "degC"}
    tree_name = "iio"
    folder = "/sys/bus/iio/devices"
    prefix = ("iio:device",)
    advice = "load the kernel's driver for the chip, for example dtoverlay=i2c-sensor,bme280"

    def __init__(self, tree: Tree, id: str | None = None, *, channels: str = "temperature") -> None:
        super().__init__(tree, id, channels=channels)
        self._sources: dict[str, tuple[str, float, float]] = {}

    @classmethod
    def unit_of(cls, channel: str) -> str:
        return stem(channel)[2]

    def start(self) -> None:
        """Find the part and how each channel is to be read, and take one reading and drop it."""
        self._path, self._sources = None, {}
        files = set(self.tree.names(self.path))
        self._sources = {channel: self._source(channel, files) for channel in self.chosen}
        self.read()

    def read(self) -> Reading:
        if not self._sources:
            raise NotStarted(f"the IIO part {self.id or ''} is not started")
        values = {}
        for channel, (file, offset, factor) in self._sources.items():
            values[channel] = (self.number(file) + offset) * factor
        return self.reading(**values)

    def _source(self, channel: str, files: set[str]) -> tuple[str, float, float]:
        """File, offset and factor of a channel."""
        name, shared, _, factor = stem(channel)
        if f"{name}_input" in files:
            return f"{name}_input", 0.0, factor
        if f"{name}_raw" not in files:
            there = sorted({file.rpartition("_")[0] for file in files if file.endswith(("_input", "_raw"))})
            raise WrongChip(f"{self.path} has no {name} for the channel {channel}; it has {', '.join(there) or 'none'}")
        offset, scale = (
            next((self.number(file) for file in (f"{name}_{what}", f"{shared}_{what}") if file in files), neutral)
            for what, neutral in (("offset", 0.0), ("scale", 1.0))
        )
        return f"{name}_raw", offset, scale * factor


class SimIIO(SimChosen):
    """A device of the kernel's: processed values for what its weather drivers process, raw counts for the rest."""

    defaults: ClassVar[Mapping[str, float]] = {"temperature": 21.0, "humidity": 45.0, "pressure": 1013.25}
    node = "iio:device0"

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self._files: dict[str, str] = {}

    def fit(self, device: SysfsDevice) -> None:
        super().fit(device)
        self._files = {f"{self.place}/{file}": channel for channel in self.chosen for file in self._files_of(channel)}

    def _files_of(self, channel: str) -> list[str]:
        name, shared, _, _ = stem(channel)
        return (
            [f"{name}_input"]
            if _quantity(channel) not in _COUNT
            else [f"{name}_raw", f"{shared}_scale", f"{shared}_offset"]
        )

    def paths(self) -> list[str]:
        return [*self._files, f"{self.place}/name"]

    def text(self, path: str) -> str:
        if path.endswith("/name"):
            return self.label
        channel = self._files[path]
        value = self.shown(channel)
        quantity = _quantity(channel)
        if path.endswith("_offset"):
            return "-1000"
        if path.endswith("_scale"):
            return f"{_COUNT[quantity]:.9f}"
        if path.endswith("_raw"):
            return str(round(_in_kernel_units(quantity, value) / _COUNT[quantity]) + 1000)
        exact = _in_kernel_units(quantity, value)
        return str(round(exact)) if quantity in ("temperature", "humidity") else f"{exact:.9f}"


_COUNT = {
    # what one raw count is worth, in the units of the ABI
    "voltage": 0.125, "current": 0.1, "power": 1.0, "acceleration": 0.000598, "rotation": 0.001064,
    "magnetic": 0.0015, "resistance": 0.5,
}  # fmt: skip


def _quantity(channel: str) -> str:
    return channel.partition("_")[0].rstrip("0123456789")


def _in_kernel_units(quantity: str, value: float) -> float:
    # written from the ABI on purpose, not by turning the driver's table round
    if quantity in ("temperature", "humidity", "voltage", "current", "power"):
        return value * 1000
    if quantity == "pressure":
        return value / 10
    if quantity == "rotation":
        return math.radians(value)
    if quantity == "magnetic":
        return value / 100
    if quantity == "distance":
        return value / 1000
    return value / 10_000 if quantity == "concentration" else value


DRIVER, SIM = IIO, SimIIO
