"""The simulated end of a serial line: a part that hears commands and talks when it likes; see `drivers.wires.uart`."""

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar

from drivers.sim import World
from drivers.simulation.line import SimEnd, SimLine


class SimTalker(SimEnd):
    """The part's side of a serial line: hears commands, and says something at once, later or by itself.

    command  bytes of a command
    """

    command: ClassVar[int]

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self._heard = bytearray()
        self._said: list[tuple[float, bytes]] = []

    def hear(self, data: bytes) -> None:
        """Bytes that the driver sent, in whatever pieces they come."""
        self._heard += data
        while len(self._heard) >= self.command:
            whole = bytes(self._heard[: self.command])
            del self._heard[: self.command]
            self.obey(whole)

    @abstractmethod
    def obey(self, data: bytes) -> None:
        """One command, right or wrong."""

    def say(self, data: bytes, *, after: float = 0.0) -> None:
        """Put bytes on the line so many seconds from now."""
        self._said.append((self.now() + after, data))

    def due(self) -> float | None:
        """Seconds until it says something; None while it has nothing to say."""
        return max(0.0, min(at for at, _ in self._said) - self.now()) if self._said else None

    def spoken(self) -> bytes:
        """What it has said by now and was not taken yet."""
        # a sum of floats may fall short of the time that it was to reach
        now = self.now() + 1e-9
        ready = [data for at, data in self._said if at <= now]
        self._said = [(at, data) for at, data in self._said if at > now]
        return b"".join(ready)

    def line(self, *, wait: Callable[[float], None] | None = None) -> "SimSerial":
        return SimSerial(self, wait=wait)


class SimSerial(SimLine[SimTalker]):
    """A serial line with one part at its end, with the contract of `Line`.

    BUFFER  bytes that the kernel keeps for a reader who does not come; further ones are lost
    """

    wire = "serial"
    BUFFER = 4095

    def __init__(self, part: SimTalker, *, wait: Callable[[float], None] | None = None) -> None:
        super().__init__(part, wait=wait)
        self._came = bytearray()

    def write(self, data: bytes) -> None:
        with self.exchange(data):
            if self.plugged:
                self.part.hear(data)

    def read(self, count: int, within: float) -> bytes:
        with self.exchange(b""):
            left = within
            while len(self._listen()) < count and left > 0:
                due = self.part.due() if self.heard else None
                pause = left if due is None else min(due, left)
                self.wait(pause)
                left -= pause
            answer = bytes(self._listen()[:count])
            del self._came[:count]
            return self.faults.distort(answer)

    def drain(self) -> None:
        with self.exchange(b""):
            self._listen().clear()

    def _listen(self) -> bytearray:
        said = self.part.spoken()
        if self.heard:
            self._came += said[: max(0, self.BUFFER - len(self._came))]
        return self._came
