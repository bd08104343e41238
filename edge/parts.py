"""What the runtime's threads do: each a part whose `turn` does what is due and says when it wants to come again.

The same turns run on threads in production (`block=True`: wait for a wake-up or the deadline) and one after the
other in tests (`block=False`).
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from edge.clock import Clock
from edge.links.link import Link

_LONGEST = 1.0  # seconds a thread sleeps at most: it must notice that the runtime stops, whatever it waits for


class Part(Protocol):
    """One thread's work. `wake` ends a waiting `turn` early; any thread."""

    name: str
    start: Callable[[], None]
    """Called once, by the part's own thread, before the first turn."""

    def turn(self, *, block: bool) -> float:
        """Do what is due; the seconds until it wants to come again, infinity without a deadline."""
        ...

    def wake(self) -> None: ...


class LinkPart:
    """A broker link and what lives on it: steps that are taken before the link's own, in seconds until the next."""

    def __init__(self, name: str, link: Link, steps: Sequence[Callable[[], float | None]]) -> None:
        self.name = name
        self.link = link
        self.start: Callable[[], None] = lambda: None
        self._steps = steps

    def turn(self, *, block: bool) -> float:
        due = math.inf
        for step in self._steps:
            seconds = step()
            if seconds is not None and seconds < due:
                due = seconds
        self.link.step(min(due, _LONGEST) if block else 0.0)
        return due

    def wake(self) -> None:
        self.link.wake()


class WirePart:
    """The devices on one wire: steps that say the monotonic time of their next deadline."""

    def __init__(self, name: str, clock: Clock) -> None:
        self.name = name
        self.start: Callable[[], None] = lambda: None
        self.steps: Sequence[Callable[[], float | None]] = ()
        self._clock = clock
        self._stirred = threading.Event()

    def turn(self, *, block: bool) -> float:
        self._stirred.clear()
        due = min((until(self._clock, step()) for step in self.steps), default=math.inf)
        if block:
            self._stirred.wait(min(due, _LONGEST))
        return due

    def wake(self) -> None:
        self._stirred.set()


def until(clock: Clock, deadline: float | None) -> float:
    """Seconds until a monotonic deadline; infinity without one."""
    return math.inf if deadline is None else max(0.0, deadline - clock.monotonic())
