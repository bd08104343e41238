"""What waits for a moment, earliest first.

Invariant: one entry a member, however often its deadline moves. A condition that flips a thousand times a second
under `for: 1h` costs one entry, put right when it reaches the top.
"""

from __future__ import annotations

from heapq import heappop, heappush, heapreplace
from typing import Generic, Protocol, TypeVar


class Timed(Protocol):
    """Something with a deadline in monotonic seconds, None while it waits for nothing.

    The deadline may move later, or away, without notice. `order` decides between equal deadlines and is unique;
    `queued` belongs to `Timers`.
    """

    deadline: float | None
    order: int
    queued: bool


T = TypeVar("T", bound=Timed)


class Timers(Generic[T]):
    """The members that wait. One owner."""

    __slots__ = ("_heap",)

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, T]] = []

    def watch(self, member: T) -> None:
        """Its deadline was set, for the first time or anew."""
        if not member.queued and member.deadline is not None:
            member.queued = True
            heappush(self._heap, (member.deadline, member.order, member))

    @property
    def deadline(self) -> float | None:
        """The earliest deadline of all; None when nobody waits."""
        heap = self._heap
        while heap:
            known, order, member = heap[0]
            deadline = member.deadline
            if deadline == known:
                return known
            if deadline is None:
                heappop(heap)
                member.queued = False
            else:
                heapreplace(heap, (deadline, order, member))
        return None

    def take(self, now: float) -> T | None:
        """The earliest member whose deadline has come, which then waits no more; None when there is none."""
        deadline = self.deadline
        if deadline is None or deadline > now:
            return None
        member = heappop(self._heap)[2]
        member.queued = False
        return member
