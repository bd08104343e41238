"""CircuitPython's `busio.I2C` over a `Bus`, and the clock that code written for it may read.

The driver (`drivers.circuitpython`) hands these two to code of other people, which knows OSError and no
error of ours, and which sleeps and reads the time by itself. So a bus error travels through that code as a
`WireError`, and a sleep is a wait on the bus.
"""

import errno
import importlib
import math
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from drivers.errors import ArbitrationLost, BusError, BusTimeout, Nack, OutOfRange
from drivers.wires.wire import Bus, Timed

_ERRNO: Final[dict[type[BusError], int]] = {
    Nack: errno.EREMOTEIO,
    BusTimeout: errno.ETIMEDOUT,
    ArbitrationLost: errno.EAGAIN,
}
_BYTE: Final = 9 / 400_000
"""Seconds that a byte and its acknowledgement take at 400 kHz."""


class WireError(OSError):
    """A bus error (`error`) on its way through code that catches OSError, with the errno the kernel has for it."""

    def __init__(self, error: BusError) -> None:
        super().__init__(_ERRNO.get(type(error), errno.EIO), str(error))
        self.error = error


class Overdue(BaseException):  # code that passes over every Exception must not keep it
    """The call has used up the time that it was allowed."""


class WireClock:
    """The time on a bus: the bus's own where it has one (`Timed`), else the ordinary one.

    Some drivers ask a chip in a loop without end: `allow` ends it.
    """

    def __init__(self, bus: Bus) -> None:
        # by name: it is not this program that reads it, but the code it is handed to
        self._ordinary = importlib.import_module("time")
        self._bus = bus
        self._virtual = isinstance(bus, Timed)
        self._now: Callable[[], float] = bus.now if isinstance(bus, Timed) else self._ordinary.monotonic
        self._ahead = 0.0  # waited, although the clock stood still
        self._end = math.inf

    def monotonic(self) -> float:
        """Seconds."""
        return self._now() + self._ahead

    def allow(self, seconds: float) -> None:
        """From now on, that long: then every transfer and every sleep ends in `Overdue`."""
        self._end = self.monotonic() + seconds

    def check(self) -> None:
        """Raise `Overdue` if it is."""
        if self.monotonic() > self._end:
            raise Overdue

    def sleep(self, seconds: float) -> None:
        """Let the bus wait; not at all if that would take too long."""
        before = self.monotonic()
        if before + seconds > self._end:
            raise Overdue
        if seconds > 0:
            self._bus.wait(seconds)
            self._ahead += max(seconds - (self.monotonic() - before), 0.0)

    def spend(self, byte_count: int, began: float) -> None:
        """A transfer of so many bytes that began then is over: it took time, also where the bus's clock shows none.

        Code that asks "ready?" in a loop without sleeping would otherwise ask a simulated chip for ever.
        """
        if self._virtual:
            self.sleep(byte_count * _BYTE - (self.monotonic() - began))

    def module(self) -> ModuleType:
        """A stand-in for the module `time`: the real one, but that it sleeps on the bus.

        Where the bus has a clock, every clock in it is that one; `time()` then counts from the same zero, as on a
        board whose calendar nobody has set.
        """
        stand_in = ModuleType("time", self._ordinary.__doc__)
        vars(stand_in).update(vars(self._ordinary), sleep=self.sleep)
        if self._virtual:
            for name in ("monotonic", "perf_counter", "time"):
                vars(stand_in)[name] = self.monotonic
                vars(stand_in)[f"{name}_ns"] = lambda: round(self.monotonic() * 1e9)
        return stand_in


class I2C:
    """What `busio.I2C` offers, to the chip at one address only.

    answered    how many transfers the chip has answered
    error       how the last transfer ended, None where it was answered
    Locking means nothing here: whoever uses a device holds its bus (`edge.handles`), and each has an `I2C` of its own.
    """

    def __init__(self, bus: Bus, address: int, clock: WireClock) -> None:
        self.answered = 0
        self.error: BusError | None = None
        self._bus = bus
        self._address = address
        self._clock = clock

    def try_lock(self) -> bool:
        return True

    def unlock(self) -> None:
        return

    def deinit(self) -> None:
        """The bus belongs to the runtime, not to the code that is handed this."""
        return

    def scan(self) -> list[int]:
        """The address, if it answers a read of one byte; no other chip is disturbed."""
        try:
            self._transfer(self._address, b"", 1)
        except WireError:
            return []
        return [self._address]

    def writeto(self, address: int, buffer: Any, *, start: int = 0, end: int | None = None) -> None:
        """Write `buffer[start:end]`. Nothing to write asks whether somebody is there: adapters differ on what that
        does to a chip, so it is granted, and the first real transfer tells."""
        data = bytes(_view(buffer, start, end))
        if data:
            self._transfer(address, data, 0)

    def readfrom_into(self, address: int, buffer: Any, *, start: int = 0, end: int | None = None) -> None:
        """Read as many bytes as `buffer[start:end]` has."""
        view = _view(buffer, start, end)
        if view:
            view[:] = self._transfer(address, b"", len(view))

    def writeto_then_readfrom(
        self,
        address: int,
        out_buffer: Any,
        in_buffer: Any,
        *,
        out_start: int = 0,
        out_end: int | None = None,
        in_start: int = 0,
        in_end: int | None = None,
    ) -> None:
        """Both in one transaction. The buffers may be the same one."""
        view = _view(in_buffer, in_start, in_end)
        answer = self._transfer(address, bytes(_view(out_buffer, out_start, out_end)), len(view))
        view[:] = answer

    def _transfer(self, address: int, write: bytes, read: int) -> bytes:
        if address != self._address:
            raise OutOfRange(
                f"the driver talks to {address:#04x}, and its device is at {self._address:#04x}: write"
                f" `address: {address:#04x}`"
            )
        self._clock.check()
        began = self._clock.monotonic()
        try:
            answer = self._bus.transfer(address, write, read)
        except BusError as error:
            self.error = error
            self._clock.spend(1, began)
            raise WireError(error) from None
        self.error = None
        self.answered += 1
        self._clock.spend(1 + len(write) + (1 + read if write and read else read), began)
        return answer


def _view(buffer: Any, start: int, end: int | None) -> memoryview:
    return memoryview(buffer).cast("B")[start:end]
