"""What edges mean: settle a chattering contact, and what follows from its settled levels after some time.

Everything here is a function of the edges and their times (`drivers.base.Decoder`): no clock, no thread, no library.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from drivers.base import Reading


@dataclass(frozen=True, slots=True)
class Change:
    """A level that counted; `at` is when it began to hold."""

    level: bool
    at: float


class Debounce:
    """Settle a chattering contact: a level counts when it has held for `settle` seconds.

    Pure: edges come in with their times, `due(now)` says what has settled since, `deadline` says when to ask next.
    The changes do not depend on when or how often `due` is called, as long as the edges up to `now` were handed in
    before. Not thread-safe: one owner.
    """

    def __init__(self, settle: float, level: bool | None = None) -> None:
        """`level` is what counts at the start; None lets the first settled level be a change."""
        self.settle = settle
        self.level = level
        self._pending: Change | None = None
        self._settled: deque[Change] = deque()

    def edge(self, level: bool, at: float) -> None:
        """The raw level became `level` at the time `at`; a time before the last edge's counts as that edge's."""
        if self._pending is not None:
            at = max(at, self._pending.at)
            if level == self._pending.level:
                return  # an edge in between was missed; the level itself did not change
            self._promote(at)
        self._pending = Change(level, at)

    def due(self, now: float) -> Change | None:
        """The oldest change that has settled by `now` and was not given yet; call until None."""
        self._promote(now)
        return self._settled.popleft() if self._settled else None

    @property
    def deadline(self) -> float | None:
        """When `due` has something to give if no edge comes; None while everything is settled."""
        if self._settled:
            return self._settled[0].at + self.settle
        if self._pending is None or self._pending.level == self.level:
            return None
        return self._pending.at + self.settle

    def _promote(self, now: float) -> None:
        change = self._pending
        # the same sum as `deadline`: now - at >= settle could differ by a rounding and never come true at the deadline
        if change is not None and change.level != self.level and now >= change.at + self.settle:
            self.level = change.level
            self._settled.append(change)


class LevelDecoder(ABC):
    """Base of a decoder of one pin's settled levels with one timer; see `drivers.base.Decoder`.

    `timer` is a time of the part's own ("it is a long press by then"): `rang` is called for it when no change began
    until then. That is certain only `settle` seconds later, and the readings come so much later, with their own times.
    """

    def __init__(self, settle: float, *, role: str = "pin", on: bool = True) -> None:
        """`on` is the electrical level that means True."""
        self.missed = 0
        self.timer: float | None = None
        self._settle = settle
        self._role = role
        self._on = on
        self._raw = on
        self._settling = Debounce(settle)
        self._told: deque[tuple[Reading, float]] = deque()

    @abstractmethod
    def began(self, is_on: bool, at: float) -> Reading:
        """What the part shows at the start."""

    @abstractmethod
    def changed(self, is_on: bool, at: float) -> None:
        """The level settled; it began at `at`."""

    def rang(self, at: float) -> None:
        """The timer, which is no longer set."""
        return

    def tell(self, at: float, **values: float | bool) -> None:
        """A change that `due` is to give."""
        self._told.append((Reading(values), at))

    def begin(self, levels: Mapping[str, bool], at: float) -> Reading:
        self._raw = levels[self._role]
        self._settling = Debounce(self._settle, self._raw == self._on)
        return self.began(self._raw == self._on, at)

    def edge(self, role: str, level: bool, at: float) -> None:
        if role == self._role:
            self._raw = level
            self._settling.edge(level == self._on, at)

    def look(self, levels: Mapping[str, bool], at: float) -> None:
        if levels[self._role] != self._raw:
            self.missed += 1
            self.edge(self._role, levels[self._role], at)

    def due(self, now: float) -> tuple[Reading, float] | None:
        while (change := self._settling.due(now)) is not None:
            while self.timer is not None and self.timer < change.at:
                self._ring()
            self.changed(change.level, change.at)
        # every change that began up to the timer has settled by then
        while self.timer is not None and now >= self.timer + self._settle:
            self._ring()
        return self._told.popleft() if self._told else None

    @property
    def deadline(self) -> float | None:
        if self._told:
            return self._told[0][1]
        timer = None if self.timer is None else self.timer + self._settle
        return min((time for time in (timer, self._settling.deadline) if time is not None), default=None)

    def _ring(self) -> None:
        at, self.timer = self.timer, None
        assert at is not None
        self.rang(at)


class Levels(LevelDecoder):
    """One channel that is true while the pin has the level `on`."""

    def __init__(self, channel: str, settle: float, *, on: bool) -> None:
        super().__init__(settle, on=on)
        self._channel = channel

    def began(self, is_on: bool, at: float) -> Reading:
        return Reading({self._channel: is_on})

    def changed(self, is_on: bool, at: float) -> None:
        self.tell(at, **{self._channel: is_on})


class Clicks(LevelDecoder):
    """The clicks of a push-button; `drivers.button` says what they are. Without `double` or `long` that one is not
    told."""

    def __init__(
        self, settle: float, *, on: bool, role: str = "pin", double: float | None = None, long: float | None = None
    ) -> None:
        super().__init__(settle, role=role, on=on)
        self._double = double
        self._long = long
        self._pressed = False
        self._released: float | None = None  # a click that may become a double one
        self._counts = False  # whether the release will be a click
        self._shown: dict[str, bool] = {}  # what the next press takes back

    def began(self, is_on: bool, at: float) -> Reading:
        # held down since before anybody looked: how long is not known, so it is neither a click nor long
        self._pressed = is_on
        momentary = {"click": True, "double": self._double is not None, "long": self._long is not None}
        return Reading({"pressed": is_on, **{name: False for name, there in momentary.items() if there}})

    def changed(self, is_on: bool, at: float) -> None:
        self._pressed = is_on
        values: dict[str, bool] = {"pressed": is_on}
        if is_on:
            self._press(values, at)
        else:
            self._release(values, at)
        self.tell(at, **values)

    def rang(self, at: float) -> None:
        if self._pressed:
            self._shown["long"] = False
            self.tell(at, long=True)
        elif self._released is not None:
            self._shown["click"] = False
            self.tell(self._released, click=True)
            self._released = None

    def _press(self, values: dict[str, bool], at: float) -> None:
        values |= self._shown
        self._shown = {}
        self._counts = self._released is None
        if self._released is not None:
            self._released = None
            self._shown["double"] = False
            values["double"] = True
        self.timer = None if self._long is None else at + self._long

    def _release(self, values: dict[str, bool], at: float) -> None:
        self.timer = None
        if "long" in self._shown:
            values["long"] = self._shown.pop("long")
        elif self._counts and self._double is not None:
            self._released, self.timer = at, at + self._double
        elif self._counts:
            self._shown["click"] = False
            values["click"] = True
        self._counts = False
