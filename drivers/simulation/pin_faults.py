"""What goes wrong between a part and its pin, planned for a time or random by a seed.

    faults = PinFaults(world)
    part.wire(faults.between(pins), device)                     # instead of part.wire(pins, device)
    faults.plan("bounce", 17, seconds=3600)
    faults.weather(17, {"glitch": 20, "stuck": 0.5})            # times an hour

    kind       what the pin does
    bounce     each change chatters `by` times before it holds, within some milliseconds
    glitch     one short pulse of `by` seconds that nobody made
    stuck      the level stays, whatever the part does; of an output: the load keeps what it had, as a welded relay
    floating   the wire is off: random levels, on average one every `by` seconds

Edges happen at their own times, in the world's `refresh()`; the same seed gives the same edges.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Final, Literal, TypeVar, cast, get_args

from drivers.sim import SimPins, World

PinKind = Literal["bounce", "glitch", "stuck", "floating"]

Shown = TypeVar("Shown", bound=float | None)

_SIZES: Final = {"bounce": 4.0, "glitch": 0.001, "stuck": 0.0, "floating": 0.05}
LASTS: Final[Mapping[str, float]] = {"bounce": 60.0, "glitch": 0.0, "stuck": 10.0, "floating": 10.0}
"""How long a fault of the weather lasts on average, seconds; a glitch is as long as its `by`."""
_CHATTER: Final = (0.0002, 0.0015)
"""Shortest and longest pulse of a bouncing contact, seconds."""
_HELD: Final = ("stuck", "floating")


@dataclass(frozen=True, slots=True)
class PinFault:
    """From `begin` until before `end`, at one pin (BCM). `by`: see the kinds."""

    kind: PinKind
    pin: int
    begin: float
    end: float
    by: float


class PinFaults:
    """The faults of one header. Not thread-safe: the world's owner.

    history   what was planned, and what of the weather has begun, oldest first (the last 10,000)
    """

    def __init__(self, world: World, *, seed: int = 0) -> None:
        self.history: deque[PinFault] = deque(maxlen=10_000)
        self._expected: list[PinFault] = []
        self._world = world
        self._random = Random(f"{seed} pins")
        self._wanted: dict[int, bool] = {}
        self._put: dict[int, Callable[[bool, float | None], None]] = {}
        self._loads: dict[int, Callable[[], None]] = {}
        self._kept: dict[tuple[int, str], float | None] = {}

    def between(self, pins: SimPins) -> SimPins:
        """The header as the parts see it."""
        return _Between(self, pins)

    def plan(
        self, kind: PinKind, pin: int, *, seconds: float = 1.0, after: float = 0.0, by: float | None = None
    ) -> PinFault:
        """Let something go wrong for `seconds`, `after` seconds from now. Raises ValueError for an unknown kind."""
        _require(kind)
        begin = self._world.now() + after
        fault = PinFault(kind, pin, begin, begin + seconds, _SIZES[kind] if by is None else by)
        self._expect(fault)
        return fault

    def weather(
        self,
        pin: int,
        per_hour: Mapping[PinKind, float],
        *,
        lasts: Mapping[str, float] = LASTS,
        random: Random | None = None,
    ) -> None:
        """Random faults from now on: kind -> times an hour; each lasts for a random time, `lasts` on average.

        `random` draws them; default: the header's own, by its seed. Raises ValueError for an unknown kind.
        """
        for kind, rate in per_hour.items():
            _require(kind)
            dice = Random((random or self._random).random())
            self._rain(kind, pin, self._world.now(), rate, lasts[kind], dice)

    def _rain(self, kind: PinKind, pin: int, after: float, rate: float, lasts: float, dice: Random) -> None:
        """One fault some time after that moment, and then the next one."""
        begin = after + dice.expovariate(rate / 3600)
        fault = PinFault(kind, pin, begin, begin + (dice.expovariate(1 / lasts) if lasts else 0.0), _SIZES[kind])

        def occur() -> None:
            self._expect(fault)
            self._rain(kind, pin, fault.end, rate, lasts, dice)

        self._world.later(begin, occur)

    def _expect(self, fault: PinFault) -> None:
        pin = fault.pin
        self.history.append(fault)
        self._expected.append(fault)
        if fault.kind == "glitch":
            self._world.later(fault.begin, lambda: self._show(pin, not self._wanted.get(pin, False)))
            self._world.later(fault.begin + fault.by, lambda: self._settle(pin))
        elif fault.kind == "floating":
            self._world.later(fault.begin, lambda: self._float(fault))
        if fault.kind in _HELD:
            self._world.later(fault.end, lambda: self._settle(pin))

    def drive(self, number: int, level: bool, at: float | None, put: Callable[[bool, float | None], None]) -> None:
        """The part makes this level, at the time `at` (None: now); `put` brings one to the pin."""
        self._put[number] = put
        if self._wanted.get(number) == level:
            return
        self._wanted[number] = level
        here = self._here(number)
        if any(kind in here for kind in _HELD):
            return
        put(level, at)
        if "bounce" in here:
            at = self._world.now()
            for turn in range(2 * int(here["bounce"].by)):
                at += self._random.uniform(*_CHATTER)
                self._world.later(at, lambda shown=level == bool(turn % 2): self._show(number, shown))  # type: ignore[misc]
            self._world.later(at, lambda: self._settle(number))

    def follow(self, number: int, look: Callable[[], None]) -> Callable[[], None]:
        """`look` for a load on an output: not called while it is stuck, and once when that is over."""
        self._loads[number] = look

        def changed() -> None:
            if "stuck" not in self._here(number):
                look()

        return changed

    def seen(self, number: int, what: str, value: Shown) -> Shown:
        """What a load sees of an output that has this value: while it is stuck, what it saw last."""
        if "stuck" in self._here(number):
            return cast(Shown, self._kept.get((number, what), value))
        self._kept[number, what] = value
        return value

    def _here(self, pin: int) -> dict[str, PinFault]:
        now = self._world.now()
        self._expected = [fault for fault in self._expected if now < fault.end]
        return {fault.kind: fault for fault in self._expected if fault.pin == pin and fault.begin <= now}

    def _settle(self, pin: int) -> None:
        """Back to what the part makes, unless something else holds the line."""
        if pin in self._loads:
            self._loads[pin]()
        if pin in self._wanted and not any(kind in self._here(pin) for kind in _HELD):
            self._put[pin](self._wanted[pin], None)

    def _show(self, pin: int, level: bool) -> None:
        if pin in self._put and "stuck" not in self._here(pin):
            self._put[pin](level, None)

    def _float(self, fault: PinFault) -> None:
        now = self._world.now()
        if now < fault.end:
            self._show(fault.pin, bool(self._random.getrandbits(1)))
            self._world.later(now + self._random.expovariate(1 / fault.by), lambda: self._float(fault))


def _require(kind: str) -> None:
    if kind not in get_args(PinKind):
        raise ValueError(f"there is no fault {kind!r} of a pin; there are {', '.join(get_args(PinKind))}")


class _Between:
    """A `SimPins` with faults in front of it."""

    def __init__(self, faults: PinFaults, pins: SimPins) -> None:
        self._faults = faults
        self._pins = pins

    def drive(self, number: int, level: bool, at: float | None = None) -> None:
        self._faults.drive(number, level, at, lambda shown, when: self._pins.drive(number, shown, when))

    def passing(self, part: Callable[[float, float], None]) -> None:
        self._pins.passing(part)

    def level(self, number: int) -> bool:
        return self._faults.seen(number, "level", self._pins.level(number))

    def duty(self, number: int) -> float:
        return self._faults.seen(number, "duty", self._pins.duty(number))

    def frequency(self, number: int) -> float | None:
        return self._faults.seen(number, "frequency", self._pins.frequency(number))

    def follow(self, number: int, follower: Callable[[], None]) -> None:
        def look() -> None:
            for see in (self.level, self.duty, self.frequency):
                see(number)
            follower()

        look_unless_stuck = self._faults.follow(number, look)
        look_unless_stuck()
        self._pins.follow(number, look_unless_stuck)
