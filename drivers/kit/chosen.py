"""Parts of the kernel's of which configuration names the channels: what its IIO and hwmon drivers have in common."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from drivers.errors import OutOfRange
from drivers.options import words_in
from drivers.sim import World
from drivers.simulation.sysfs import SimFiles
from drivers.wires.sysfs import SysfsDevice, Tree


class ChosenChannels(SysfsDevice):
    """`channels` is a text of the kernel's own names: `temp1 in0`. `chosen` are those, each once."""

    def __init__(self, tree: Tree, id: str | None = None, *, channels: str) -> None:
        super().__init__(tree, id)
        self.chosen = tuple(dict.fromkeys(words_in(channels)))
        if not self.chosen:
            raise OutOfRange("channels names nothing to read")
        for channel in self.chosen:
            self.unit_of(channel)

    @classmethod
    @abstractmethod
    def unit_of(cls, channel: str) -> str:
        """Our unit of a channel. Raises `OutOfRange` for a name that the kernel does not give."""

    @classmethod
    def channels_of(cls, options: Mapping[str, Any]) -> Mapping[str, str]:
        try:
            return {name: cls.unit_of(name) for name in words_in(str(options.get("channels", "")))} or cls.channels
        except OutOfRange:
            return cls.channels

    def is_it(self, name: str) -> bool:
        return True


class SimChosen(SimFiles):
    """The part that has just the channels which its device reads."""

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.chosen: tuple[str, ...] = ()

    def fit(self, device: SysfsDevice) -> None:
        super().fit(device)
        assert isinstance(device, ChosenChannels)
        self.chosen = device.chosen

    def shown(self, channel: str) -> float:
        """What the world says; nothing is nothing."""
        return self.signal(channel, self.defaults.get(channel, 0.0))
