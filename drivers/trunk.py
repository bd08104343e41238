"""An I2C bus as its drivers share it: the multiplexers on it, and how the bus itself does.

    trunk = Trunk("i2c-1", bus)                            trunk.transfer(...) reaches what is on the bus itself
    left = trunk.branch(0x70, 0)                           left.transfer(...) what is behind channel 0 of 0x70

Invariants
- A transfer behind a multiplexer is "select, then transfer" under one lock of the trunk: nobody selects in between.
- A channel counts as selected only after the multiplexer showed the selection when it was read back; that is forgotten
  after any error, and when somebody writes to the multiplexer himself.
- At most one channel of one multiplexer is joined to the bus: the others are let go first. Where one of them does not
  answer to that, no chip is asked whose address is also behind it: two chips would answer at once.

So a reading may fail, and never comes from the same chip on another channel. The register, one bit a channel, is that
of the TCA9548A and its family: see `drivers.tca9548a`.
"""

import threading
from collections.abc import Callable
from typing import Final, cast

from drivers.base import Bus, Driver, Probing, Timed
from drivers.errors import AdapterGone, BusError, BusFault, BusTimeout, BusUnavailable, Nack

HANGS: Final = 3
"""So many time-outs in a row, whoever was asked, mean that the bus hangs."""


class Multiplexer(Driver):
    """Base of a chip that joins one of several further wires to its bus: one bit a channel in its only register."""


class Trunk:
    """The bus itself, with the contract of `drivers.base.Probing`. Thread-safe.

    name      how it is called, `i2c-1`
    trouble   what is wrong with the bus as a whole and what to do about it; None while it works
    since     when that began, in the time that `now` gives
    """

    now: Callable[[], float]  # only where the bus has a time of its own

    def __init__(self, name: str, bus: Bus, *, now: Callable[[], float] = lambda: 0.0) -> None:
        self.name = name
        self.bus = bus
        if isinstance(bus, Timed):
            self.now = bus.now
        self.lock = threading.RLock()
        self.trouble: str | None = None
        self.since = 0.0
        self._now = now
        self._hangs = 0
        # multiplexer -> what its register holds; None: not known
        self._holds: dict[int, int | None] = {}
        # the bits of its register that are channels; a small one shows interrupts in the others
        self._masks: dict[int, int] = {}
        self._behind: set[tuple[int, int]] = set()

    def branch(self, multiplexer: int, channel: int, *, channels: int = 8) -> "Branch":
        """The wire behind a channel of a multiplexer with so many."""
        with self.lock:
            self._holds.setdefault(multiplexer, None)
            self._masks[multiplexer] = (1 << channels) - 1
        return Branch(self, multiplexer, channel)

    def occupy(self, multiplexer: int, address: int) -> None:
        """Somewhere behind this multiplexer is a chip with this address, which may be asked one day."""
        self._behind.add((multiplexer, address))

    def transfer(self, address: int, write: bytes, read: int = 0) -> bytes:
        with self.lock:
            if write and address in self._holds:
                self._holds[address] = None
            return self.ask(address, write, read)

    def probe(self, address: int, *, reading: bool) -> bool:
        with self.lock:
            return self._probing().probe(address, reading=reading)

    def owner(self, address: int) -> str | None:
        return self._probing().owner(address)

    def wait(self, seconds: float) -> None:
        self.bus.wait(seconds)

    def close(self) -> None:
        """The bus below stays open: it belongs to the caller."""
        return

    def let_go(self) -> None:
        """Join no channel of any multiplexer, as far as they answer."""
        with self.lock:
            for multiplexer in self._holds:
                self._release(multiplexer, None)

    def join(self, multiplexer: int, channel: int, address: int) -> None:
        """Join this channel to the bus and no other, for a transfer with `address`; the caller has the lock."""
        self.occupy(multiplexer, address)
        for other in self._holds:
            if other != multiplexer:
                self._release(other, address)
        if self._holds[multiplexer] != 1 << channel:
            self._select(multiplexer, 1 << channel)

    def forget(self, multiplexer: int) -> None:
        """What this one has selected is not known any more."""
        self._holds[multiplexer] = None

    def _select(self, multiplexer: int, wanted: int) -> None:
        self._holds[multiplexer] = None
        self.ask(multiplexer, bytes([wanted]), 0)
        (kept,) = self.ask(multiplexer, b"", 1)
        if kept & self._masks[multiplexer] != wanted:
            raise BusFault(
                f"{self.name} {multiplexer:#04x}: keeps {kept:#04x} where a multiplexer keeps {wanted:#04x}: another"
                " chip answers there, or another program switches it"
            )
        self._holds[multiplexer] = wanted

    def _release(self, multiplexer: int, address: int | None) -> None:
        if self._holds[multiplexer] == 0:
            return
        try:
            self._select(multiplexer, 0)
        except (Nack, BusFault):
            # unplugged, or another chip, it joins nothing; merely disturbed it may join one that would answer as well
            if address is not None and (multiplexer, address) in self._behind:
                raise

    def ask(self, address: int, write: bytes, read: int) -> bytes:
        """One transaction on the wire as it is joined now, and what it says about the bus; the caller has the lock."""
        try:
            answer = self.bus.transfer(address, write, read)
        except BusTimeout as error:
            self._hangs += 1
            if self._hangs >= HANGS:
                self._suffers(f"{error}; nobody has answered since: `edge devices recover {self.name}` may free it")
            raise
        except AdapterGone as error:
            self._suffers(str(error))
            raise
        except Nack:
            self._works()
            raise
        self._works()
        return answer

    def _suffers(self, trouble: str) -> None:
        if self.trouble is None:
            self.since = self._now()
        self.trouble = trouble

    def _works(self) -> None:
        self._hangs, self.trouble = 0, None

    def _probing(self) -> Probing:
        if not hasattr(self.bus, "probe"):
            raise BusUnavailable(f"{self.name} is played back from a recording: it cannot be scanned")
        return cast(Probing, self.bus)


class Branch:
    """The wire behind one channel, with the contract of `drivers.base.Probing`. Thread-safe."""

    now: Callable[[], float]  # as the trunk's

    def __init__(self, trunk: Trunk, multiplexer: int, channel: int) -> None:
        self.trunk = trunk
        if isinstance(trunk, Timed):
            self.now = trunk.now
        self.multiplexer = multiplexer
        self.channel = channel

    def transfer(self, address: int, write: bytes, read: int = 0) -> bytes:
        with self.trunk.lock:
            self._join(address)
            try:
                return self.trunk.ask(address, write, read)
            except BusError:
                self.trunk.forget(self.multiplexer)
                raise

    def probe(self, address: int, *, reading: bool) -> bool:
        with self.trunk.lock:
            self._join(address)
            return self.trunk.probe(address, reading=reading)

    def owner(self, address: int) -> str | None:
        return self.trunk.owner(address)

    def wait(self, seconds: float) -> None:
        self.trunk.wait(seconds)

    def close(self) -> None:
        return

    def _join(self, address: int) -> None:
        try:
            self.trunk.join(self.multiplexer, self.channel, address)
        except BusError as error:
            raise type(error)(f"channel {self.channel} of the multiplexer cannot be selected: {error}") from error
