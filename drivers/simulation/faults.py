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

from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Final, Protocol, get_args

from drivers.errors import BusTimeout, Nack
from drivers.simulation.weather import LASTS, TIMEOUT, Fault, Weather, flipped, wrong_end
from drivers.simulation.weather import BusKind as Kind
from drivers.wires.wire import Bus, Timed

__all__ = ["LASTS", "TIMEOUT", "Fault", "Faults", "FaultyBus", "Kind"]

_POWERED: Final = ("unplug", "wrong_chip")

Go = Callable[[int, bytes, int], bytes]


class Chips(Protocol):
    """What faults do to simulated chips themselves."""

    def restart(self, address: int) -> None: ...

    def lie(self, address: int, channel: str | None, by: float) -> None: ...


class Faults(Weather[Kind]):
    """The faults of one bus. Thread-safe as far as the bus's own lock makes transfers so; plan before or between."""

    kinds = get_args(Kind)

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
        super().__init__(name, now=now, seed=seed)
        self.timeout = timeout
        self._wait = wait
        self._chips = chips
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
    ) -> Fault[Kind]:
        """Let something go wrong for `seconds`, `after` seconds from now. Raises ValueError for what cannot be."""
        if kind == "spike" and self._chips is None:
            raise ValueError("only a simulated chip can be made to measure wrongly: a spike needs one")
        if address is None and kind in (*_POWERED, "reset", "spike"):
            raise ValueError(f"{kind} happens to one chip: name its address")
        return self._add(kind, None if kind == "stuck" else address, seconds, after, by, channel)

    def weather(
        self,
        address: int | None,
        per_hour: Mapping[Kind, float],
        *,
        lasts: Mapping[str, float] = LASTS,
        gap: float = 15.0,
        random: Random | None = None,
    ) -> None:
        """Random faults from now on: kind -> times an hour; each lasts for a random time, `lasts` on average.

        `random` draws them; default: the bus's own, by its seed.

        Around a wrong chip nothing is plugged in for `gap` seconds: whoever changes chips unplugs one first.
        """
        for kind, rate in per_hour.items():
            where = None if kind == "stuck" else address
            storm = self._storm(kind, where, rate, lasts[kind], Random((random or self.random).random()))
            self._rain(_changed(storm, gap) if kind == "wrong_chip" else storm)

    @property
    def away(self) -> set[int | None]:
        """The addresses whose chip is not there as of the last transfer."""
        return {fault.address for fault in self._active if fault.kind in _POWERED}

    def release(self) -> None:
        """Whoever holds SDA low lets go."""
        for fault in [fault for fault in self.active if fault.kind == "stuck"]:
            self._finish(fault)

    def transfer(self, address: int, write: bytes, read: int, go: Go) -> bytes:
        """One transaction through the faults; `go` is the wire below. Raises what the fault makes of it."""
        self._turn()
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

    def _obstruct(self, address: int, here: Mapping[Kind, Fault[Kind]]) -> None:
        where = f"{self.name} {address:#04x}"
        if "stuck" in here or "stretch" in here:
            self._wait(self.timeout)
            raise BusTimeout(f"{where}: the bus hung: a chip holds SCL or SDA low, power-cycle it")
        if "nack" in here or "unplug" in here:
            raise Nack(f"{where}: no answer: check wiring, power and address")
        if "slow" in here:
            self._wait(here["slow"].by)

    def _distort(self, address: int, write: bytes, answer: bytes, here: Mapping[Kind, Fault[Kind]]) -> bytes:
        if not answer:
            return answer
        if "freeze" in here:
            answer = self._frozen.setdefault((address, write, len(answer)), answer)
        if "flip" in here:
            answer = flipped(answer, self.random)
        if "crc" in here:
            answer = wrong_end(answer)
        return answer

    def begun(self, fault: Fault[Kind]) -> None:
        if fault.kind == "spike" and self._chips is not None and fault.address is not None:
            self._chips.lie(fault.address, fault.channel, fault.by)

    def finished(self, fault: Fault[Kind]) -> None:
        if fault.kind == "freeze":
            self._frozen.clear()
        if self._chips is None or fault.address is None:
            return
        if fault.kind == "spike":
            self._chips.lie(fault.address, fault.channel, 0.0)
        if fault.kind in (*_POWERED, "reset"):
            self._chips.restart(fault.address)


def _changed(storm: Iterator[Fault[Kind]], gap: float) -> Iterator[Fault[Kind]]:
    """Wrong chips with nothing plugged in for `gap` seconds around each."""
    late = 0.0
    for fault in storm:
        begin, end = fault.begin + late + gap, fault.end + late + gap
        yield Fault("unplug", fault.address, begin - gap, begin)
        yield Fault(fault.kind, fault.address, begin, end, fault.by)
        yield Fault("unplug", fault.address, end, end + gap)
        late += 2 * gap


class FaultyBus:
    """Any bus with `faults` in front of it; see `drivers.wires.wire.Bus`. As thread-safe as the bus below it."""

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
