"""What goes wrong when: faults planned for a time, or random by a seed; what they do is said by who meets them.

Nothing here reads a clock: time comes from `now`. The same seed and the same questions give the same faults.
"""

import heapq
import itertools
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Final, Generic, Literal, TypeVar

BusKind = Literal["nack", "unplug", "wrong_chip", "reset", "stretch", "stuck", "slow", "flip", "crc", "freeze", "spike"]
LineKind = Literal["nack", "unplug", "silence", "reset", "slow", "flip", "crc", "freeze", "spike"]

TIMEOUT: Final = 1.0
"""Seconds until the kernel gives a hung bus up, or a part that it reads itself."""

LASTS: Final[Mapping[str, float]] = {
    "nack": 0.5,
    "unplug": 60.0,
    "wrong_chip": 60.0,
    "reset": 0.0,
    "stretch": 2.0,
    "stuck": 2.0,
    "silence": 10.0,
    "slow": 10.0,
    "flip": 2.0,
    "crc": 2.0,
    "freeze": 60.0,
    "spike": 5.0,
}
"""How long a fault of the weather lasts on average, seconds."""

_SIZES: Final[Mapping[str, float]] = {"slow": 0.2, "spike": 10.0}

K = TypeVar("K", bound=str)


@dataclass(frozen=True, slots=True)
class Fault(Generic[K]):
    """From `begin` until before `end`, at one address of a bus or (None) at all of it. `by` and `channel`: see the
    kinds."""

    kind: K
    address: int | None
    begin: float
    end: float
    by: float = 0.0
    channel: str | None = None


class Weather(ABC, Generic[K]):
    """The faults of one wire. As thread-safe as the wire's own lock makes it; plan before or between.

    kinds     what can happen to such a wire
    history   what has begun, oldest first (the last 10,000)
    """

    kinds: ClassVar[tuple[str, ...]]

    def __init__(self, name: str, *, now: Callable[[], float], seed: int = 0) -> None:
        self.name = name
        self.history: deque[Fault[K]] = deque(maxlen=10_000)
        self._now = now
        self._coming: list[tuple[float, int, Fault[K], Iterator[Fault[K]]]] = []
        self._numbers = itertools.count()
        self._active: list[Fault[K]] = []
        self.seed(seed)

    def seed(self, seed: int) -> None:
        """Draw anew from here on; the wire's name goes into it."""
        self.random = Random(f"{seed} {self.name}")

    def clear(self) -> None:
        """Nothing is wrong any more, and nothing is planned."""
        self._coming.clear()
        for fault in tuple(self._active):
            self._finish(fault)

    @property
    def active(self) -> list[Fault[K]]:
        """What is wrong now."""
        self._turn()
        return list(self._active)

    @abstractmethod
    def begun(self, fault: Fault[K]) -> None:
        """What happens at once when it begins."""

    @abstractmethod
    def finished(self, fault: Fault[K]) -> None:
        """What happens when it is over."""

    def _add(
        self, kind: K, address: int | None, seconds: float, after: float, by: float | None, channel: str | None
    ) -> Fault[K]:
        if kind not in self.kinds:
            raise ValueError(f"there is no fault {kind!r} here; there are {', '.join(self.kinds)}")
        begin = self._now() + after
        size = self._size(kind) if by is None else by
        fault = Fault(kind, address, begin, begin + seconds, size, channel)
        self._expect(fault, iter(()))
        return fault

    def _rain(self, source: Iterator[Fault[K]]) -> None:
        """Expect the faults of an endless source, one after the other."""
        self._expect(next(source), source)

    def _turn(self) -> None:
        """Begin and end what is due."""
        now = self._now()
        while self._coming and self._coming[0][0] <= now:
            _, _, fault, source = heapq.heappop(self._coming)
            self.history.append(fault)
            self._active.append(fault)
            self.begun(fault)
            following = next(source, None)
            if following is not None:
                self._expect(following, source)
        for fault in [fault for fault in self._active if fault.end <= now and fault.kind != "reset"]:
            self._finish(fault)

    def _finish(self, fault: Fault[K]) -> None:
        self._active.remove(fault)
        self.finished(fault)

    def _expect(self, fault: Fault[K], source: Iterator[Fault[K]]) -> None:
        heapq.heappush(self._coming, (fault.begin, next(self._numbers), fault, source))

    def _size(self, kind: str) -> float:
        return float(self.random.randrange(256)) if kind == "wrong_chip" else _SIZES.get(kind, 0.0)

    def _storm(self, kind: K, address: int | None, rate: float, lasts: float, random: Random) -> Iterator[Fault[K]]:
        """`rate` times an hour, for `lasts` seconds on average."""
        at = self._now()
        while True:
            at += random.expovariate(rate / 3600)
            size = float(random.randrange(256)) if kind == "wrong_chip" else self._size(kind)
            seconds = random.expovariate(1 / lasts) if lasts else 0.0
            yield Fault(kind, address, at, at + seconds, size)
            at += seconds


def flipped(data: bytes, random: Random) -> bytes:
    """The bytes with one wrong bit."""
    bit = 1 << random.randrange(8 * len(data))
    return (int.from_bytes(data, "big") ^ bit).to_bytes(len(data), "big")


def wrong_end(data: bytes) -> bytes:
    """The bytes with a wrong last one, where checksums stand."""
    return data[:-1] + bytes([data[-1] ^ 0xFF])
