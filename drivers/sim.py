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

import functools
import operator
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from drivers.errors import BusError, BusTimeout, BusUnavailable, Nack
from drivers.faults import Faults
from drivers.signals import Hole
from drivers.world import World as World


class Sensing:
    """A simulated part that shows the signals `<name>.<channel>`: `SimX(world, name)`.

    `defaults` holds what a channel shows while the world says nothing about it, `bias` how far a channel is off by a
    fault; `still` is what it goes on showing while a fault keeps it from measuring, else None.
    """

    defaults: ClassVar[Mapping[str, float]] = {}

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.bias: dict[str, float] = {}
        self.still: dict[str, float] | None = None

    def signal(self, channel: str, default: float | None = None) -> float:
        """What the part would see of the world now, `bias` included; `default` for a channel that `defaults` does not
        have. Raises `Nack` where the world has no value."""
        unset = self.defaults[channel] if default is None else default
        try:
            seen = self.world.sample(f"{self.name}.{channel}", default=unset)
        except Hole as hole:
            raise Nack(f"{self.name}.{channel}: no answer: {hole}") from hole
        shown = float(seen) + self.bias.get(channel, 0.0)
        return shown if self.still is None else self.still.setdefault(channel, shown)


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

    def power_down(self) -> None:
        """The supply dropped: what the chip drove is driven no more, and the world is told. Sensors drive nothing."""
        return

    def convert(self, seconds: float) -> None:
        """Begin a conversion, anew if one is running: `converted()` follows when the bus has waited so long."""
        self._converting = seconds

    def converted(self) -> None:
        """What the chip does when a conversion is over: take the signals, show them, say so."""
        return

    def acknowledge(self) -> None:
        """Its address came with the write bit and nothing more: raises `Nack` where the silicon would not answer."""
        return

    def plugged(self, bus: "SimBus") -> None:
        """It was put on this bus."""
        return

    def renewed(self) -> "SimChip":
        """The chip after its supply dropped and came back: it knows nothing any more of what it was told."""
        self.power_down()
        return type(self)(self.world, self.name)

    def connected(self) -> "Iterable[SimBus]":
        """The wires that this chip joins to its bus just now, if it is a multiplexer."""
        return ()

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

    def drive(self, number: int, level: bool, at: float | None = None) -> None:
        """`at` is when the edge was, where that is not now."""

    def passing(self, part: Callable[[float, float], None]) -> None:
        """Call `part(begin, end)` after somebody waited from `begin` to `end`."""

    def level(self, number: int) -> bool: ...

    def duty(self, number: int) -> float:
        """The share of the time for which the pin is high."""

    def frequency(self, number: int) -> float | None:
        """How often a second it pulses; None where it does not."""

    def follow(self, number: int, follower: Callable[[], None]) -> None:
        """Call `follower()` whenever an output is opened or set."""


class SimPart(ABC):
    """What is soldered to pins: `SimX(world, name)`, then `wire(pins, device)` once the device exists.

    signals   what it looks at besides its device's channels: `<name>.<signal>`
    """

    signals: ClassVar[tuple[str, ...]] = ()

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
    now     gives the time for `faults`, and for drivers that read a clock (`drivers.base.Timed`)
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
        self.now = now
        self.stuck = False
        self.faults = Faults(name, now=now, wait=self._pass, seed=seed, chips=self)
        self.log: deque[Transfer] = deque(maxlen=10_000)
        self._wait, self._now, self._seed = wait, now, seed
        self._chips: dict[int, SimChip] = {}
        self._faults: dict[int, deque[BusError]] = {}
        self._lock = threading.RLock()
        self._open = True
        for address, chip in (chips or {}).items():
            self.attach(address, chip)

    def attach(self, address: int, chip: SimChip) -> None:
        """Plug a chip in; at a taken address it replaces the other one."""
        with self._lock:
            self._chips[address] = chip
            chip.plugged(self)

    def detach(self, address: int) -> SimChip | None:
        """Unplug: the address no longer acknowledges. Returns the chip."""
        with self._lock:
            return self._chips.pop(address, None)

    def chip(self, address: int) -> SimChip | None:
        """The chip that is plugged in there."""
        return self._chips.get(address)

    def restart(self, address: int) -> None:
        """The chip's supply dropped and came back."""
        with self._lock:
            chip = self._chips.get(address)
            if chip is not None:
                self.attach(address, chip.renewed())

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
        return self.carry(address, write, read)

    def probe(self, address: int, *, reading: bool) -> bool:
        """See `drivers.base.Probing`."""
        try:
            self.carry(address, b"", int(reading))
        except Nack:
            return False
        return True

    def owner(self, address: int) -> str | None:
        """No kernel driver has a simulated chip."""
        return None

    def clock_out(self) -> None:
        """Nine pulses on SCL and a stop: a chip that holds SDA low in the middle of a byte lets go."""
        with self._lock:
            self.stuck = False
            self.faults.release()
            for segment in self._joined():
                segment.clock_out()

    def segment(self, name: str) -> "SimBus":
        """A wire of its own behind a multiplexer on this one, with the same time."""
        return SimBus(wait=self._wait, name=name, now=self._now, seed=self._seed)

    @property
    def hung(self) -> bool:
        """Whether somebody holds SDA low."""
        return self.stuck or any(fault.kind == "stuck" for fault in self.faults.active)

    def carry(self, address: int, write: bytes, read: int) -> bytes:
        """One transaction; with nothing to write and to read, the address alone."""
        with self._lock:
            try:
                answer = self.faults.transfer(address, write, read, self._reach)
            except BusError as error:
                self.log.append(Transfer(address, write, b"", error))
                raise
            self.log.append(Transfer(address, write, answer))
            return answer

    def wait(self, seconds: float) -> None:
        self.catch_up(0.0)
        self._pass(seconds)
        self.catch_up(seconds)

    def catch_up(self, waited: float = 0.0) -> None:
        """Let the chips get on: see `SimChip.catch_up`."""
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
        answers = self._answers(address, write, read)
        if not answers:
            raise Nack(f"{where}: no answer: check wiring, power and address")
        # where several answer, SDA is low as soon as one of them pulls it down
        return answers[0] if len(answers) == 1 else bytes(map(_wired, *answers))

    def _answers(self, address: int, write: bytes, read: int) -> list[bytes]:
        """What everybody at this address says, here and on the wires joined to this one."""
        answers: list[bytes] = []
        refused: Nack | None = None
        joined = self._joined()
        # a wire that hangs holds this one as well: nobody hears anything, the multiplexer included
        asked = [wire.carry for wire in joined if wire.hung]
        asked += [self._own] if address in self._chips else []
        asked += [wire.carry for wire in joined if wire.chip(address) is not None and not wire.hung]
        for ask in asked:
            try:
                answers.append(ask(address, write, read))
            except Nack as error:
                refused = error
        if refused is not None and not answers:
            raise refused
        return answers

    def _own(self, address: int, write: bytes, read: int) -> bytes:
        chip = self._chips[address]
        chip.catch_up()
        if write:
            chip.write(write)
        elif not read:
            chip.acknowledge()
        return chip.read(read) if read else b""

    def _joined(self) -> "list[SimBus]":
        """The wires that multiplexers join to this one now; one that is not there joins nothing."""
        found = [(address, wire) for address, chip in self._chips.items() for wire in chip.connected()]
        return [wire for address, wire in found if address not in self.faults.away]


def _wired(*levels: int) -> int:
    return functools.reduce(operator.and_, levels)
