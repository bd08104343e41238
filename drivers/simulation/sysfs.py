"""The simulated end of the kernel's tree: a part as its files show it; see `drivers.wires.sysfs`."""

import errno
from abc import abstractmethod
from collections.abc import Callable

from drivers.sim import World
from drivers.simulation.line import SimEnd, SimLine
from drivers.wires.sysfs import SysfsDevice, translated


class SimFiles(SimEnd):
    """A simulated part of sysfs: its files, written the way the kernel's driver writes them.

    node, label  its folder's name and what it calls itself, where the configuration's `id` does not say so
    """

    node: str
    label = ""

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.place = ""

    def fit(self, device: SysfsDevice) -> None:
        given = device.id or self.node
        if not given.startswith(device.prefix):
            given, self.label = self.node, given
        self.place = f"{device.folder}/{given}"

    @abstractmethod
    def paths(self) -> list[str]:
        """Every file that it has."""

    @abstractmethod
    def text(self, path: str) -> str:
        """What a file says now. Raises `translated(path, errno)` where the kernel's driver would fail."""

    def takes(self, path: str) -> float:
        """Seconds that reading this file blocks."""
        return 0.0

    def absent(self, path: str) -> str:
        """What reading a file gives while the part is unplugged."""
        raise translated(path, errno.ENODEV)

    def line(self, *, wait: Callable[[float], None] | None = None) -> "SimTree":
        return SimTree(self, wait=wait)


class SimTree(SimLine[SimFiles]):
    """A tree with one part in it, with the contract of `Tree`."""

    wire = "sysfs"

    def read(self, path: str) -> str:
        with self.exchange(path):
            if path not in self.part.paths():
                raise translated(path, errno.ENOENT)
            if not self.plugged:
                return self.part.absent(path)
            if self.faults.silent:
                self.faults.wait_in_vain()
                raise translated(path, errno.ETIMEDOUT)
            self.wait(self.part.takes(path))
            return self.part.text(path).strip()

    def names(self, folder: str) -> list[str]:
        with self.exchange(folder):
            inside = {path.removeprefix(f"{folder}/") for path in self.part.paths() if path.startswith(f"{folder}/")}
            return sorted({path.partition("/")[0] for path in inside})
