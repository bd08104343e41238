"""Header pins through gpiozero; the only file that imports gpiozero and lgpio, both when pins are opened.

Invariants
- The pin factory is chosen here, explicitly: gpiozero's global `Device.pin_factory` is neither read nor set, and
  there is no fallback from one backend to another. Two runtimes in one process have nothing in common.
- A callback never raises into the library (one exception ends lgpio's only notify thread, and with it every pin) and
  does one thing: hand on the level with the time of the edge.
- That time is the kernel's own stamp, which lgpio hands on (CLOCK_MONOTONIC since Linux 5.7). Where it cannot be one
  of the clock behind the injected `now` - an older kernel stamps with wall time - it is `now`.
- No debouncing by the library (it loses edges, and its mock ignores the setting): `drivers.decoders` settles levels
  from their times, the same on a Pi and in simulation.
"""

import contextlib
import logging
import os
import shutil
import tempfile
import threading
from atexit import register as at_exit
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, overload

from drivers.base import InputPin, OutputPin, Pull
from drivers.errors import BadPin, BusUnavailable, PinError, PinInUse, PinUnavailable
from drivers.spi import HeaderSpi

HEADER = range(28)
"""BCM numbers that reach the 40-pin header."""

LABELS = ("pinctrl-rp1", "pinctrl-bcm2711", "pinctrl-bcm2835")
"""Labels of the GPIO chip behind the header: Pi 5, Pi 4, earlier ones."""

LATEST = 10.0
"""Seconds that an edge may be older than its delivery: a busy machine is late, another clock is years off."""

_DEV = Path("/dev")
_log = logging.getLogger(__name__)


@overload
def pin_factory(backend: Literal["sim"], *, now: Callable[[], float]) -> "SimulatedPins": ...
@overload
def pin_factory(
    backend: Literal["real"], *, now: Callable[[], float], chip: int | str | None = None
) -> "HeaderPins": ...
def pin_factory(
    backend: Literal["sim", "real"], *, now: Callable[[], float], chip: int | str | None = None
) -> "HeaderPins":
    """Open the header.

    backend  "real": lgpio, on a Raspberry Pi; "sim": a private gpiozero mock
    now      monotonic seconds; on a board those of CLOCK_MONOTONIC, with which the kernel stamps edges. Any thread
    chip     gpiochip number or label, where the header is not found by itself
    Raises `PinUnavailable` with the remedy.
    """
    if backend == "sim":
        return SimulatedPins(now=now)
    return HeaderPins(_lgpio_factory(chip), now=now)


class HeaderPins:
    """The pins of one gpiozero factory; see `drivers.base.Pins`. `lost` counts edges whose receiver raised."""

    def __init__(self, factory: Any, *, now: Callable[[], float]) -> None:
        import gpiozero

        self.lost = 0
        self._zero = gpiozero
        self._factory = factory
        self._now = now
        self._open: dict[int, _Pin] = {}
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
        for pin in tuple(self._open.values()):
            pin.close()
        self._factory.close()

    def driven(self, number: int, level: bool) -> None:
        """An output was opened at or set to `level`; the simulation keeps a history of it."""
        return

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

    def released(self, pin: "_Pin") -> None:
        """A pin was closed; its number is free again."""
        with self._lock:
            if self._open.get(pin.number) is pin:
                del self._open[pin.number]

    def _device(self, kind: Any, number: int, options: dict[str, Any]) -> Any:
        _require_on_header(number)
        if number in self._open:
            raise PinInUse(f"GPIO{number} already belongs to another device: give one of them another pin")
        with self.translating(number):
            return kind(number, pin_factory=self._factory, **options)

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

    def __init__(self, *, now: Callable[[], float]) -> None:
        from gpiozero.pins.mock import MockFactory, MockPin

        # Both arguments are given so that GPIOZERO_MOCK_* variables of somebody's shell change nothing.
        super().__init__(MockFactory(revision="a02082", pin_class=MockPin), now=now)
        self._outside: dict[int, bool] = {}
        self._history: dict[int, deque[tuple[float, bool]]] = {}
        self._followers: dict[int, Callable[[], None]] = {}

    def input(self, number: int, *, pull: Pull) -> InputPin:
        """As on the board: the pull decides the level until somebody drives the pin from outside."""
        pin = super().input(number, pull=pull)
        if number in self._outside:
            self.drive(number, self._outside[number])
        return pin

    def drive(self, number: int, level: bool) -> None:
        """Put a level on an input from outside; a change calls the watcher in this thread before it returns."""
        _require_on_header(number)
        pin = self._factory.pin(number)
        if pin.function != "input":
            raise PinInUse(f"GPIO{number} is an output here: nothing outside can drive it")
        self._outside[number] = level
        if level:
            pin.drive_high()
        else:
            pin.drive_low()

    def moment(self, stamp: float) -> float:
        """Simulated edges happen now: the mock's stamps are of another clock."""
        return self._now()

    def level(self, number: int) -> bool:
        """The level on the pin now, whoever makes it."""
        return bool(self._factory.pin(number).state)

    def history(self, number: int) -> list[tuple[float, bool]]:
        """What the output was opened with and set to, oldest first, as (time, level); kept after `close()`."""
        return list(self._history.get(number, ()))

    def follow(self, number: int, follower: Callable[[], None]) -> None:
        """Call `follower()` after an output was opened or set, in the setting thread; one a pin."""
        self._followers[number] = follower

    def driven(self, number: int, level: bool) -> None:
        self._history.setdefault(number, deque(maxlen=10_000)).append((self._now(), level))
        follower = self._followers.get(number)
        if follower is not None:
            follower()


def _require_on_header(number: int) -> None:
    if number not in HEADER:
        raise BadPin(f"there is no GPIO{number} on the header: BCM numbers go from 0 to {HEADER[-1]}")


def _lgpio_factory(chip: int | str | None) -> Any:
    folder = _work_folder()
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

    number = _find_chip(lgpio, chip)
    try:
        factory = LGPIOFactory(chip=number)
        _ = factory.board_info  # asks for the board's revision, which only a Raspberry Pi has
    except (GPIOZeroError, lgpio.error) as error:
        raise PinUnavailable(f"gpiochip{number} cannot be used by gpiozero: {error}") from error
    return factory


def _work_folder() -> str:
    """A folder of this process alone for lgpio's FIFO: two processes in one folder disturb each other."""
    for name in ("LG_WD", "RUNTIME_DIRECTORY"):
        folder = os.environ.get(name)
        if folder and os.access(folder, os.W_OK):
            return folder
    folder = tempfile.mkdtemp(prefix="edge-lgpio-")
    at_exit(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _find_chip(lgpio: Any, wanted: int | str | None) -> int:
    """The number of the gpiochip with the wanted number or label; numbers differ between kernels, labels do not."""
    if isinstance(wanted, int):
        return wanted
    found: dict[str, int] = {}
    refused: list[str] = []
    for number in sorted(int(p.name.removeprefix("gpiochip")) for p in _DEV.glob("gpiochip*")):
        try:
            handle = lgpio.gpiochip_open(number)
        except lgpio.error:
            refused.append(f"gpiochip{number}")
            continue
        try:
            found.setdefault(str(lgpio.gpio_get_chip_info(handle)[3]), number)
        finally:
            lgpio.gpiochip_close(handle)
    for label in [wanted] if wanted else LABELS:
        if label in found:
            return found[label]
    if refused:
        raise PinUnavailable(
            f"no permission for {', '.join(refused)}: `sudo usermod -aG gpio $USER`, then log in again"
        )
    seen = ", ".join(f"{label} (gpiochip{n})" for label, n in found.items()) or "no gpiochip at all"
    raise PinUnavailable(f"no GPIO chip labelled {wanted or ' or '.join(LABELS)} here; found {seen}")
