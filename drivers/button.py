"""A push-button on a pin: pressed, click, double click, long press.

Wired between the pin and ground with `pull: up` (the usual way), or between the pin and 3.3 V with `pull: down`;
`active` names the level that means pressed for one that drives the pin itself (a touch sensor).

    pressed     true while it is held down
    click       it was released; with `double`, and no second press began within that time after the release
    double      a second press began within `double` after the release of the first; told at that press
    long        true while it is held down for longer than `long`; its falling edge is the release after a long press

`click` and `double` stay true until the next press takes them back. A long press is no click, nor is the release of
the second press of a double one. `double` and `long` are channels only where the option of that name is given. What
waits (a click for `double`, a long press for `long`) is told that time and `debounce` later, and carries the time of
the release, or that at which the press became long.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from drivers.base import Decoder, PinDevice, Reading, Seconds
from drivers.kit.decoders import Clicks
from drivers.kit.inputs import Active, Listening, SimLevels, level_of, require_time
from drivers.sim import SimPins
from drivers.wires.wire import Pins, Pull


class Button(Listening, PinDevice):
    """A push-button on one input pin."""

    channels: ClassVar[Mapping[str, str]] = {"pressed": "bool", "click": "event", "double": "event", "long": "bool"}

    def __init__(
        self,
        pins: Pins,
        pin: int,
        *,
        pull: Pull = "up",
        active: Active | None = None,
        double: Seconds | None = None,
        long: Seconds | None = None,
    ) -> None:
        super().__init__(pins, pin)
        require_time(double=double, long=long)
        self.pull = pull
        self.double = double
        self.long = long
        self.pressed_level = level_of("pressed", pull, active, pulled=False)

    @classmethod
    def channels_of(cls, options: Mapping[str, Any]) -> Mapping[str, str]:
        absent = {name for name in ("double", "long") if options.get(name) is None}
        return {name: unit for name, unit in cls.channels.items() if name not in absent}

    def read(self) -> Reading:
        """Whether it is pressed now; clicks and long presses are told when they happen."""
        there = self.channels_of({"double": self.double, "long": self.long})
        return self.reading(**(dict.fromkeys(there, False) | {"pressed": self.levels()["pin"] == self.pressed_level}))

    def decoder(self, settle: float) -> Decoder:
        return Clicks(settle, on=self.pressed_level, double=self.double, long=self.long)


class SimButton(SimLevels):
    """Is held down while the signal `<name>.pressed` is true."""

    def wire(self, pins: SimPins, device: Button) -> None:
        self.show(pins, "pressed", device.pin, on=device.pressed_level)


DRIVER, SIM = Button, SimButton
