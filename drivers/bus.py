"""I2C through the kernel (`/dev/i2c-N`); the only file that imports smbus2.

Invariants
- One `transfer` is one `I2C_RDWR` ioctl: the address travels in the message, so no other thread can redirect it.
  (SMBus calls select the address by a separate ioctl; two threads on one handle then read each other's chips.)
- Errno becomes a `BusError` here and nowhere else.
- A lost arbitration is repeated at once, `ATTEMPTS` times in all: the other master is soon done. Everything else that
  may pass is repeated by whoever sampled, after a pause.
- An adapter that went away while it was open (USB unplugged, driver unbound) is `AdapterGone`. Its handle is closed
  then: a dead one never comes to life again. The next transfer opens the bus anew.
- smbus2 is imported when a bus is opened: a machine without I2C never pays for it.

Adapters without plain I2C (`i2c-stub`, some SMBus controllers) answer `EOPNOTSUPP`; there a transfer becomes the
SMBus call of the same shape, under the lock, at most 32 bytes, and what has no such call is `BusUnavailable`.
"""

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from drivers.errors import AdapterGone, ArbitrationLost, BusError, BusFault, BusTimeout, BusUnavailable, Nack

if TYPE_CHECKING:
    import smbus2

SYSFS = Path("/sys/bus/i2c/devices")
ATTEMPTS = 3

_TURN_ON = "switch I2C on with `sudo raspi-config nonint do_i2c 0` (or dtparam=i2c_arm=on and module i2c-dev)"
_JOIN = "add the user to the group: `sudo usermod -aG i2c $USER`, then log in again"

_BY_ERRNO: dict[int, tuple[type[BusError], str]] = {
    # Adapters disagree about the errno of an address that nobody answers; these three are in use.
    errno.EREMOTEIO: (Nack, "no answer: check wiring, power and address"),
    errno.ENXIO: (Nack, "no answer: check wiring, power and address"),
    errno.ENODEV: (Nack, "no answer: check wiring, power and address"),
    errno.ETIMEDOUT: (BusTimeout, "the bus hung: a chip holds SCL or SDA low, power-cycle it"),
    errno.EAGAIN: (ArbitrationLost, "another master won the bus"),
    errno.EBUSY: (BusUnavailable, "a kernel driver owns this address: unbind it or use its hwmon/IIO values"),
    errno.EACCES: (BusUnavailable, f"no permission: {_JOIN}"),
    errno.EPERM: (BusUnavailable, f"no permission: {_JOIN}"),
    errno.ENOENT: (BusUnavailable, f"no such bus: {_TURN_ON}"),
    errno.EOPNOTSUPP: (BusUnavailable, "this adapter cannot do the transfer: use another bus"),
}


class SMBusBus:
    """One kernel I2C bus, opened at once.

    path    a number (1), a name ("i2c-1") or a device node ("/dev/i2c-1", also a udev name)
    wait    called with seconds when a driver must let a conversion finish
    Raises `BusUnavailable` with the remedy when the bus cannot be opened.
    """

    def __init__(self, path: int | str, *, wait: Callable[[float], None]) -> None:
        self.path = f"/dev/i2c-{path}" if isinstance(path, int) else str(Path("/dev") / path)
        self._wait = wait
        self._lock = threading.Lock()
        self._mine: set[int] = set()
        self._closed = self._lost = False
        import smbus2

        self._smbus2 = smbus2
        self._smbus: smbus2.SMBus | None = None
        self._node: tuple[int, int, int] | None = None
        self._plain_i2c = True
        self._open()

    def transfer(self, address: int, write: bytes, read: int = 0) -> bytes:
        """See `drivers.wires.wire.Bus`. An empty write with no read is refused: adapters differ on what it does."""
        if not write and not read:
            raise ValueError("a transfer writes or reads at least one byte")
        with self._lock:
            smbus = self._opened()
            self._refuse_kernel_owned(address)
            how = self._combined if self._plain_i2c else self._smbus_call
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    return how(smbus, address, write, read)
                except OSError as error:
                    if isinstance(error, BusError):
                        raise
                    if error.errno != errno.EAGAIN or attempt == ATTEMPTS:
                        raise self._failed(error, address) from error
        raise AssertionError("the last attempt returns or raises")

    def probe(self, address: int, *, reading: bool) -> bool:
        """See `drivers.wires.wire.Probing`. An adapter without quick writes reads a byte instead: chips that only take
        commands may then stay unseen."""
        with self._lock:
            smbus = self._opened()
            self._refuse_kernel_owned(address)
            try:
                if reading or not smbus.funcs & self._smbus2.I2cFunc.SMBUS_QUICK:
                    smbus.read_byte(address)
                else:
                    smbus.write_quick(address)
            except OSError as error:
                failure = self._failed(error, address)
                if isinstance(failure, Nack):
                    return False
                raise failure from error
            return True

    @property
    def quick(self) -> bool:
        """Whether the adapter can ask an address without a byte of data."""
        with self._lock:
            return bool(self._opened().funcs & self._smbus2.I2cFunc.SMBUS_QUICK)

    def owner(self, address: int) -> str | None:
        """The kernel driver that has the chip at this address."""
        number = os.path.realpath(self.path).rpartition("-")[2]
        driver = SYSFS / f"{number}-{address:04x}" / "driver"
        return driver.resolve().name if driver.exists() else None

    def wait(self, seconds: float) -> None:
        self._wait(seconds)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._let_go()

    def _open(self) -> None:
        try:
            self._smbus = self._smbus2.SMBus(self.path)
            self._node = _identity(self.path)
        except OSError as error:
            if self._lost and error.errno in (errno.ENOENT, errno.ENXIO, errno.ENODEV):
                raise self._gone() from error
            raise self._translate(error, None) from error
        self._plain_i2c = bool(self._smbus.funcs & self._smbus2.I2cFunc.I2C)
        self._mine.clear()
        self._lost = False

    def _opened(self) -> "smbus2.SMBus":
        if self._closed:
            raise BusUnavailable(f"{self.path} is closed")
        if self._smbus is None:
            self._open()
        assert self._smbus is not None
        return self._smbus

    def _let_go(self) -> None:
        smbus, self._smbus = self._smbus, None
        if smbus is not None:
            smbus.close()

    def _failed(self, error: OSError, address: int) -> BusError:
        """What became of a transfer; the handle of an adapter that is gone is closed."""
        if _identity(self.path) == self._node:
            return self._translate(error, address)
        self._lost = True
        self._let_go()
        return self._gone()

    def _gone(self) -> AdapterGone:
        return AdapterGone(
            f"{self.path}: the adapter is gone: plug it in again, or load its driver; the bus is opened anew by itself"
        )

    def _combined(self, smbus: "smbus2.SMBus", address: int, write: bytes, read: int) -> bytes:
        messages = []
        if write:
            messages.append(self._smbus2.i2c_msg.write(address, write))
        if read:
            messages.append(self._smbus2.i2c_msg.read(address, read))
        smbus.i2c_rdwr(*messages)
        return bytes(messages[-1]) if read else b""

    def _smbus_call(self, smbus: "smbus2.SMBus", address: int, write: bytes, read: int) -> bytes:
        register, data = write[:1], write[1:]
        if read == 0 and len(data) <= 32:
            if not data:
                smbus.write_byte(address, register[0])
            elif len(data) == 1:
                smbus.write_byte_data(address, register[0], data[0])
            elif len(data) == 2:
                smbus.write_word_data(address, register[0], int.from_bytes(data, "little"))
            else:
                smbus.write_i2c_block_data(address, register[0], list(data))
            return b""
        if not register and read == 1:
            return bytes([smbus.read_byte(address)])
        if register and not data and read <= 32:
            if read == 1:
                return bytes([smbus.read_byte_data(address, register[0])])
            if read == 2:
                # SMBus words travel low byte first: the bytes come back in the order of the wire
                return smbus.read_word_data(address, register[0]).to_bytes(2, "little")
            return bytes(smbus.read_i2c_block_data(address, register[0], read))
        raise BusUnavailable(
            f"{self.path} has no plain I2C, and no SMBus call writes {len(write)} and reads {read} bytes:"
            " use another bus for this chip"
        )

    def _refuse_kernel_owned(self, address: int) -> None:
        # I2C_RDWR, unlike the SMBus calls, does not notice that a kernel driver talks to the same chip.
        if address in self._mine:
            return
        owner = self.owner(address)
        if owner is not None:
            raise BusUnavailable(
                f"{self.path} {address:#04x}: kernel driver '{owner}' owns this address:"
                " unbind it or use its hwmon/IIO values"
            )
        self._mine.add(address)

    def _translate(self, error: OSError, address: int | None) -> BusError:
        number = error.errno or 0
        name = errno.errorcode.get(number, "unknown error")
        kind, remedy = _BY_ERRNO.get(number, (BusFault, "the adapter failed"))
        if address is None and not issubclass(kind, BusUnavailable):
            kind, remedy = BusUnavailable, _TURN_ON
        where = self.path if address is None else f"{self.path} {address:#04x}"
        return kind(f"{where}: {remedy} ({name})")


def _identity(path: str) -> tuple[int, int, int] | None:
    """Which device node stands at a path; another one, or None, after its adapter went away."""
    try:
        node = Path(path).stat()
    except OSError:
        return None
    return node.st_dev, node.st_ino, node.st_rdev
