"""What the kernel tells about this machine's I2C adapters, without touching a bus."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

SYSFS: Final = "sys/bus/i2c/devices"
SLOWEST_STRETCH: Final = 10_000
"""At this clock (Hz) a chip that stretches is done before a controller that cannot wait goes on."""

_DISPLAYS: Final = ("ddc", "hdmi", "aux", "gmbus", "amdgpu", "nvidia", "radeon", "displayport")


@dataclass(frozen=True, slots=True)
class Adapter:
    """One bus of the kernel's.

    name    `i2c-1`
    title   what its driver calls it: `bcm2835 (i2c@7e804000)`; empty where that is not known
    clock   Hz, where the device tree says it
    belongs whose wires these are, if not everybody's: a display's, or the mainboard's own with its memory modules
    """

    name: str
    title: str = ""
    clock: int | None = None
    belongs: Literal["display", "mainboard"] | None = None

    @property
    def stretches(self) -> bool:
        """Whether it waits rightly for a chip that holds the clock.

        The controller of the Raspberry Pi 1 to 4 and Zero looks at the clock at fixed moments only, and may send a
        pulse too short for a chip (raspberrypi/linux #254, #4884). The Raspberry Pi 5 has another one.
        """
        return not self.title.startswith("bcm2835")


def adapters(root: Path = Path("/")) -> list[Adapter]:
    """Every bus with a device node, in the order of their numbers. `root` is what stands for `/`."""
    names = [path.name for path in (root / "dev").glob("i2c-*") if path.name[4:].isdigit()]
    return [adapter(name, root) for name in sorted(names, key=lambda name: int(name[4:]))]


def adapter(name: str, root: Path = Path("/")) -> Adapter:
    """What is known of the bus of this name."""
    folder = root / SYSFS / name
    title = _bytes(folder / "name").decode(errors="replace").strip("\0\n ")
    clock = _bytes(folder / "of_node" / "clock-frequency")
    compatible = _bytes(folder / "of_node" / "compatible").decode(errors="replace")
    return Adapter(
        name,
        title,
        # a cell of the device tree: 32 bits, high byte first
        clock=int.from_bytes(clock, "big") if len(clock) == 4 else None,
        belongs=_owner(title.lower(), compatible.lower()),
    )


def _owner(title: str, compatible: str) -> Literal["display", "mainboard"] | None:
    if any(word in f"{title} {compatible}" for word in _DISPLAYS):
        return "display"
    return "mainboard" if title.startswith("smbus") else None


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
