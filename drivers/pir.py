"""A motion detector with a switched output: PIR modules (HC-SR501, AM312, HC-SR505), radar modules (RCWL-0516).

Such a module drives its output high for as long as it sees motion and some seconds more, which a screw on it sets.
After power-on it needs some time - a minute is the usual advice for an HC-SR501 - and gives false alarms until then.
So that a gateway which boots together with its sensors does not tell them, nothing is told within `warm_up`: `motion`
is false, and becomes true at the end of it where the output is high then. The time counts from the start of the
runtime, not of the module: `warm_up: 0s` where the module has its own supply and is warm.

`hold` keeps `motion` true until nothing was seen for that long, so that short pauses are no new motion.
"""

from collections.abc import Mapping
from typing import ClassVar

from drivers.base import Decoder, PinDevice, Pins, Pull, Reading, Seconds
from drivers.decoders import LevelDecoder
from drivers.inputs import Active, Listening, SimLevels
from drivers.sim import SimPins

NONE, MINUTE = Seconds(0.0), Seconds(60.0)


class PIR(Listening, PinDevice):
    """A motion detector on one input pin."""

    channels: ClassVar[Mapping[str, str]] = {"motion": "bool"}

    def __init__(
        self,
        pins: Pins,
        pin: int,
        *,
        pull: Pull = "down",
        active: Active = "high",
        warm_up: Seconds = MINUTE,
        hold: Seconds = NONE,
    ) -> None:
        super().__init__(pins, pin)
        self.pull = pull
        self.motion_level = active == "high"
        self.warm_up = warm_up
        self.hold = hold

    def read(self) -> Reading:
        """What its output says now, warm or not."""
        return self.reading(motion=self.levels()["pin"] == self.motion_level)

    def decoder(self, settle: float) -> Decoder:
        return Motion(settle, on=self.motion_level, warm_up=self.warm_up, hold=self.hold)


class Motion(LevelDecoder):
    """Motion from the settled output. The timer is the end of the warm-up, later the end of `hold`."""

    def __init__(self, settle: float, *, on: bool, warm_up: float, hold: float) -> None:
        super().__init__(settle, on=on)
        self._warm_up = warm_up
        self._hold = hold
        self._warming = warm_up > 0
        self._seen = False
        self._motion = False

    def began(self, is_on: bool, at: float) -> Reading:
        self._seen = is_on
        self._motion = is_on and not self._warming
        if self._warming:
            self.timer = at + self._warm_up
        return Reading({"motion": self._motion})

    def changed(self, is_on: bool, at: float) -> None:
        self._seen = is_on
        if self._warming:
            return
        if is_on or not self._hold:
            self._become(is_on, at)
        else:
            self.timer = at + self._hold

    def rang(self, at: float) -> None:
        self._warming = False
        self._become(self._seen, at)

    def _become(self, motion: bool, at: float) -> None:
        if motion != self._motion:
            self._motion = motion
            self.tell(at, motion=motion)


class SimPIR(SimLevels):
    """Drives its output while the signal `<name>.motion` is true."""

    def wire(self, pins: SimPins, device: PIR) -> None:
        self.show(pins, "motion", device.pin, on=device.motion_level)


DRIVER, SIM = PIR, SimPIR
