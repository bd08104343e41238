"""What can go wrong with hardware, as one tree.

    DriverError                          kind          retry
    ├── BusError
    │   ├── Nack                         nack          yes   nobody answered at the address
    │   ├── BusTimeout (TimeoutError)    timeout       yes   the bus hung or the chip stretched the clock
    │   ├── ArbitrationLost              arbitration   yes   another master spoke at the same moment
    │   ├── BusFault                     bus           yes   the adapter reported anything else
    │   └── BusUnavailable (OSError)     config        no    no such bus, no permission, a kernel driver owns the chip
    │       └── AdapterGone              gone          no    the adapter was unplugged or its driver unloaded
    ├── ChipError
    │   ├── WrongChip                    wrong_chip    no    another chip answers at the address
    │   ├── BadData (ValueError)         data          yes   the bytes cannot be a measurement
    │   ├── OutOfRange (ValueError)      range         no    a value outside what the part can do
    │   └── NotStarted (RuntimeError)    usage         no    read() before start()
    ├── PinError
    │   ├── PinInUse (RuntimeError)      pin_in_use    no    the pin belongs to another device or process
    │   ├── BadPin (ValueError)          config        no    no such pin, or it cannot be used so
    │   └── PinUnavailable (OSError)     config        no    no GPIO here: not a Pi, no permission, lgpio missing
    ├── Halted                           halted        no    what it did was ended: it is to be in its safe state
    └── CatalogueError
        ├── UnknownDriver (LookupError)  config        no    nothing is installed under that name
        └── DriverClash                  config        no    two plugins claim one name

`kind` is a short label, fit for a metric. `retry` says whether the same call may succeed when it is repeated soon;
where it is False a person has to change something first, and the text says what. The runtime asks for it in one place,
when a sample failed (`edge.ingest.readings`); below that only a lost arbitration is repeated, at once and inside the
bus (`drivers.bus`), and the readings of a DHT22, whose protocol loses one in four.
"""

from typing import ClassVar


class DriverError(Exception):
    """Root of everything a driver, a bus or a pin raises on purpose."""

    kind: ClassVar[str] = "driver"
    retry: ClassVar[bool] = False


class BusError(DriverError):
    """The transfer did not happen; nothing is known about the chip's state."""

    kind = "bus"


class Nack(BusError):
    """Nobody acknowledged: check wiring, power and address; repeat after some milliseconds."""

    kind = "nack"
    retry = True


class BusTimeout(BusError, TimeoutError):
    """The transfer did not end in time: a chip holds SCL or SDA low. Power-cycle it if this stays."""

    kind = "timeout"
    retry = True


class ArbitrationLost(BusError):
    """Another master won the bus. Repeat."""

    kind = "arbitration"
    retry = True


class BusFault(BusError):
    """The adapter gave an error that is none of the others; the text carries its name."""

    kind = "bus"
    retry = True


class BusUnavailable(BusError, OSError):
    """The bus or the address cannot be used as configured; the text says what to do."""

    kind = "config"


class AdapterGone(BusUnavailable):
    """The bus itself went away while it was open; it is opened anew by the next transfer after it is back."""

    kind = "gone"


class ChipError(DriverError):
    """A chip answered, but not with a measurement."""

    kind = "chip"


class WrongChip(ChipError):
    """Another chip answers at this address: check the `driver:` and `address:` of the device."""

    kind = "wrong_chip"


class BadData(ChipError, ValueError):
    """The bytes contradict themselves (checksum, skipped or unfinished measurement). Repeat."""

    kind = "data"
    retry = True


class OutOfRange(ChipError, ValueError):
    """A reading, a setting or an address outside what the part can do."""

    kind = "range"


class NotStarted(ChipError, RuntimeError):
    """`read()` needs what `start()` learns from the chip: call `start()` first."""

    kind = "usage"


class PinError(DriverError):
    """A pin cannot be used."""

    kind = "pin"


class PinInUse(PinError, RuntimeError):
    """One pin belongs to one device: give the other device another pin."""

    kind = "pin_in_use"


class BadPin(PinError, ValueError):
    """The header has no such pin, or the board fixes its pull: choose another BCM number."""

    kind = "config"


class PinUnavailable(PinError, OSError):
    """GPIO cannot be opened on this machine; the text says what to install or change."""

    kind = "config"


class Halted(DriverError):
    """An output was stopped in the middle of what it was told: it is to go to its safe state."""

    kind = "halted"


class CatalogueError(DriverError):
    """A driver cannot be found by its name."""

    kind = "config"


class UnknownDriver(CatalogueError, LookupError):
    """No driver of that name: the text lists near names."""


class DriverClash(CatalogueError):
    """Two installed plugins register the same name: uninstall one."""
