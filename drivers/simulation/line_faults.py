"""What goes wrong on a line with one part at its end: serial, SPI, and what the kernel reads.

    edge.line("dust").faults.plan("silence", seconds=30, after=60)
    edge.line("dust").faults.weather({"flip": 10, "unplug": 1})          # times an hour

    kind      what the driver meets                                                             serial  SPI  sysfs
    nack      the port, or the kernel's driver, says that nobody is there                         x           x
    unplug    nothing at the end of the line; afterwards the part has forgotten what it was told  x      x    x
    silence   the part says nothing: no byte, a line at rest, a kernel that waits in vain         x      x    x
    reset     the part restarts                                                                   x      x    x
    slow      each exchange takes `by` seconds longer                                             x      x    x
    flip      one bit of each answer is wrong                                                     x      x
    crc       the last byte of each answer is wrong                                               x
    freeze    the part measures the same all the time, checksums included                         x      x    x
    spike     the part measures wrongly by `by`, checksums included                               x      x    x

Bytes between a part and the kernel are the kernel's own affair: what can go wrong there is a setting of the part (a
DS18B20's `fault = "noise"`).
"""

from collections.abc import Callable, Mapping
from random import Random
from typing import Final, Protocol, get_args

from drivers.errors import Nack
from drivers.simulation.weather import LASTS, TIMEOUT, Fault, LineKind, Weather, flipped, wrong_end

KINDS: Final[Mapping[str, tuple[LineKind, ...]]] = {
    "serial": get_args(LineKind),
    "spi": ("unplug", "silence", "reset", "slow", "flip", "freeze", "spike"),
    "sysfs": ("nack", "unplug", "silence", "reset", "slow", "freeze", "spike"),
}
"""Wire -> what can happen there."""


class End(Protocol):
    """What faults do to the line and to the part at its end."""

    def unplug(self) -> None: ...

    def plug(self) -> None: ...

    def restart(self) -> None: ...

    def lie(self, channel: str | None, by: float) -> None: ...

    def hold(self, *, still: bool) -> None: ...


class LineFaults(Weather[LineKind]):
    """The faults of one line; see `Weather`."""

    def __init__(
        self, name: str, wire: str, end: End, *, now: Callable[[], float], wait: Callable[[float], None], seed: int = 0
    ) -> None:
        super().__init__(name, now=now, seed=seed)
        self.kinds = KINDS.get(wire, ())  # type: ignore[misc]
        self._end = end
        self._wait = wait

    def plan(
        self,
        kind: LineKind,
        *,
        seconds: float = 1.0,
        after: float = 0.0,
        by: float | None = None,
        channel: str | None = None,
    ) -> Fault[LineKind]:
        """Let something go wrong for `seconds`, `after` seconds from now. Raises ValueError for what cannot be."""
        return self._add(kind, None, seconds, after, by, channel)

    def weather(
        self, per_hour: Mapping[LineKind, float], *, lasts: Mapping[str, float] = LASTS, random: Random | None = None
    ) -> None:
        """Random faults from now on: kind -> times an hour; each lasts for a random time, `lasts` on average.

        `random` draws them; default: the line's own, by its seed.
        """
        for kind, rate in per_hour.items():
            if kind not in self.kinds:
                raise ValueError(f"there is no fault {kind!r} here; there are {', '.join(self.kinds)}")
            self._rain(self._storm(kind, None, rate, lasts[kind], Random((random or self.random).random())))

    def obstruct(self) -> None:
        """Before an exchange: raises `Nack`, or takes time."""
        self._turn()
        here = self._here()
        if "nack" in here:
            raise Nack(f"{self.name}: the adapter was pulled, or the kernel does not see the part any more")
        if "slow" in here:
            self._wait(here["slow"].by)

    @property
    def silent(self) -> bool:
        """Whether the part says nothing."""
        return "silence" in self._here()

    def wait_in_vain(self) -> None:
        """What a kernel does that gets no answer."""
        self._wait(TIMEOUT)

    def distort(self, answer: bytes) -> bytes:
        """What becomes of an answer on its way."""
        here = self._here()
        if answer and "flip" in here:
            answer = flipped(answer, self.random)
        if answer and "crc" in here:
            answer = wrong_end(answer)
        return answer

    def begun(self, fault: Fault[LineKind]) -> None:
        if fault.kind == "unplug":
            self._end.unplug()
        elif fault.kind == "spike":
            self._end.lie(fault.channel, fault.by)
        elif fault.kind == "freeze":
            self._end.hold(still=True)
        elif fault.kind == "reset":
            self._end.restart()
            self._active.remove(fault)

    def finished(self, fault: Fault[LineKind]) -> None:
        if fault.kind in self._here():  # another one of its kind goes on
            return
        if fault.kind == "unplug":
            self._end.restart()
            self._end.plug()
        elif fault.kind == "spike":
            self._end.lie(fault.channel, 0.0)
        elif fault.kind == "freeze":
            self._end.hold(still=False)

    def _here(self) -> Mapping[LineKind, Fault[LineKind]]:
        return {fault.kind: fault for fault in self._active}
