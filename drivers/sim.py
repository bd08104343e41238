"""The simulated wire: one world of named signals, chips that answer bytes, and a bus that can fail.

The driver under simulation is the real one. A `SimChip` keeps registers the way the silicon does and turns the
world's signals into raw counts, so decoding, calibration and error paths are the code that runs on a Pi.

    world = World(now)                       world["greenhouse.temperature"] = 21.5
    bus = SimBus({0x76: SimBME280(world, "greenhouse")})
    BME280(bus).start() ...                  bus.fail(0x76, Nack, times=3); bus.detach(0x76)

What goes wrong for a time, or at random by a seed, is planned with `bus.faults` (`drivers.faults`).

Nothing here reads a clock or sleeps: time comes from the `now` given to the world, waiting goes to the `wait` given
to the bus.
"""

import difflib
import heapq
import itertools
import math
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from drivers.errors import BusError, BusTimeout, BusUnavailable, Nack
from drivers.faults import Faults
from drivers.signals import Hole, Signal, constant


class World:
    """Named signals, `<device>.<channel>`, evaluated at a time the caller gives or `now()` gives.

    Assign a number, a bool or a `Signal` (see `drivers.signals`). Assigning tells the parts that follow the name at
    once, in the assigning thread; `refresh()` does so for signals that move by themselves, and does what `later()`
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


class Sensing:
    """A simulated part that shows the signals `<name>.<channel>`: `SimX(world, name)`.

    `defaults` holds what a channel shows while the world says nothing about it, `bias` how far a channel is off by a
    fault.
    """

    defaults: ClassVar[Mapping[str, float]] = {}

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.bias: dict[str, float] = {}

    def signal(self, channel: str, default: float | None = None) -> float:
        """What the part would see of the world now, `bias` included; `default` for a channel that `defaults` does not
        have. Raises `Nack` where the world has no value."""
        unset = self.defaults[channel] if default is None else default
        try:
            seen = self.world.sample(f"{self.name}.{channel}", default=unset)
        except Hole as hole:
            raise Nack(f"{self.name}.{channel}: no answer: {hole}") from hole
        return float(seen) + self.bias.get(channel, 0.0)


class SimChip(Sensing, ABC):
    """The chip's side of an I2C bus.

    A chip raises `Nack` from `write` or `read` where the silicon would not acknowledge. Called under the bus's lock.
    """

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self._converting: float | None = None
        self._looked = world.now()

    @abstractmethod
    def write(self, data: bytes) -> None:
        """The bytes after the address, in one write."""

    @abstractmethod
    def read(self, count: int) -> bytes:
        """Exactly `count` bytes."""

    def convert(self, seconds: float) -> None:
        """Begin a conversion, anew if one is running: `converted()` follows when the bus has waited so long."""
        self._converting = seconds

    def converted(self) -> None:
        """What the chip does when a conversion is over: take the signals, show them, say so."""
        return

    def elapse(self, seconds: float) -> None:
        """Time went by: a conversion gets on. Means nothing to chips that are always ready."""
        if self._converting is None:
            return
        self._converting -= seconds
        # a wait made of several can fall short by a rounding error
        if self._converting <= 1e-9:
            self._converting = None
            self.converted()

    def catch_up(self, waited: float = 0.0) -> None:
        """Let the time go by that the world's clock shows since the last look, or that somebody waited on this bus.

        Whichever is longer: a wait may move the world's clock itself, and does not where that stands still.
        """
        now = self.world.now()
        passed = max(now - self._looked, waited)
        self._looked = now
        if passed > 0:
            self.elapse(passed)


class SimPins(Protocol):
    """What a simulated part needs of the simulated header (`drivers.gpio.SimulatedPins`)."""

    def drive(self, number: int, level: bool) -> None: ...

    def level(self, number: int) -> bool: ...

    def follow(self, number: int, follower: Callable[[], None]) -> None:
        """Call `follower()` whenever an output is opened or set."""


class SimPart(ABC):
    """What is soldered to pins: `SimX(world, name)`, then `wire(pins, device)` once the device exists."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name

    @abstractmethod
    def wire(self, pins: SimPins, device: Any) -> None:
        """Connect the part to the pins of `device`, an instance of its driver; before or after `start()`, once."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """One line of a bus's log; `error` is what the driver got instead of `answer`."""

    address: int
    write: bytes
    answer: bytes
    error: BusError | None = None


class SimBus:
    """A bus of simulated chips, with the contract of `drivers.base.Bus`. Thread-safe.

    chips   address -> chip; an address without one does not acknowledge
    wait    called with seconds when a driver waits; default: time does not pass outside the chips
    now     gives the time for `faults`
    seed    of what is random in `faults`; the name goes into it
    log     the last transfers, oldest first, as the driver saw them
    faults  what goes wrong when: `bus.faults.plan("unplug", 0x76, seconds=30)`
    stuck   while True every transfer ends in `BusTimeout`, as with SDA held low
    """

    def __init__(
        self,
        chips: Mapping[int, SimChip] | None = None,
        *,
        wait: Callable[[float], None] | None = None,
        name: str = "sim",
        now: Callable[[], float] = lambda: 0.0,
        seed: int = 0,
    ) -> None:
        self.name = name
        self.stuck = False
        self.faults = Faults(name, now=now, wait=self._pass, seed=seed, chips=self)
        self.log: deque[Transfer] = deque(maxlen=10_000)
        self._wait = wait
        self._chips = dict(chips or {})
        self._faults: dict[int, deque[BusError]] = {}
        self._lock = threading.RLock()
        self._open = True

    def attach(self, address: int, chip: SimChip) -> None:
        """Plug a chip in; at a taken address it replaces the other one."""
        with self._lock:
            self._chips[address] = chip

    def detach(self, address: int) -> SimChip | None:
        """Unplug: the address no longer acknowledges. Returns the chip."""
        with self._lock:
            return self._chips.pop(address, None)

    def restart(self, address: int) -> None:
        """The chip's supply dropped and came back: it knows nothing any more of what it was told."""
        with self._lock:
            chip = self._chips.get(address)
            if chip is not None:
                self._chips[address] = type(chip)(chip.world, chip.name)

    def lie(self, address: int, channel: str | None, by: float) -> None:
        """Let the chip measure `channel` (None: every one) wrongly by so much; 0 ends it."""
        with self._lock:
            chip = self._chips.get(address)
            if chip is not None:
                chip.bias = {name: by for name in (chip.defaults if channel is None else (channel,)) if by}

    def fail(self, address: int, error: type[BusError], times: int = 1) -> None:
        """Let the next `times` transfers with `address` end in `error` before they reach the chip."""
        text = f"{self.name} {address:#04x}: scripted fault"
        with self._lock:
            self._faults.setdefault(address, deque()).extend(error(text) for _ in range(times))

    def transfer(self, address: int, write: bytes, read: int = 0) -> bytes:
        if not write and not read:
            raise ValueError("a transfer writes or reads at least one byte")
        with self._lock:
            try:
                answer = self.faults.transfer(address, write, read, self._reach)
            except BusError as error:
                self.log.append(Transfer(address, write, b"", error))
                raise
            self.log.append(Transfer(address, write, answer))
            return answer

    def wait(self, seconds: float) -> None:
        self._catch_up(0.0)
        self._pass(seconds)
        self._catch_up(seconds)

    def _catch_up(self, waited: float) -> None:
        with self._lock:
            for address, chip in self._chips.items():
                try:
                    chip.catch_up(waited)
                except BusError as error:
                    # it could not measure: its own next transfer says so, not the wait of whoever waited
                    self._faults.setdefault(address, deque()).append(error)

    def close(self) -> None:
        self._open = False

    def _pass(self, seconds: float) -> None:
        if self._wait is not None:
            self._wait(seconds)

    def _reach(self, address: int, write: bytes, read: int) -> bytes:
        where = f"{self.name} {address:#04x}"
        if not self._open:
            raise BusUnavailable(f"{self.name} is closed")
        if self.stuck:
            raise BusTimeout(f"{where}: the bus hung: a chip holds SCL or SDA low")
        if faults := self._faults.get(address):
            raise faults.popleft()
        chip = self._chips.get(address)
        if chip is None:
            raise Nack(f"{where}: no answer: check wiring, power and address")
        chip.catch_up()
        if write:
            chip.write(write)
        return chip.read(read) if read else b""
