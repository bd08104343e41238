"""NXP/TI PCF8574 and PCF8574A: eight pins that pull low, or let go and can be read.

One byte each way, low pulls and high lets go (a weak pull-up holds the pin), all high after power-on: as Adafruit's
`adafruit_pcf8574` 1.0.17 uses it. The datasheet was not seen. The chip has no id and every byte is a possible answer:
another chip at its address is not noticed.

An input is a pin that is let go. A pin that pulls and still reads high is in a chip that lost its outputs (unplugged,
brown-out), or is shorted to the supply: no reading then, but an error, and `start()` makes it safe again.
"""

from collections.abc import Mapping
from typing import ClassVar

from drivers.base import Driver, Output, Reading, Value, on_or_off, told
from drivers.errors import BadData, NotStarted, OutOfRange
from drivers.kit.values import each
from drivers.sim import SimChip, World
from drivers.wires.wire import Bus

PINS = tuple(f"p{number}" for number in range(8))


class PCF8574(Driver, Output):
    """Blocking, one transaction each way. Channels are levels: true is high. `safe` is a byte, p0 its lowest bit."""

    channels: ClassVar[Mapping[str, str]] = dict.fromkeys(PINS, "bool")
    address = 0x20
    addresses = (*range(0x20, 0x28), *range(0x38, 0x40))
    obeys = range(0x100)

    def __init__(self, bus: Bus, address: int | None = None, *, safe: int = 0xFF) -> None:
        super().__init__(bus, address)
        if not 0 <= safe <= 0xFF:
            raise OutOfRange(f"safe is a byte, 0 to 255 (0xFF: all pins let go), not {safe}")
        self.safe = safe
        self._driven: int | None = None

    def start(self) -> None:
        """Make it safe; repeated, it leaves a chip alone that kept its outputs."""
        if self._driven is None or self._lost(self._driven, self.transfer(b"", 1)[0]):
            self._drive(int(self.safe))

    def read(self) -> Reading:
        driven = self._started()
        levels = self.transfer(b"", 1)[0]
        if self._lost(driven, levels):
            raise BadData(
                f"the PCF8574 at {self.address:#04x} reads high where it pulls low (driven {driven:#04x}, read"
                f" {levels:#04x}): it lost its outputs, or a pin is shorted to the supply"
            )
        return self.reading(**{pin: bool(levels >> position & 1) for position, pin in enumerate(PINS)})

    def set(self, value: Value) -> None:
        """A text `p0=on p3=off`, true or false for all pins, or a byte (0 to 255) for all eight."""
        driven = self._started()
        if isinstance(value, int) and not isinstance(value, bool):
            if not 0 <= value <= 0xFF:
                raise OutOfRange(f"a PCF8574 takes a byte, 0 to 255, not {told(value)}")
            self._drive(value)
            return
        for pin, high in each(value, PINS, "a PCF8574", on_or_off).items():
            bit = 1 << PINS.index(pin)
            driven = driven | bit if high else driven & ~bit
        self._drive(driven)

    def close(self) -> None:
        if self._driven is not None:
            try:
                self.make_safe()
            finally:
                self._driven = None

    @staticmethod
    def _lost(driven: int, levels: int) -> bool:
        """Whether a pin is high that should pull."""
        return bool(levels & ~driven & 0xFF)

    def _drive(self, levels: int) -> None:
        self.transfer(bytes([levels]))
        self._driven = levels

    def _started(self) -> int:
        if self._driven is None:
            raise NotStarted(f"the PCF8574 at {self.address:#04x} is not started")
        return self._driven


class SimPCF8574(SimChip):
    """`<name>.p3` is the level of the pin: false while the chip or something outside pulls it low.

    Letting go shows the pull-up; what pulls from outside has to be told again then.
    """

    defaults: ClassVar[Mapping[str, float]] = dict.fromkeys(PINS, True)

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.latch = 0xFF

    def power_down(self) -> None:
        """Nothing pulls."""
        self.power_up()

    def power_up(self) -> None:
        """As after the supply dropped: every pin let go."""
        self.write(b"\xff")

    def write(self, data: bytes) -> None:
        changed, self.latch = self.latch ^ data[-1], data[-1]
        for position, pin in enumerate(PINS):
            if changed >> position & 1:
                self.world[f"{self.name}.{pin}"] = bool(self.latch >> position & 1)

    def read(self, count: int) -> bytes:
        outside = sum(bool(self.signal(pin)) << position for position, pin in enumerate(PINS))
        return bytes([self.latch & outside]) * count


DRIVER, SIM = PCF8574, SimPCF8574
