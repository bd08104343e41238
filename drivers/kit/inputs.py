"""What the parts that only show levels on pins have in common: opening, reading and watching them."""

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Literal

from drivers.base import PartOnPins, Push, Seconds
from drivers.errors import BadPin, NotStarted, OutOfRange
from drivers.sim import SimPart, SimPins
from drivers.wires.wire import Emit, InputPin, Pull

Active = Literal["high", "low"]


class Listening(PartOnPins, Push):
    """Base of a part whose pins are all inputs with the same pull; reports every raw edge, chatter included."""

    pull: Pull
    _inputs: Mapping[str, InputPin] = MappingProxyType({})

    def start(self) -> None:
        if self._inputs:
            return
        opened: dict[str, InputPin] = {}
        try:
            for role, number in self.numbers.items():
                opened[role] = self.pins.input(number, pull=self.pull)
        except BaseException:
            for pin in opened.values():
                pin.close()
            raise
        self._inputs = opened

    def levels(self) -> dict[str, bool]:
        return {role: pin.level() for role, pin in self._started().items()}

    def watch(self, emit: Emit) -> None:
        for role, pin in self._started().items():
            pin.watch(partial(emit, role))

    def close(self) -> None:
        inputs, self._inputs = self._inputs, {}
        for pin in inputs.values():
            pin.close()

    def _started(self) -> Mapping[str, InputPin]:
        if not self._inputs:
            where = "+".join(map(str, self.numbers.values()))
            raise NotStarted(f"the {type(self).__name__.lower()} on GPIO{where} is not started")
        return self._inputs


def level_of(meaning: str, pull: Pull, active: Active | None, *, pulled: bool) -> bool:
    """The level with that meaning: the one named; else the one the pull decides (`pulled`), or the other.

    Raises `BadPin` where neither says it.
    """
    if active is not None:
        return active == "high"
    if pull == "none":
        raise BadPin(f"without a pull it needs `active: high` or `active: low`: the level that means {meaning}")
    return (pull == "up") == pulled


def require_time(**options: Seconds | None) -> None:
    """Raise `OutOfRange` for a duration of 0 where 0 makes no sense."""
    for name, seconds in options.items():
        if seconds is not None and seconds <= 0:
            raise OutOfRange(f"{name} must be longer than 0s; leave it out where it is not wanted")


class SimLevels(SimPart):
    """Base of a simulated part that shows a signal as a level."""

    def show(self, pins: SimPins, channel: str, number: int, *, on: bool) -> None:
        """Let the pin have the level `on` while the signal `<name>.<channel>` is true; false where nobody set it."""
        signal = f"{self.name}.{channel}"

        def move() -> None:
            pins.drive(number, on == bool(self.world.sample(signal, default=False)))

        self.world.follow(signal, move)
        move()
