"""The simulated world: named signals that simulated parts show and drive.

    world = World(now)
    world["greenhouse.temperature"] = 21.5

Nothing here reads a clock: time comes from the `now` given to the world.
"""

import difflib
import heapq
import itertools
import math
from collections.abc import Callable, Iterator
from contextlib import suppress

from drivers.simulation.signals import Hole, Signal, constant


class World:
    """Named signals, `<device>.<channel>`, evaluated at a time the caller gives or `now()` gives.

    Assign a number, a bool or a `Signal` (`drivers.simulation.signals`). Assigning tells the parts that follow the name
    at once, in the assigning thread; `refresh()` does so for signals that move by themselves, and does what `later()`
    was told. `began` is the time at which the world was made.
    """

    def __init__(self, now: Callable[[], float] = lambda: 0.0) -> None:
        self.now = now
        self.began = now()
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._signals: dict[str, Signal] = {}
        self._followers: dict[str, list[Callable[[], None]]] = {}

    def __setitem__(self, name: str, signal: Signal | float) -> None:
        self._signals[name] = signal if callable(signal) else constant(signal)
        self.touch(name)

    def __getitem__(self, name: str) -> float | bool:
        """The value now; a `KeyError` names the nearest signals."""
        return self.sample(name)

    def __contains__(self, name: str) -> bool:
        return name in self._signals

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._signals))

    def sample(self, name: str, *, at: float | None = None, default: float | bool | None = None) -> float | bool:
        """The value at the time `at` (default: now); `default` where nobody has set the signal."""
        signal = self._signals.get(name)
        if signal is not None:
            return signal(self.now() if at is None else at)
        if default is not None:
            return default
        near = difflib.get_close_matches(name, self._signals)
        hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise KeyError(f"the world has no signal {name!r}{hint}")

    def follow(self, name: str, follower: Callable[[], None]) -> None:
        """Call `follower()` whenever `name` is assigned and at every `refresh()`."""
        self._followers.setdefault(name, []).append(follower)

    def touch(self, name: str) -> None:
        """What `name` shows has changed without an assignment: let its followers look."""
        for follower in self._followers.get(name, ()):
            # a part that only follows keeps what it had last
            with suppress(Hole):
                follower()

    def refresh(self) -> None:
        """Do what is due and let every follower look again; call it after time has moved."""
        now = self.now()
        while self._agenda and self._agenda[0][0] <= now:
            heapq.heappop(self._agenda)[2]()
        for name in tuple(self._followers):
            self.touch(name)

    def later(self, at: float, action: Callable[[], None]) -> None:
        """Call `action()` in the first `refresh()` at or after the time `at`, in the order of the times."""
        heapq.heappush(self._agenda, (at, next(self._numbers), action))

    @property
    def deadline(self) -> float | None:
        """When `refresh()` has something to do; None while nothing is planned."""
        return self._agenda[0][0] if self._agenda else None

    def elapse(self, seconds: float, advance: Callable[[float], None]) -> None:
        """Let time pass by `advance`, and what is planned meanwhile happen at its own time.

        For who waits on the one thread that also moves the world: a bus that hangs for a second must not stretch a
        pulse on a pin to a second.
        """
        end = self.now() + seconds
        while (due := self.deadline) is not None and due <= end:
            advance(max(due - self.now(), 0.0))
            self.refresh()
        advance(max(end - self.now(), 0.0))

    def forget(self) -> None:
        """Drop what was planned with `later()`."""
        self._agenda.clear()

    def response(self, name: str, *, gain: float, seconds: float) -> Signal:
        """What the signal `name` brings about: `gain` times it, 63 % of the way within `seconds` (first order).

        `name` counts as constant between two looks; it is looked at whenever it is assigned or touched, at every
        `refresh()`, and when the response is asked. Begins at rest, as if `name` had been 0.
        """
        response = _Response(self, name, gain, seconds)
        self.follow(name, response.look)
        return response


class _Response:
    """A first-order lag behind a signal that is constant between two looks."""

    def __init__(self, world: World, name: str, gain: float, seconds: float) -> None:
        self._world = world
        self._name = name
        self._gain = gain
        self._seconds = seconds
        self._value = self._goal = 0.0
        self._at = world.now()

    def __call__(self, now: float) -> float:
        self.look()
        return self._ahead(now)

    def look(self) -> None:
        now = self._world.now()
        self._value, self._at = self._ahead(now), now
        self._goal = self._gain * float(self._world.sample(self._name, default=0.0))

    def _ahead(self, now: float) -> float:
        return self._goal + (self._value - self._goal) * math.exp(-max(now - self._at, 0.0) / self._seconds)
