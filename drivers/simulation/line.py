"""What the simulated wires with one part at their end have in common: sysfs, serial and SPI.

    line = SimDS18B20(world, "cellar").line()        line.fail(Nack, times=3); line.unplug(); line.plug()
    line.faults.plan("silence", seconds=30)          what goes wrong for a time, or at random

As everywhere the driver is the real one: the part answers text or bytes, and the line can fail before it is asked.
"""

import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from drivers.errors import BusError, BusUnavailable
from drivers.sim import Sensing, World
from drivers.simulation.line_faults import LineFaults

P = TypeVar("P", bound="SimEnd")


class SimEnd(Sensing, ABC):
    """A part at the end of a line of its own. Called under the line's lock."""

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self._waited = 0.0

    @abstractmethod
    def line(self, *, wait: Callable[[float], None] | None = None) -> "SimLine[Any]":
        """A simulated wire with this part at its end; `wait` as for `SimBus`."""

    def fit(self, device: Any) -> None:
        """Learn from the device, an instance of its driver, what stands only in its options; once, before `start()`."""
        return

    def now(self) -> float:
        """The world's time, and what was waited for on this line where waiting moves no clock."""
        return self.world.now() + self._waited

    def elapse(self, seconds: float) -> None:
        """Somebody waited on this line, and no clock moved."""
        self._waited += seconds


@dataclass(frozen=True, slots=True)
class Exchange:
    """One line of a log: what the driver asked or sent, and what it got instead of an answer, if anything."""

    asked: str | bytes
    error: BusError | None = None


class SimLine(Generic[P]):
    """The line's side of a simulated wire. Thread-safe.

    wire    which faults there are
    part    what is at the end of it
    log     the last exchanges, oldest first
    faults  what goes wrong when
    """

    wire: ClassVar[str] = ""

    def __init__(self, part: P, *, wait: Callable[[float], None] | None = None) -> None:
        self.part = part
        self.name = part.name
        self.plugged = True
        self.log: deque[Exchange] = deque(maxlen=10_000)
        self._wait = wait
        self._faults: deque[BusError] = deque()
        self._lock = threading.RLock()
        self._open = True
        self._device: Any = None
        self.faults = LineFaults(part.name, self.wire, self, now=part.world.now, wait=self.wait)

    def fit(self, device: Any) -> None:
        """The driver at the other end, an instance; see `SimEnd.fit`."""
        self._device = device
        self.part.fit(device)

    @property
    def heard(self) -> bool:
        """Whether anything that the part says arrives."""
        return self.plugged and not self.faults.silent

    def restart(self) -> None:
        """The part's supply dropped and came back: it knows nothing any more of what it was told."""
        with self._lock:
            self.part = type(self.part)(self.part.world, self.part.name)
            if self._device is not None:
                self.part.fit(self._device)

    def lie(self, channel: str | None, by: float) -> None:
        """Let the part measure `channel` (None: every one) wrongly by so much; 0 ends it."""
        channels = self.part.defaults if channel is None else (channel,)
        self.part.bias = {name: by for name in channels if by}

    def hold(self, *, still: bool) -> None:
        """Let the part measure the same from now on, or measure again."""
        self.part.still = {} if still else None

    def unplug(self) -> None:
        """Pull the part off the line."""
        self.plugged = False

    def plug(self) -> None:
        """Put it back."""
        self.plugged = True

    def fail(self, error: type[BusError], times: int = 1) -> None:
        """Let the next `times` exchanges end in `error` before they reach the part."""
        with self._lock:
            self._faults.extend(error(f"{self.name}: scripted fault") for _ in range(times))

    def wait(self, seconds: float) -> None:
        if self._wait is not None:
            self._wait(seconds)
        else:
            with self._lock:
                self.part.elapse(seconds)

    def close(self) -> None:
        self._open = False

    @contextmanager
    def exchange(self, asked: str | bytes) -> Iterator[None]:
        """Around one exchange: the lock, the faults, the log."""
        with self._lock:
            try:
                if not self._open:
                    raise BusUnavailable(f"{self.name}: the line is closed")
                if self._faults:
                    raise self._faults.popleft()
                self.faults.obstruct()
                yield
            except BusError as error:
                self.log.append(Exchange(asked, error))
                raise
            self.log.append(Exchange(asked))
