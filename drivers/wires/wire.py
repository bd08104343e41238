"""What the wires of a driver promise: a `Bus` and the header's `Pins`, with SPI and pulses on them.

Here are the protocols only. The real ones are `drivers.bus` and `drivers.gpio`, the simulated ones `drivers.sim`; wires
with one part at their end have theirs in their own files.
"""

from collections.abc import Callable
from typing import Literal, Protocol, runtime_checkable

Pull = Literal["up", "down", "none"]

Emit = Callable[[str, bool, float], None]
"""Takes the role of a pin, its level (True = high) and the time of its edge (monotonic seconds); must not block and
must not raise."""


class Bus(Protocol):
    """An I2C bus. Blocking; safe to call from any thread, one transaction at a time."""

    def transfer(self, address: int, write: bytes, read: int = 0) -> bytes:
        """Write, then read `read` bytes in one transaction; returns exactly `read` bytes or raises `BusError`."""

    def wait(self, seconds: float) -> None:
        """Let a conversion finish. The bus, not the driver, knows what waiting means here."""

    def close(self) -> None:
        """Give the bus back; idempotent."""


@runtime_checkable
class Timed(Protocol):
    """A bus on which time is not the ordinary one: simulated, played back. Our drivers never ask; code that was
    written to read a clock is given this one. Whatever wraps a bus passes it on."""

    @property
    def now(self) -> Callable[[], float]:
        """Gives monotonic seconds."""


class Probing(Bus, Protocol):
    """A bus that can be asked who is there. Neither question means anything to a chip: no byte of data is sent."""

    def probe(self, address: int, *, reading: bool) -> bool:
        """Whether somebody acknowledges: by a write without a byte, or by a read of one. Raises any `BusError` but
        `Nack`; `BusUnavailable` where the adapter cannot ask so."""

    def owner(self, address: int) -> str | None:
        """The kernel driver that has the chip at this address; it is not to be probed then."""


class InputPin(Protocol):
    """One input; levels are electrical (True = high)."""

    def level(self) -> bool: ...

    def watch(self, emit: Callable[[bool, float], None]) -> None:
        """Call `emit(level, at)` at every edge, in the library's thread; at most one watcher a pin.

        `at` is the time of the edge, monotonic seconds.
        """

    def close(self) -> None: ...


class OutputPin(Protocol):
    """One output; levels are electrical (True = high)."""

    def level(self) -> bool: ...

    def drive(self, level: bool) -> None: ...

    def close(self) -> None:
        """Give the pin back. It becomes an input: what it controls is then held by the wiring only."""


class PwmPin(Protocol):
    """One output that pulses: high for a share of each period. Software makes the pulses: see `drivers.wires.pwm`."""

    def duty(self, share: float) -> None:
        """High for this share of each period; 0 and 1 are steady levels, at once."""

    def frequency(self, hertz: float) -> None:
        """Periods a second from now on; the share stays."""

    def close(self) -> None:
        """Give the pin back. It becomes an input: what it controls is then held by the wiring only."""


class Spi(Protocol):
    """One chip select of an SPI bus. Blocking; one thread."""

    name: str

    def transfer(self, data: bytes) -> bytes:
        """Send these bytes; what came meanwhile, as many. Raises `BusError`."""

    def wait(self, seconds: float) -> None:
        """Let a conversion finish."""

    def close(self) -> None: ...


class Pins(Protocol):
    """The header. Pins are BCM numbers; a pin belongs to one device (`PinInUse`)."""

    def now(self) -> float:
        """Monotonic seconds, by the clock that edges are stamped with. The header, not the driver, has a clock."""

    def input(self, number: int, *, pull: Pull) -> InputPin: ...

    def output(self, number: int, *, level: bool) -> OutputPin:
        """Open an output that drives `level` from its first moment."""

    def pwm(self, number: int, *, frequency: float, duty: float) -> PwmPin:
        """Open an output that is high for the share `duty` (0 to 1) of each period from its first moment."""

    def wait(self, seconds: float) -> None:
        """Let a pulse or an echo pass. The header, not the driver, knows what waiting means here."""

    def spi(self, port: int, select: int, *, mode: int, rate: int, wait: Callable[[float], None]) -> Spi:
        """One chip select of an SPI bus: clock mode 0 to 3, rate in Hz. Its pins belong to it then."""

    def close(self) -> None:
        """Close every pin opened here; idempotent."""
