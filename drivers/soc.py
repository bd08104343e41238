"""The gateway's own board: temperature of the processor, and whether a Raspberry Pi is throttled or short of voltage.

The temperature is the thermal zone of the processor; the flags are the firmware's word in the file `get_throttled`,
whose bits and place were read in raspberrypi/linux issue 2367 and pull request 2397 (bit 3, the soft temperature limit
of later boards, in reports of users). Newer kernels call the file deprecated and still have it; where it is missing,
`flags: false` leaves the temperature.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from drivers.base import Reading, Seconds
from drivers.errors import BadData, BusUnavailable
from drivers.simulation.sysfs import SimFiles
from drivers.wires.sysfs import SysfsDevice, Tree

PLATFORM = "/sys/devices/platform"
BITS: Mapping[str, int] = {
    "undervoltage": 0,
    "frequency_capped": 1,
    "throttled": 2,
    "soft_limit": 3,
    "undervoltage_seen": 16,
    "throttled_seen": 18,
}
"""Flag -> bit; those that end in `_seen` stay set until the next boot."""


class SoC(SysfsDevice):
    """Two small files a reading; does not block."""

    channels: ClassVar[Mapping[str, str]] = {"temperature": "degC", **dict.fromkeys(BITS, "bool")}
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = {"temperature": (-40.0, 125.0)}
    resolution: ClassVar[Mapping[str, float]] = {"temperature": 0.001}
    every = Seconds(10.0)
    tree_name = "soc"
    folder = "/sys/class/thermal"
    prefix = ("thermal_zone",)
    labels = ("type",)
    advice = "this machine shows no temperature of its processor"

    def __init__(self, tree: Tree, id: str | None = None, *, flags: bool = True) -> None:
        super().__init__(tree, id)
        self.flags = flags

    @classmethod
    def channels_of(cls, options: Mapping[str, Any]) -> Mapping[str, str]:
        return cls.channels if options.get("flags", True) else {"temperature": "degC"}

    def is_it(self, name: str) -> bool:
        return any("cpu" in told or "soc" in told for told in self.called(name))

    def read(self) -> Reading:
        temperature = self.number("temp") / 1000
        if not self.flags:
            return self.reading(temperature=temperature)
        word = self._word()
        return self.reading(temperature=temperature, **{flag: bool(word >> bit & 1) for flag, bit in BITS.items()})

    def _word(self) -> int:
        file = self._firmware_file()
        text = self.tree.read(file)
        try:
            return int(text, 16)
        except ValueError as error:
            raise BadData(f"{file} holds {text[:40]!r}, which is no hexadecimal number") from error

    def _firmware_file(self) -> str:
        # the folder is called after the device tree's node, whose name differs between boards: soc, soc@107c000000
        for soc in self.tree.names(PLATFORM):
            for node in self.tree.names(f"{PLATFORM}/{soc}") if soc.startswith("soc") else ():
                if node.endswith("firmware") and "get_throttled" in self.tree.names(f"{PLATFORM}/{soc}/{node}"):
                    return f"{PLATFORM}/{soc}/{node}/get_throttled"
        raise BusUnavailable(
            f"{PLATFORM} has no get_throttled of a Raspberry Pi's firmware: write `flags: false` to read the"
            " temperature alone"
        )


class SimSoC(SimFiles):
    """A Raspberry Pi: one thermal zone, and the firmware's word, whose upper half remembers the lower one."""

    defaults: ClassVar[Mapping[str, float]] = {"temperature": 48.0}
    node, label = "thermal_zone0", "cpu-thermal"
    word = f"{PLATFORM}/soc/soc:firmware/get_throttled"
    remembered = 0

    def paths(self) -> list[str]:
        return [f"{self.place}/temp", f"{self.place}/type", self.word]

    def text(self, path: str) -> str:
        if path.endswith("/type"):
            return self.label
        if path.endswith("/temp"):
            return str(round(self.signal("temperature") * 1000))
        now = 0
        for position, flag in enumerate(("undervoltage", "frequency_capped", "throttled", "soft_limit")):
            now |= bool(self.signal(flag, False)) << position
        self.remembered |= now
        return f"{self.remembered << 16 | now:x}"


DRIVER, SIM = SoC, SimSoC
