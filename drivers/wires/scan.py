"""Who is on an I2C bus, and which chip it may be: without a byte that could change anything in a chip.

How an address is asked
- A write without data (SMBus "quick write") almost everywhere: every chip acknowledges it, also one that only takes
  commands, or is written and never read.
- A read of one byte at 0x30..0x37 and 0x50..0x5F: there are memories that take the quick write for the beginning of a
  write or as "protect me for ever" (the rule of i2cdetect). Who stays silent to the read is asked by a quick write only
  where a chip of the catalogue can be, and never at 0x30..0x37: a memory would have answered.
- Not at all where a kernel driver has the chip.

How a chip is recognised: by the address, and where its driver declares id registers (`Driver.identity`), by reading
those. That means to write one byte, the register's number; so it is left out where a chip that may also be there would
obey that byte (`Driver.obeys`). A chip with one register for everything (`one_byte`) is told apart first by a long bare
read: bytes that differ cannot come from it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Final

import drivers
from drivers.base import Driver
from drivers.errors import BusError, BusFault, BusTimeout, BusUnavailable, DriverError, Nack
from drivers.wires.wire import Probing

FIRST, LAST = 0x08, 0x77
_LONG: Final = 160
"""Bytes of a bare read: more than the stretch of equal registers that a chip begins with."""


@dataclass(frozen=True, slots=True)
class Found:
    """Somebody at an address.

    owner   the kernel driver that has the chip; then nothing else is known
    likely  drivers for chips that can be there, the likeliest first
    proven  the driver whose id registers are right
    wrong   a driver is configured for this address, and the id registers are not its chip's
    """

    address: int
    owner: str | None = None
    likely: tuple[str, ...] = ()
    proven: str | None = None
    wrong: bool = False


@dataclass(slots=True)
class Catalogue:
    """Every I2C driver by its kind. `broken` are those that cannot be imported, and why."""

    chips: dict[str, type[Driver]] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls) -> "Catalogue":
        """Import every driver there is."""
        catalogue = cls()
        for kind in drivers.kinds():
            try:
                driver = drivers.find(kind).driver
            except DriverError as error:
                catalogue.broken[kind] = str(error)
                continue
            if issubclass(driver, Driver):
                catalogue.chips[kind] = driver
        return catalogue

    def at(self, address: int) -> dict[str, type[Driver]]:
        """The chips that can be at this address, those that usually are there first."""
        there = {kind: chip for kind, chip in self.chips.items() if address in (chip.addresses or (chip.address,))}
        return dict(sorted(there.items(), key=lambda one: (one[1].address != address, len(one[1].addresses), one[0])))


Turn = Callable[[], AbstractContextManager[object]]
"""Taken around everything that is asked of one address, so that nobody is interrupted in the middle of a reading."""


def scan(
    bus: Probing,
    catalogue: Catalogue,
    *,
    configured: Mapping[int, str],
    turn: Turn = nullcontext,
    progress: Callable[[int], object] = lambda address: None,
) -> Iterator[Found]:
    """Everybody on the bus, by address. `configured`: address -> the kind of the driver that is meant to be there.

    Raises `BusTimeout` when the bus hangs, `BusUnavailable` when it cannot be used, `BusFault` when it only fails.
    """
    hung, failed = 0, 0
    for address in range(FIRST, LAST + 1):
        progress(address)
        try:
            with turn():
                found = _ask(bus, address, catalogue, configured.get(address))
        except BusTimeout:
            hung += 1
            if hung == 2:  # one chip may hold the clock by itself, two in a row do not
                raise
            continue
        except BusFault:
            failed += 1
            if failed > LAST - FIRST:
                raise
            continue
        hung = 0
        if found is not None:
            yield found


def delicate(address: int) -> bool:
    """Whether a memory may be there that takes a quick write for more than a question."""
    return 0x30 <= address <= 0x37 or 0x50 <= address <= 0x5F


def _ask(bus: Probing, address: int, catalogue: Catalogue, kind: str | None) -> Found | None:
    owner = bus.owner(address)
    if owner is not None:
        return Found(address, owner=owner)
    there = catalogue.at(address)
    answers = bus.probe(address, reading=delicate(address))
    if not answers and delicate(address) and address >= 0x50 and (there or kind):
        answers = bus.probe(address, reading=False)
    if not answers:
        return None
    if kind is not None and kind in catalogue.chips:
        return _confirmed(bus, address, catalogue, kind)
    return _recognised(bus, address, there)


def _confirmed(bus: Probing, address: int, catalogue: Catalogue, kind: str) -> Found:
    """The chip that is configured here: nobody else is expected, so its own driver's question is no risk."""
    right = _is_it(bus, address, catalogue.chips[kind])
    return Found(address, likely=(kind,), proven=kind if right else None, wrong=right is False)


def _recognised(bus: Probing, address: int, there: Mapping[str, type[Driver]]) -> Found:
    left = list(there)
    for kind, chip in there.items():
        if not chip.identity or not _harmless(bus, address, chip, list(there.values())):
            continue
        if _is_it(bus, address, chip):
            return Found(address, likely=(kind,), proven=kind)
        left.remove(kind)
    return Found(address, likely=tuple(left))


def _harmless(bus: Probing, address: int, chip: type[Driver], there: Sequence[type[Driver]]) -> bool:
    """Whether no chip that may be there would obey the question for this one's identity."""
    touchy = [other for other in there if any(one.register in other.obeys for one in chip.identity)]
    if all(other.one_byte for other in touchy):
        return not touchy or _varied(bus, address)
    return False


def _varied(bus: Probing, address: int) -> bool:
    try:
        return len(set(bus.transfer(address, b"", _LONG))) > 1
    except (Nack, BusFault, BusUnavailable):  # a silent chip, or an adapter that reads no more than a byte so
        return False


def _is_it(bus: Probing, address: int, chip: type[Driver]) -> bool | None:
    """None: the chip has nothing to prove it."""
    try:
        return all(
            one.fits(bus.transfer(address, bytes([one.register]), one.size)) for one in chip.identity
        ) if chip.identity else None  # fmt: skip
    except (Nack, BusFault):
        return False
    except BusTimeout:
        raise
    except BusError:
        return None
