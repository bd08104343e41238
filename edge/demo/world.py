"""The simulated greenhouse: what there is to measure, as functions of time. A day is compressed here and nowhere
else; the runtime that looks at it lives in real time.

The day begins at midnight with frost, is hot in the early afternoon, and has somebody who leaves the door open.
"""

from __future__ import annotations

import math
from random import Random

from drivers import World
from drivers.simulation.signals import Signal, noise

HOURS = 24.0
DOOR = ((7.0, 7.3), (14.0, 17.0), (20.0, 20.2))  # hours at which it is open; the second time is too long
_SEED = 1883


class Greenhouse:
    """A world in which `day` seconds of `world.now` are a day, from `begin` on."""

    def __init__(self, world: World, *, begin: float, day: float) -> None:
        self.world = world
        self._begin = begin
        self._day = day
        dice = Random(_SEED)
        world["climate.temperature"] = noise(self._swing(17.0, 18.0, peak=15.0), 0.05, dice)
        world["climate.humidity"] = noise(self._swing(60.0, 20.0, peak=3.0), 0.3, dice)
        world["climate.pressure"] = self._swing(1013.0, 4.0, peak=10.0)
        world["door.open"] = self._door
        world["pump.rms"] = noise(self._swing(3.2, 2.2, peak=0.0, a_day=8), 0.3, dice)

    def hour(self) -> float:
        """The greenhouse's own time of day."""
        return self._hour(self.world.now())

    def rest(self) -> None:
        """From now on nothing happens: mild, the door closed, the pump smooth."""
        self.world["climate.temperature"] = 20.0
        self.world["door.open"] = False
        self.world["pump.rms"] = 1.0

    def _hour(self, now: float) -> float:
        return (now - self._begin) / self._day % 1.0 * HOURS

    def _swing(self, mean: float, amplitude: float, *, peak: float, a_day: int = 1) -> Signal:
        def at(now: float) -> float:
            return mean + amplitude * math.cos(2 * math.pi * a_day * (self._hour(now) - peak) / HOURS)

        return at

    def _door(self, now: float) -> bool:
        hour = self._hour(now)
        return any(opened <= hour < closed for opened, closed in DOOR)


def clock_face(hour: float) -> str:
    """`14:30`."""
    return f"{int(hour):02d}:{int(hour * 60) % 60:02d}"
