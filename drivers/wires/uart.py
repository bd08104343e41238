"""Serial ports with one part at their end; the only file that imports pyserial, when a port is first used.

Invariants
- A port is opened when it is first used and given up at every error, so a USB adapter may be pulled and put back.
- It is opened for this process alone: a login console or a second program on it is an error, not half of the bytes.
- What pyserial raises becomes a `BusError` here and nowhere else. Silence is no error of the port: `read` gives what
  came in time, and the driver says what that means.
"""

import errno
import os
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

from drivers.base import Device
from drivers.errors import BusError, BusFault, BusTimeout, BusUnavailable, Nack

if TYPE_CHECKING:
    import serial

WRITE_LIMIT = 2.0
"""Seconds that the longest command may take to leave."""

_MISSING = (
    "no such port: `ls -l /dev/serial/by-id` lists USB adapters; the header's is switched on with"
    " `sudo raspi-config nonint do_serial_hw 0` and freed with `sudo raspi-config nonint do_serial_cons 1`"
)
_TAKEN = (
    "another program has it open: a login console (`sudo raspi-config nonint do_serial_cons 1`) or a second gateway"
)
_GROUP = "no permission: `sudo usermod -aG dialout $USER`, then log in again"
_BY_ERRNO: dict[int, tuple[type[BusError], str]] = {
    errno.ENOENT: (BusUnavailable, _MISSING),
    errno.ENOTTY: (BusUnavailable, "it is no serial port"),
    errno.EACCES: (BusUnavailable, _GROUP),
    errno.EPERM: (BusUnavailable, _GROUP),
    errno.EBUSY: (BusUnavailable, _TAKEN),
    errno.EAGAIN: (BusUnavailable, _TAKEN),
    errno.EIO: (Nack, "the adapter was pulled, or the other side is gone"),
    errno.ENXIO: (Nack, "the adapter was pulled, or the other side is gone"),
    errno.ENODEV: (Nack, "the adapter was pulled, or the other side is gone"),
}


class Line(Protocol):
    """A serial line with 8 data bits, no parity and one stop bit. Blocking; one thread."""

    name: str

    def write(self, data: bytes) -> None:
        """Send all of it; raises `BusError`."""

    def read(self, count: int, within: float) -> bytes:
        """`count` bytes, or fewer where no more came within so many seconds; raises `BusError`."""

    def drain(self) -> None:
        """Forget what came in and was not read."""

    def wait(self, seconds: float) -> None:
        """Let the part do what it was told."""

    def close(self) -> None: ...


class SerialPort:
    """One port of this machine: `/dev/ttyUSB0`, `ttyAMA0`, a name below `/dev/serial/by-id`. Touches nothing yet."""

    def __init__(self, path: str, baud: int, *, wait: Callable[[float], None]) -> None:
        self.name = str(Path("/dev") / path)
        self._baud = baud
        self._wait = wait
        self._port: serial.Serial | None = None

    def write(self, data: bytes) -> None:
        with self._translating() as port:
            port.write(data)

    def read(self, count: int, within: float) -> bytes:
        with self._translating() as port:
            port.timeout = within
            return bytes(port.read(count))

    def drain(self) -> None:
        with self._translating() as port:
            port.reset_input_buffer()

    def wait(self, seconds: float) -> None:
        self._wait(seconds)

    def close(self) -> None:
        port, self._port = self._port, None
        if port is not None:
            port.close()

    @contextmanager
    def _translating(self) -> Iterator["serial.Serial"]:
        try:
            import serial
        except ImportError as error:
            raise BusUnavailable(
                f"{self.name}: pyserial is not installed: `pip install 'edge-runtime[serial]'`, or set `backend: sim`"
            ) from error
        opening = self._port is None
        try:
            if self._port is None:
                self._port = serial.Serial(self.name, self._baud, exclusive=True, write_timeout=WRITE_LIMIT)
            yield self._port
        except (OSError, termios.error) as error:
            self.close()
            if isinstance(error, serial.SerialTimeoutException):
                raise BusTimeout(f"{self.name}: the bytes do not leave: is flow control on?") from error
            raise self._translate(error, opening=opening) from error

    def _translate(self, error: Exception, *, opening: bool) -> BusError:
        # pyserial wraps some errors of termios, without their errno
        causes = (error, error.__context__)
        number = next((one.args[0] for one in causes if one is not None and isinstance(one.args[0], int)), 0)
        # pyserial tells of a port that vanished while it was open without an errno
        otherwise = BusFault if opening or number else Nack
        kind, remedy = _BY_ERRNO.get(number, (otherwise, "the adapter failed or was pulled"))
        code = errno.errorcode.get(number, str(error))
        return kind(f"{self.name}: {remedy} ({code})")


def ports(folder: Path = Path("/dev")) -> list[str]:
    """The serial ports that this machine has, the stable names of USB adapters first."""
    by_id = sorted(folder.glob("serial/by-id/*"))
    usual = [
        path for pattern in ("serial[0-9]", "ttyUSB*", "ttyACM*", "ttyAMA*") for path in sorted(folder.glob(pattern))
    ]
    return [os.fspath(path) for path in [*by_id, *usual]]


class SerialDevice(Device):
    """Base of a part at the end of a serial line: `Part(line, port, **options)`.

    baud  the speed it speaks at
    """

    wire = "serial"
    baud: ClassVar[int] = 9600

    def __init__(self, line: Line, port: str | None = None) -> None:
        self.line = line
        self.port = port

    def silence(self) -> BusTimeout:
        """The error of a part that says nothing."""
        return BusTimeout(
            f"{self.line.name}: {type(self).__name__} said nothing: check its power, and that TX goes to RX and RX"
            " to TX"
        )

    def close(self) -> None:
        """Nothing to do for a part that may simply go on."""
        return
