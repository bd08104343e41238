"""A rotary encoder with quadrature outputs, and its push-button if it has one: EC11, KY-040, optical ones.

Two contacts, a and b, open and close a quarter of a period apart; which goes first is the direction. Clockwise is where
a closes before b: swap the two pins where it counts the other way round. Every level counts, without debouncing: a
contact that chatters goes there and back, and the sum is right if it is quiet before the other one moves. Wired
between each pin and ground with `pull: up`; `pull: none` for modules with resistors of their own (KY-040).

    position    detents since the start, clockwise positive, within `min_value` and `max_value` where they are given
    turned      1 or -1, the last detent; nothing is told of one beyond `min_value` or `max_value`
    pressed, click, double, long    of the button, as `drivers.button` says; only with the pin `button`

`steps_per_detent` is how many of the four steps of a period lie between two detents: 4 for most knobs, 2 for some, 1
counts every step. A detent is told when the contacts come to rest at it (both open; with 2 also both closed), so a
step that was lost does not shift those that follow. An edge that repeats a level, or a look that finds both contacts
changed, is a step of unknown direction: counted as a missed edge, never as a movement.
"""

from collections import deque
from collections.abc import Mapping
from typing import Any, ClassVar, Final, Literal

from drivers.base import Decoder, Pins, Pull, Reading, Seconds
from drivers.decoders import Clicks
from drivers.errors import OutOfRange
from drivers.inputs import Listening, SimLevels, require_time
from drivers.sim import SimPins

ORDER: Final = (0b00, 0b10, 0b11, 0b01)
"""Which contacts are closed (a is the high bit), turning clockwise from rest."""

STEPS: Final[Mapping[tuple[int, int], int | None]] = {
    (old, new): {0: 0, 1: 1, 2: None, 3: -1}[(ORDER.index(new) - ORDER.index(old)) % 4]
    for old in ORDER
    for new in ORDER
}
"""(before, after) -> steps clockwise; None where both contacts changed at once, which says nothing of the direction."""

STEP_TIME: Final = 0.005
"""Seconds between two steps of the simulated knob: a brisk turn."""


class Rotary(Listening):
    """A rotary encoder on two input pins, or on three with its button."""

    channels: ClassVar[Mapping[str, str]] = {
        "position": "steps",
        "turned": "steps",
        "pressed": "bool",
        "click": "event",
        "double": "event",
        "long": "bool",
    }
    roles = ("a", "b")
    optional_roles = ("button",)
    settled = ("button",)

    def __init__(
        self,
        pins: Pins,
        numbers: Mapping[str, int],
        *,
        pull: Pull = "up",
        steps_per_detent: Literal[1, 2, 4] = 4,
        min_value: int | None = None,
        max_value: int | None = None,
        double: Seconds | None = None,
        long: Seconds | None = None,
    ) -> None:
        super().__init__(pins, numbers)
        if min_value is not None and max_value is not None and min_value > max_value:
            raise OutOfRange(f"min_value {min_value} is above max_value {max_value}")
        require_time(double=double, long=long)
        self.pull = pull
        self.closed_level = pull == "down"
        self.steps_per_detent = steps_per_detent
        self.min_value = min_value
        self.max_value = max_value
        self.double = double
        self.long = long
        self._turns: Turns | None = None

    @classmethod
    def channels_of(cls, options: Mapping[str, Any]) -> Mapping[str, str]:
        absent = {name for name in ("double", "long") if options.get(name) is None}
        if "button" not in (options.get("pins") or {}):
            absent |= {"pressed", "click", "double", "long"}
        return {name: unit for name, unit in cls.channels.items() if name not in absent}

    def read(self) -> Reading:
        """The position as its decoder has it, 0 before there is one; `turned` is 0: it is told when it happens."""
        options = {"pins": self.numbers, "double": self.double, "long": self.long}
        values: dict[str, float | bool] = dict.fromkeys(self.channels_of(options), False)
        values |= {"position": 0 if self._turns is None else self._turns.position, "turned": 0}
        levels = self.levels()
        if "button" in levels:
            values["pressed"] = levels["button"] == self.closed_level
        return self.reading(**values)

    def decoder(self, settle: float) -> Decoder:
        """Only the button's levels need to settle."""
        self._turns = Turns(
            closed=self.closed_level, per_detent=self.steps_per_detent, low=self.min_value, high=self.max_value
        )
        if "button" not in self.numbers:
            return self._turns
        clicks = Clicks(settle, role="button", on=self.closed_level, double=self.double, long=self.long)
        return Knob(self._turns, clicks)


class Turns:
    """Position and direction from the two contacts; see `drivers.base.Decoder`."""

    def __init__(self, *, closed: bool, per_detent: int = 4, low: int | None = None, high: int | None = None) -> None:
        """`closed` is the level of a closed contact."""
        self.missed = 0
        self.position = max(0, low) if low is not None else 0
        self.position = min(self.position, high) if high is not None else self.position
        self._closed = closed
        self._per_detent = per_detent
        self._low = low
        self._high = high
        self._state = 0b00
        self._steps = 0  # since the last rest
        self._told: deque[tuple[Reading, float]] = deque()

    def begin(self, levels: Mapping[str, bool], at: float) -> Reading:
        self._state = self._seen(levels)
        return Reading({"position": self.position})

    def edge(self, role: str, level: bool, at: float) -> None:
        bit = {"a": 0b10, "b": 0b01}.get(role)
        if bit is None:
            return
        state = self._state | bit if level == self._closed else self._state & ~bit
        if state == self._state:
            self.missed += 1
        else:
            self._move(state, at)

    def look(self, levels: Mapping[str, bool], at: float) -> None:
        state = self._seen(levels)
        if state != self._state:
            self.missed += 1
            self._move(state, at)

    def due(self, now: float) -> tuple[Reading, float] | None:
        return self._told.popleft() if self._told else None

    @property
    def deadline(self) -> float | None:
        return self._told[0][1] if self._told else None

    def _seen(self, levels: Mapping[str, bool]) -> int:
        return (levels["a"] == self._closed) << 1 | (levels["b"] == self._closed)

    def _move(self, state: int, at: float) -> None:
        self._steps += STEPS[self._state, state] or 0
        self._state = state
        if ORDER.index(state) % self._per_detent:
            return
        # what is left of a detent in which steps were lost: half of it counts
        detents = (abs(self._steps) + self._per_detent // 2) // self._per_detent
        turned = 1 if self._steps > 0 else -1
        self._steps = 0
        for _ in range(detents):
            self._turn(turned, at)

    def _turn(self, turned: int, at: float) -> None:
        position = self.position + turned
        if (self._low is None or position >= self._low) and (self._high is None or position <= self._high):
            self.position = position
            self._told.append((Reading({"position": position, "turned": turned}), at))


class Knob:
    """A knob that can be turned and pressed: two decoders side by side; see `drivers.base.Decoder`."""

    def __init__(self, turns: Turns, clicks: Clicks) -> None:
        self._both: tuple[Decoder, Decoder] = turns, clicks

    @property
    def missed(self) -> int:
        return sum(one.missed for one in self._both)

    def begin(self, levels: Mapping[str, bool], at: float) -> Reading:
        turns, clicks = (one.begin(levels, at).values for one in self._both)
        return Reading({**turns, **clicks})

    def edge(self, role: str, level: bool, at: float) -> None:
        for one in self._both:
            one.edge(role, level, at)

    def look(self, levels: Mapping[str, bool], at: float) -> None:
        for one in self._both:
            one.look(levels, at)

    def due(self, now: float) -> tuple[Reading, float] | None:
        turns, clicks = self._both
        return turns.due(now) or clicks.due(now)

    @property
    def deadline(self) -> float | None:
        return min((one.deadline for one in self._both if one.deadline is not None), default=None)


class SimRotary(SimLevels):
    """Its knob follows the signal `<name>.position` (detents), step by step; its button `<name>.pressed`."""

    _at = 0
    _turning = False

    def wire(self, pins: SimPins, device: Rotary) -> None:
        signal = f"{self.name}.position"

        def goal() -> int:
            return round(float(self.world.sample(signal, default=0))) * device.steps_per_detent

        def show() -> None:
            # a disc with two slots, the one for b a quarter of a period behind
            a, b = ((False, False), (True, False), (True, True), (False, True))[self._at % 4]
            pins.drive(device.numbers["a"], a == device.closed_level)
            pins.drive(device.numbers["b"], b == device.closed_level)

        def step() -> None:
            self._turning = self._at != goal()
            if self._turning:
                self._at += 1 if goal() > self._at else -1
                show()
                self.world.later(self.world.now() + STEP_TIME, step)

        def look() -> None:
            if not self._turning:
                step()

        self._at = goal()  # where it stands when the power comes on is no movement
        show()
        self.world.follow(signal, look)
        if "button" in device.numbers:
            self.show(pins, "pressed", device.numbers["button"], on=device.closed_level)


DRIVER, SIM = Rotary, SimRotary
