"""Header pins through gpiozero; the only file that imports gpiozero and lgpio, both when pins are opened.

Invariants
- The pin factory is chosen here, explicitly: gpiozero's global `Device.pin_factory` is neither read nor set, and
  there is no fallback from one backend to another. Two runtimes in one process have nothing in common.
- A callback never raises into the library (one exception ends lgpio's only notify thread, and with it every pin) and
  does one thing: hand on the level with the time of the edge.
- That time is the kernel's own stamp, which lgpio hands on (CLOCK_MONOTONIC since Linux 5.7). Where it cannot be one
  of the clock behind the injected `now` - an older kernel stamps with wall time - it is `now`.
- No debouncing by the library (it loses edges, and its mock ignores the setting): `drivers.kit.decoders` settles levels
  from their times, the same on a Pi and in simulation.
"""

import contextlib
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, overload

from drivers.errors import BadPin, BusUnavailable, PinError, PinInUse, PinUnavailable
from drivers.wires.gpiochip import find_chip, work_folder
from drivers.wires.pwm import LgpioPulses, MockPulses, Pulses, Pulsing
from drivers.wires.spi import HeaderSpi
from drivers.wires.wire import InputPin, OutputPin, Pull

HEADER = range(28)
"""BCM numbers that reach the 40-pin header."""

LATEST = 10.0
"""Seconds that an edge may be older than its delivery: a busy machine is late, another clock is years off."""

_DEV = Path("/dev")
_log = logging.getLogger(__name__)


@overload
def pin_factory(
    backend: Literal["sim"], *, now: Callable[[], float], wait: Callable[[float], None] | None = None
) -> "SimulatedPins": ...
@overload
def pin_factory(
    backend: Literal["real"],
    *,
    now: Callable[[], float],
    wait: Callable[[float], None],
    chip: int | str | None = None,
) -> "HeaderPins": ...
def pin_factory(
    backend: Literal["sim", "real"],
    *,
    now: Callable[[], float],
    wait: Callable[[float], None] | None = None,
    chip: int | str | None = None,
) -> "HeaderPins":
    """Open the header.

    backend  "real": lgpio, on a Raspberry Pi; "sim": a private gpiozero mock
    now      monotonic seconds; on a board those of CLOCK_MONOTONIC, with which the kernel stamps edges. Any thread
    wait     called with seconds when a driver waits; simulated, time does not pass without it
    chip     gpiochip number or label, where the header is not found by itself
    Raises `PinUnavailable` with the remedy.
    """
    if backend == "sim":
        return SimulatedPins(now=now, wait=wait)
    return HeaderPins(_lgpio_factory(chip), now=now, wait=wait)


class HeaderPins:
    """The pins of one gpiozero factory; see `drivers.wires.wire.Pins`. `lost` counts edges whose receiver raised."""

    def __init__(self, factory: Any, *, now: Callable[[], float], wait: Callable[[float], None] | None) -> None:
        import gpiozero

        self.lost = 0
        self._zero = gpiozero
        self._factory = factory
        self._now = now
        self._wait = wait
        self._open: dict[int, _Pin | Pulsing] = {}
        self._pulse_chip: int | None = None
        self._lock = threading.RLock()

    def input(self, number: int, *, pull: Pull) -> InputPin:
        """Open an input with this pull resistor (`none`: the wiring provides one)."""
        pull_up = {"up": True, "down": False, "none": None}[pull]
        options = {"pull_up": pull_up, "active_state": True if pull_up is None else None}
        with self._lock:
            pin = _Input(self, number, self._device(self._zero.InputDevice, number, options))
            self._open[number] = pin
        return pin

    def output(self, number: int, *, level: bool) -> OutputPin:
        """Open an output that drives `level` from its first moment."""
        with self._lock:
            options = {"initial_value": level}
            pin = _Output(self, number, self._device(self._zero.DigitalOutputDevice, number, options))
            self._open[number] = pin
            self.driven(number, level)
        return pin

    def pwm(self, number: int, *, frequency: float, duty: float) -> Pulsing:
        """Open an output that is high for the share `duty` of each period; see `drivers.wires.pwm`."""
        pin = Pulsing(self, number, frequency, duty)
        with self._lock:
            self._require_free(number)
            with self.translating(number):
                # gpiozero's SPI asks there who has its pins
                self._factory.reserve_pins(pin, number)
                self._open[number] = pin
                try:
                    pin.begin(self._pulses(number, duty == 1))
                except BaseException:
                    self.released(pin)
                    raise
        return pin

    def wait(self, seconds: float) -> None:
        if self._wait is not None:
            self._wait(seconds)

    def spi(self, port: int, select: int, *, mode: int, rate: int, wait: Callable[[float], None]) -> HeaderSpi:
        """Open one chip select of the kernel's SPI bus; its pins belong to it then. Raises `BusUnavailable`."""
        node = _DEV / f"spidev{port}.{select}"
        # gpiozero would take the pins in silence and send the bits by itself, hundreds of times slower
        if not node.exists():
            raise BusUnavailable(f"no {node}: switch SPI on with `sudo raspi-config nonint do_spi 0`")
        if not os.access(node, os.R_OK | os.W_OK):
            raise BusUnavailable(f"no permission for {node}: `sudo usermod -aG spi $USER`, then log in again")
        from gpiozero.pins.lgpio import LGPIOHardwareSPI

        with self._lock:
            try:
                interface = self._factory.spi(port=port, device=select)
                if not isinstance(interface, LGPIOHardwareSPI):
                    interface.close()
                    raise OSError("lgpio could not open it, and bits sent by hand are too slow")
                interface.clock_mode, interface.rate = mode, rate
            except Exception as error:
                raise BusUnavailable(f"{node} cannot be used: {error}") from error
        return HeaderSpi(f"spi-{port}.{select}", interface, wait=wait)

    def now(self) -> float:
        """Monotonic seconds, by the clock of the edges."""
        return self._now()

    def close(self) -> None:
        """Give every pin back, also those after one that fails; idempotent."""
        with contextlib.ExitStack() as stack:
            stack.callback(self._factory.close)
            chip, self._pulse_chip = self._pulse_chip, None
            if chip is not None:
                import lgpio

                stack.callback(lgpio.gpiochip_close, chip)
            for pin in tuple(self._open.values()):
                stack.callback(pin.close)

    def driven(self, number: int, level: float) -> None:
        """An output was opened at or set to this level, or share of each period; the simulation keeps a history."""
        return

    def _pulses(self, number: int, level: bool) -> Pulses:
        """What makes the pulses of a pin, driving `level` until it is told more."""
        import lgpio

        if self._pulse_chip is None:
            # a handle of our own: gpiozero keeps its own to itself
            self._pulse_chip = lgpio.gpiochip_open(self._factory.chip)
        return LgpioPulses(lgpio, self._pulse_chip, number, level=level)

    def moment(self, stamp: float) -> float:
        """The time of an edge that the library stamped so (seconds) and delivers now."""
        now = self._now()
        return stamp if now - LATEST <= stamp <= now else now

    def deliver(self, emit: Callable[[bool, float], None], level: bool, stamp: float) -> None:
        """Hand one edge on. What goes wrong is logged and counted: raising would stop every pin."""
        try:
            emit(level, self.moment(stamp))
        except Exception:  # noqa: BLE001 - the library's thread must survive anything
            self.lost += 1
            _log.exception("an edge was lost: its receiver raised")

    def released(self, pin: "_Pin | Pulsing") -> None:
        """A pin was closed; its number is free again."""
        with self._lock:
            self._factory.release_pins(pin, pin.number)
            if self._open.get(pin.number) is pin:
                del self._open[pin.number]

    def _device(self, kind: Any, number: int, options: dict[str, Any]) -> Any:
        self._require_free(number)
        with self.translating(number):
            return kind(number, pin_factory=self._factory, **options)

    def _require_free(self, number: int) -> None:
        _require_on_header(number)
        if number in self._open:
            raise PinInUse(f"GPIO{number} already belongs to another device: give one of them another pin")

    @contextlib.contextmanager
    def translating(self, number: int) -> Iterator[None]:
        """Whatever gpiozero or lgpio raise about this pin becomes a `PinError`."""
        try:
            yield
        except Exception as error:
            raise self._translate(number, error) from error

    def _translate(self, number: int, error: Exception) -> PinError:
        if isinstance(error, self._zero.GPIOPinInUse) or "busy" in str(error).lower():
            return PinInUse(f"GPIO{number} is held by another process: `gpioinfo` names it ({error})")
        if isinstance(error, self._zero.PinFixedPull):
            return BadPin(f"GPIO{number} has a resistor on the board that decides its pull ({error})")
        return PinUnavailable(f"GPIO{number} cannot be used: {error}")


class _Pin:
    """One open pin: a gpiozero device that holds a place in the reservations."""

    def __init__(self, pins: HeaderPins, number: int, device: Any) -> None:
        self.number = number
        self._pins = pins
        self._device = device

    def level(self) -> bool:
        with self._pins.translating(self.number):
            if self._device.closed:
                raise PinUnavailable("it is closed")
            return bool(self._device.pin.state)

    def close(self) -> None:
        self._device.close()
        self._pins.released(self)


class _Input(_Pin):
    """Edges come from the pin itself: one layer below gpiozero's events, which have no times."""

    _emit: Callable[[bool, float], None] | None = None

    def watch(self, emit: Callable[[bool, float], None]) -> None:
        self._emit = emit
        with self._pins.translating(self.number):
            self._device.pin.edges = "both"
            # the library keeps a weak reference only: this pin lives as long as it is open
            self._device.pin.when_changed = self._changed

    def close(self) -> None:
        if self._emit is not None and not self._device.closed:
            self._device.pin.when_changed = None
        self._emit = None
        super().close()

    def _changed(self, stamp: float, level: int) -> None:
        emit = self._emit
        if emit is not None:
            self._pins.deliver(emit, bool(level), stamp)


class _Output(_Pin):
    def drive(self, level: bool) -> None:
        with self._pins.translating(self.number):
            self._device.value = level
        self._pins.driven(self.number, level)


class SimulatedPins(HeaderPins):
    """The header without a board: what is soldered to it is driven and watched by `drive`, `level`, `history`."""

    def __init__(self, *, now: Callable[[], float], wait: Callable[[float], None] | None = None) -> None:
        from gpiozero.pins.mock import MockFactory, MockPWMPin

        # Both arguments are given so that GPIOZERO_MOCK_* variables of somebody's shell change nothing.
        super().__init__(MockFactory(revision="a02082", pin_class=MockPWMPin), now=now, wait=wait)
        self._mocks: dict[int, Any] = {}
        self._stamp = threading.local()
        self._parts: list[Callable[[float, float], None]] = []
        self._outside: dict[int, bool] = {}
        self._history: dict[int, deque[tuple[float, float]]] = {}
        self._followers: dict[int, Callable[[], None]] = {}

    def input(self, number: int, *, pull: Pull) -> InputPin:
        """As on the board: the pull decides the level until somebody drives the pin from outside."""
        pin = super().input(number, pull=pull)
        if number in self._outside:
            self.drive(number, self._outside[number])
        return pin

    def drive(self, number: int, level: bool, at: float | None = None) -> None:
        """Put a level on an input from outside; a change calls the watcher in this thread before it returns.

        `at` is when the edge was, where that is not now.
        """
        _require_on_header(number)
        pin = self._mock(number)
        if pin.function != "input":
            raise PinInUse(f"GPIO{number} is an output here: nothing outside can drive it")
        self._outside[number] = level
        self._stamp.at = at
        try:
            if level:
                pin.drive_high()
            else:
                pin.drive_low()
        finally:
            self._stamp.at = None

    def wait(self, seconds: float) -> None:
        """Let time pass, then let the parts do what they did meanwhile, at its own times."""
        begin = self._now()
        super().wait(seconds)
        with self._lock:
            for part in self._parts:
                part(begin, begin + seconds)

    def passing(self, part: Callable[[float, float], None]) -> None:
        """Call `part(begin, end)` after somebody waited from `begin` to `end`, in the waiting thread, one at a time.

        Of several threads each waits for itself: their times can overlap.
        """
        self._parts.append(part)

    def moment(self, stamp: float) -> float:
        """When the edge that is being driven was: the mock's own stamps are of another clock."""
        at: float | None = getattr(self._stamp, "at", None)
        return self._now() if at is None else at

    def level(self, number: int) -> bool:
        """The level on the pin now, whoever makes it; high for one that pulses."""
        return bool(self._mock(number).state)

    def duty(self, number: int) -> float:
        """The share of the time for which the pin is high: 0 or 1 where nobody makes it pulse."""
        return float(self._mock(number).state)

    def frequency(self, number: int) -> float | None:
        """How often a second the pin pulses; None for one that was not opened for it."""
        frequency: float | None = self._mock(number).frequency
        return frequency

    def history(self, number: int) -> list[tuple[float, float]]:
        """What the output was opened with and set to, oldest first, as (time, level) or, of one that pulses, (time,
        share of each period); kept after `close()`."""
        return list(self._history.get(number, ()))

    def follow(self, number: int, follower: Callable[[], None]) -> None:
        """Call `follower()` after an output was opened or set, in the setting thread; one a pin."""
        self._followers[number] = follower

    def _mock(self, number: int) -> Any:
        """The pin; gpiozero looks for it in every header that the board has, which takes longer than to drive it."""
        if number not in self._mocks:
            self._mocks[number] = self._factory.pin(number)
        return self._mocks[number]

    def _pulses(self, number: int, level: bool) -> Pulses:
        return MockPulses(self._mock(number))

    def driven(self, number: int, level: float) -> None:
        self._history.setdefault(number, deque(maxlen=10_000)).append((self._now(), level))
        follower = self._followers.get(number)
        if follower is not None:
            follower()


def _require_on_header(number: int) -> None:
    if number not in HEADER:
        raise BadPin(f"there is no GPIO{number} on the header: BCM numbers go from 0 to {HEADER[-1]}")


def _lgpio_factory(chip: int | str | None) -> Any:
    folder = work_folder()
    os.environ["LG_WD"] = folder
    try:
        # The import makes a FIFO and changes the process's working directory to LG_WD; relative paths of a
        # configuration must not move with it.
        with contextlib.chdir(folder):
            import lgpio
    except ImportError as error:
        raise PinUnavailable(
            "lgpio is not installed: `pip install 'edge-runtime[pi]'`, or set `backend: sim`"
        ) from error
    from gpiozero import GPIOZeroError
    from gpiozero.pins.lgpio import LGPIOFactory

    number = find_chip(lgpio, chip, _DEV)
    try:
        factory = LGPIOFactory(chip=number)
        _ = factory.board_info  # asks for the board's revision, which only a Raspberry Pi has
    except (GPIOZeroError, lgpio.error) as error:
        raise PinUnavailable(f"gpiochip{number} cannot be used by gpiozero: {error}") from error
    return factory
