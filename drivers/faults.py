"""What goes wrong on a wire: planned for a time, or random by a seed ("fault weather").

    bus.faults.plan("unplug", 0x76, seconds=30, after=60)
    bus.faults.weather(0x76, {"nack": 6, "unplug": 1})          # times an hour

A simulated bus has its faults built in; `FaultyBus` puts them between a driver and any other bus. The same seed and
the same questions give the same faults. Nothing here reads a clock: time comes from `now`, and what takes time on a
real wire goes through `wait`.

    kind         what the driver meets
    nack         nobody acknowledges
    unplug       as nack; after it the chip has forgotten what it was told
    wrong_chip   another chip answers: every byte is the same; after it the right one is back, newly powered
    reset        the chip restarts right after the next transfer with it, that is, while it measures
    stretch      the clock is stretched for too long: `BusTimeout` after the time-out
    stuck        SDA is held low: the same for every address, whichever was named
    slow         each transfer takes `by` seconds longer
    flip         one bit of each answer is wrong
    crc          the last byte of each answer, where checksums stand, is wrong
    freeze       the same question gets the same answer all the time
    spike        the chip measures wrongly by `by`: a lie that no checksum shows (simulated chips only)
"""

import heapq
import itertools
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Final, Literal, Protocol, get_args

from drivers.base import Bus, Timed
from drivers.errors import BusTimeout, Nack

Kind = Literal["nack", "unplug", "wrong_chip", "reset", "stretch", "stuck", "slow", "flip", "crc", "freeze", "spike"]

TIMEOUT: Final = 1.0
"""Seconds until the kernel gives a hung bus up."""

LASTS: Final[Mapping[str, float]] = {
    "nack": 0.5,
    "unplug": 60.0,
    "wrong_chip": 60.0,
    "reset": 0.0,
    "stretch": 2.0,
    "stuck": 2.0,
    "slow": 10.0,
    "flip": 2.0,
    "crc": 2.0,
    "freeze": 60.0,
    "spike": 5.0,
}
"""How long a fault of the weather lasts on average, seconds."""

_SIZES: Final[Mapping[str, float]] = {"slow": 0.2, "spike": 10.0}
_POWERED: Final = ("unplug", "wrong_chip")

Go = Callable[[int, bytes, int], bytes]


@dataclass(frozen=True, slots=True)
class Fault:
    """From `begin` until before `end`, at one address or (None) at all. `by` and `channel`: see the kinds."""

    kind: Kind
    address: int | None
    begin: float
    end: float
    by: float = 0.0
    channel: str | None = None


class Chips(Protocol):
    """What faults do to simulated chips themselves."""

    def restart(self, address: int) -> None: ...

    def lie(self, address: int, channel: str | None, by: float) -> None: ...


class Faults:
    """The faults of one bus. Thread-safe as far as the bus's own lock makes transfers so; plan before or between.

    active    what is wrong now
    history   what has begun, oldest first (the last 10,000)
    """

    def __init__(
        self,
        name: str,
        *,
        now: Callable[[], float],
        wait: Callable[[float], None],
        seed: int = 0,
        chips: Chips | None = None,
        timeout: float = TIMEOUT,
    ) -> None:
        self.name = name
        self.timeout = timeout
        self.history: deque[Fault] = deque(maxlen=10_000)
        self.random = Random(f"{seed} {name}")
        self._now = now
        self._wait = wait
        self._chips = chips
        self._coming: list[tuple[float, int, Fault, Iterator[Fault]]] = []
        self._numbers = itertools.count()
        self._active: list[Fault] = []
        self._frozen: dict[tuple[int, bytes, int], bytes] = {}

    def plan(
        self,
        kind: Kind,
        address: int | None = None,
        *,
        seconds: float = 1.0,
        after: float = 0.0,
        by: float | None = None,
        channel: str | None = None,
    ) -> Fault:
        """Let something go wrong for `seconds`, `after` seconds from now. Raises ValueError for what cannot be."""
        if kind not in get_args(Kind):
            raise ValueError(f"there is no fault {kind!r}; there are {', '.join(get_args(Kind))}")
        if kind == "spike" and self._chips is None:
            raise ValueError("only a simulated chip can be made to measure wrongly: a spike needs one")
        if address is None and kind in (*_POWERED, "reset", "spike"):
            raise ValueError(f"{kind} happens to one chip: name its address")
        address = None if kind == "stuck" else address
        begin = self._now() + after
        size = self._size(kind) if by is None else by
        fault = Fault(kind, address, begin, begin + seconds, size, channel)
        self._expect(fault, iter(()))
        return fault

    def weather(
        self,
        address: int | None,
        per_hour: Mapping[Kind, float],
        *,
        lasts: Mapping[str, float] = LASTS,
        gap: float = 15.0,
    ) -> None:
        """Random faults from now on: kind -> times an hour; each lasts for a random time, `lasts` on average.

        Around a wrong chip nothing is plugged in for `gap` seconds: whoever changes chips unplugs one first.
        """
        for kind, rate in per_hour.items():
            source = self._storm(kind, address, rate, lasts[kind], gap, Random(self.random.random()))
            self._expect(next(source), source)

    def clear(self) -> None:
        """Nothing is wrong any more, and nothing is planned."""
        self._coming.clear()
        for fault in tuple(self._active):
            self._finish(fault)

    @property
    def active(self) -> list[Fault]:
        """What is wrong now."""
        self._turn(self._now())
        return list(self._active)

    def transfer(self, address: int, write: bytes, read: int, go: Go) -> bytes:
        """One transaction through the faults; `go` is the wire below. Raises what the fault makes of it."""
        self._turn(self._now())
        if not self._active:
            return go(address, write, read)
        here = {fault.kind: fault for fault in self._active if fault.address in (None, address)}
        self._obstruct(address, here)
        if "wrong_chip" in here:
            return bytes([int(here["wrong_chip"].by)]) * read
        answer = self._distort(address, write, go(address, write, read), here)
        if "reset" in here:
            self._finish(here["reset"])
        return answer

    def _obstruct(self, address: int, here: Mapping[Kind, Fault]) -> None:
        where = f"{self.name} {address:#04x}"
        if "stuck" in here or "stretch" in here:
            self._wait(self.timeout)
            raise BusTimeout(f"{where}: the bus hung: a chip holds SCL or SDA low, power-cycle it")
        if "nack" in here or "unplug" in here:
            raise Nack(f"{where}: no answer: check wiring, power and address")
        if "slow" in here:
            self._wait(here["slow"].by)

    def _distort(self, address: int, write: bytes, answer: bytes, here: Mapping[Kind, Fault]) -> bytes:
        if not answer:
            return answer
        if "freeze" in here:
            answer = self._frozen.setdefault((address, write, len(answer)), answer)
        if "flip" in here:
            bit = 1 << self.random.randrange(8 * len(answer))
            answer = (int.from_bytes(answer, "big") ^ bit).to_bytes(len(answer), "big")
        if "crc" in here:
            answer = answer[:-1] + bytes([answer[-1] ^ 0xFF])
        return answer

    def _turn(self, now: float) -> None:
        """Begin and end what is due."""
        while self._coming and self._coming[0][0] <= now:
            _, _, fault, source = heapq.heappop(self._coming)
            self._begin(fault)
            following = next(source, None)
            if following is not None:
                self._expect(following, source)
        for fault in [fault for fault in self._active if fault.end <= now and fault.kind != "reset"]:
            self._finish(fault)

    def _begin(self, fault: Fault) -> None:
        self.history.append(fault)
        self._active.append(fault)
        if fault.kind == "spike" and self._chips is not None and fault.address is not None:
            self._chips.lie(fault.address, fault.channel, fault.by)

    def _finish(self, fault: Fault) -> None:
        self._active.remove(fault)
        if fault.kind == "freeze":
            self._frozen.clear()
        if self._chips is None or fault.address is None:
            return
        if fault.kind == "spike":
            self._chips.lie(fault.address, fault.channel, 0.0)
        if fault.kind in (*_POWERED, "reset"):
            self._chips.restart(fault.address)

    def _expect(self, fault: Fault, source: Iterator[Fault]) -> None:
        heapq.heappush(self._coming, (fault.begin, next(self._numbers), fault, source))

    def _size(self, kind: Kind) -> float:
        return float(self.random.randrange(256)) if kind == "wrong_chip" else _SIZES.get(kind, 0.0)

    def _storm(
        self, kind: Kind, address: int | None, rate: float, lasts: float, gap: float, random: Random
    ) -> Iterator[Fault]:
        at = self._now()
        address = None if kind == "stuck" else address
        while True:
            at += random.expovariate(rate / 3600)
            size = float(random.randrange(256)) if kind == "wrong_chip" else self._size(kind)
            seconds = random.expovariate(1 / lasts) if lasts else 0.0
            if kind == "wrong_chip":
                yield Fault("unplug", address, at, at + gap)
                at += gap
            yield Fault(kind, address, at, at + seconds, size)
            at += seconds
            if kind == "wrong_chip":
                yield Fault("unplug", address, at, at + gap)
                at += gap


class FaultyBus:
    """Any bus with `faults` in front of it; see `drivers.base.Bus`. As thread-safe as the bus below it."""

    now: Callable[[], float]  # only where the bus below has a time of its own

    def __init__(self, bus: Bus, faults: Faults) -> None:
        self.faults = faults
        self._bus = bus
        if isinstance(bus, Timed):
            self.now = bus.now

    def transfer(self, address: int, write: bytes, read: int = 0) -> bytes:
        return self.faults.transfer(address, write, read, self._bus.transfer)

    def wait(self, seconds: float) -> None:
        self._bus.wait(seconds)

    def close(self) -> None:
        self._bus.close()
