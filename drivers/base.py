"""The contract between drivers and whoever uses them; imports no vendor library.

A driver is built on a *wire* (`drivers.wires`: a bus, the header's pins, or a line of its own), never opens one itself,
never sleeps, never reads time and owns no thread: a bus waits for it, and whoever delivers an edge says when it was.

Life of every device: construct (touches nothing) -> `start()` -> `read()` many times -> `close()`. After a bus
error the caller may call `start()` again: it probes the chip anew, which is also how a replugged chip is taken up.
All calls of the devices on one bus come from that bus's one thread.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, ClassVar, Final, Literal, NewType, Protocol, Self

from drivers.errors import BadPin, OutOfRange, WrongChip
from drivers.registers import Register
from drivers.wires.wire import Bus, Emit, Pins

Seconds = NewType("Seconds", float)
"""The type of an option that is a duration; configuration writes it with a unit (`50ms`)."""

Value = bool | int | float | str
"""What configuration, the command line or a task may hand to an output."""

WireKind = Literal["i2c", "pin", "sysfs", "serial", "spi", "mqtt"]

FASTEST: Final[Mapping[str, float]] = {"degC": 10.0, "%": 50.0, "hPa": 50.0}
"""For `Device.slew`: what no housed sensor shows in a second, not in hot water, not under breath, not when a door is
slammed. An assumption of this project, wide on purpose: no data sheet says it."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One sample: channel -> value, all channels from one measurement, in the units of `Device.channels`."""

    values: Mapping[str, float | bool]


class Device(ABC):
    """What every driver is, whatever its wire.

    channels    name -> unit ("degC", "%", "hPa", "bool" ...); `read()` returns exactly these, or where an option
                chooses among them, those of `channels_of`
    ranges      channel -> (lowest, highest) value the part can report at its default options; outside is `OutOfRange`,
                not a reading. A channel computed from others (power) has none
    resolution  channel -> step of the part at its default options, same unit
    slew        channel -> the most it can change in a second, same unit: for parts whose bytes carry no checksum, so
                that one wrong bit is told from a change; for none where the world itself may jump (light, current)
    every       default sampling period
    own_wire    its calls take long: it has a lock and a thread of its own, not those of the wire it shares
    """

    wire: ClassVar[WireKind]
    own_wire: ClassVar[bool] = False
    channels: ClassVar[Mapping[str, str]] = {}
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = {}
    resolution: ClassVar[Mapping[str, float]] = {}
    slew: ClassVar[Mapping[str, float]] = {}
    every: ClassVar[Seconds] = Seconds(5.0)

    @classmethod
    def channels_of(cls, options: Mapping[str, Any]) -> Mapping[str, str]:
        """The channels that a device with these options reads; all of them where the options make no sense.

        A part on several pins finds them, role -> number, under `pins`.
        """
        return cls.channels

    @classmethod
    def simulated_by(cls, options: Mapping[str, Any]) -> str | None:
        """The kind whose simulated part stands for a device with these options; None: its own."""
        return None

    @abstractmethod
    def start(self) -> None:
        """Prove that the part is there and configure it. Blocking; raises `DriverError`; may be repeated."""

    @abstractmethod
    def read(self) -> Reading:
        """Take one sample of all channels. Blocking; raises `DriverError`; never returns None."""

    @abstractmethod
    def close(self) -> None:
        """Leave the part at rest; idempotent. The wire stays open: it belongs to the caller."""

    def limits(self) -> Mapping[str, tuple[float, float]]:
        """`ranges` as they are with the options of this device; override where an option moves them."""
        return self.ranges

    def units(self) -> Mapping[str, str]:
        """Channel -> unit of this device; override where options choose them."""
        return self.channels

    def reading(self, /, **values: float | bool) -> Reading:
        """The reading of these values, after the plausibility check against `limits()`."""
        limits = self.limits()
        for channel, value in values.items():
            low, high = limits.get(channel, (-math.inf, math.inf))
            # `not (a <= v <= b)` also catches NaN, which compares false with everything
            if not low <= value <= high or math.isinf(value):
                unit = self.units().get(channel, "")
                raise OutOfRange(
                    f"{type(self).__name__} gave {channel} {value:.6g} {unit}, outside {low:g} .. {high:g} {unit}:"
                    " the sensor is damaged, badly wired or not this chip"
                )
        return Reading(values)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class Identity:
    """A register that says what a chip is: `size` bytes at `register`, of which `mask` is one of `values`.

    `others` names the chips that are often there instead, by what theirs says.
    """

    register: int
    values: tuple[int, ...]
    size: int = 1
    mask: int = -1
    others: Mapping[int, str] = field(default_factory=dict, compare=False)

    def fits(self, data: bytes) -> bool:
        """Whether the bytes in the register, high byte first, are such a chip's."""
        return int.from_bytes(data, "big") & self.mask in self.values


class Driver(Device):
    """Base of a chip on an I2C bus: `Chip(bus, address, **options)`; options are keyword-only and typed.

    address     the default; None where the chip has none and configuration must name one
    addresses   every address the chip can be strapped to; empty: any
    identity    registers that prove the chip all together; to read them changes nothing in it
    obeys       the first bytes of a write that this chip acts upon, such as commands: nobody may write one of them to
                find out whether it is another chip
    one_byte    it has but one register: however many bytes are read, all are the same
    stretches   it holds the clock for longer than controllers of boards before the Raspberry Pi 4 wait rightly
    """

    wire = "i2c"
    address: int | None = None
    addresses: ClassVar[tuple[int, ...]] = ()
    identity: ClassVar[tuple[Identity, ...]] = ()
    obeys: ClassVar[Container[int]] = ()
    one_byte: ClassVar[bool] = False
    stretches: ClassVar[bool] = False

    def __init__(self, bus: Bus, address: int | None = None) -> None:
        self.bus = bus
        chosen = type(self).address if address is None else address
        allowed = self.addresses or range(0x08, 0x78)
        if chosen is None or chosen not in allowed:
            given = "no address" if chosen is None else f"{chosen:#04x}"
            choices = ", ".join(f"{a:#04x}" for a in self.addresses) or "0x08 .. 0x77"
            raise OutOfRange(f"{type(self).__name__} cannot be at {given}; it answers at {choices}")
        self.address = chosen

    def transfer(self, write: bytes, read: int = 0) -> bytes:
        """One transaction with this chip."""
        assert self.address is not None
        return self.bus.transfer(self.address, write, read)

    def prove(self, what: str, found: int, wanted: int, called: str = "") -> None:
        """Raise `WrongChip` unless the chip's `what` ("device id") is the one of this part; `called` is the other."""
        if found != wanted:
            other = f", {called}" if called else ""
            raise WrongChip(
                f"{self.address:#04x} has {what} {found:#04x}{other}; {type(self).__name__} has {wanted:#04x}: another"
                " chip answers there; check `driver:` and `address:`"
            )

    def identify(self) -> None:
        """Read the registers of `identity`. Raises `WrongChip` where one is not that of this part."""
        for one in self.identity:
            found = int.from_bytes(self.transfer(bytes([one.register]), one.size), "big") & one.mask
            if found not in one.values:
                self.prove("device id", found, one.values[0], one.others.get(found, ""))

    def keep(self, register: Register, value: int, *, becomes: int | None = None, bits: int = -1) -> None:
        """Write a register and expect it back, or what it `becomes`: all that proves a chip without an id.

        `bits` are those that count; the others are the chip's own. Raises `WrongChip`.
        """
        wanted = value if becomes is None else becomes
        register.__set__(self, value)
        found = register.__get__(self, type(self))
        if (found ^ wanted) & bits:
            digits = 2 + 2 * register.size
            raise WrongChip(
                f"{self.address:#04x} keeps {found:#0{digits}x} where a {type(self).__name__} keeps"
                f" {wanted:#0{digits}x} (register {register.address:#04x}): another chip answers there; check"
                " `driver:` and `address:`"
            )

    def start(self) -> None:
        """Take one reading and drop it: enough for a chip that needs no configuration."""
        self.read()

    def close(self) -> None:
        """Nothing to do for a chip that may simply go on measuring."""
        return


class PartOnPins(Device):
    """Base of a part on header pins: `Part(pins, {"a": 17, "b": 27}, **options)`.

    roles           what its pins are for, in the words of configuration
    optional_roles  further ones that may stay unconnected
    numbers         role -> BCM number of those that are connected
    """

    wire = "pin"
    roles: ClassVar[tuple[str, ...]]
    optional_roles: ClassVar[tuple[str, ...]] = ()

    def __init__(self, pins: Pins, numbers: Mapping[str, int]) -> None:
        roles = (*self.roles, *self.optional_roles)
        wrong = [role for role in numbers if role not in roles] + [role for role in self.roles if role not in numbers]
        if wrong:
            optional = "".join(f", and {role} if it is connected" for role in self.optional_roles)
            raise BadPin(f"{type(self).__name__} has the pins {', '.join(self.roles)}{optional}; check {wrong[0]!r}")
        if len(set(numbers.values())) < len(numbers):
            given = ", ".join(f"{role} GPIO{number}" for role, number in numbers.items())
            raise BadPin(f"{type(self).__name__} needs a pin of its own for each role, not {given}")
        self.pins = pins
        self.numbers: Mapping[str, int] = {role: numbers[role] for role in roles if role in numbers}


class PinDevice(PartOnPins):
    """Base of a part on one header pin, whose role needs no name: `Part(pins, number, **options)`."""

    roles = ("pin",)

    def __init__(self, pins: Pins, pin: int) -> None:
        super().__init__(pins, {"pin": pin})
        self.pin = pin


class Decoder(Protocol):
    """What the edges of one part mean. Pure: what it gives depends on the edges and their times alone.

    When and how often `due` is called changes nothing, as long as the edges up to that moment were handed in before.
    Not thread-safe: one owner. Times are monotonic seconds; levels are electrical.
    """

    @property
    def missed(self) -> int:
        """How many edges must have been there and did not come."""

    def begin(self, levels: Mapping[str, bool], at: float) -> Reading:
        """What the part shows with these levels (role -> level): state, not a change. Once.

        Left out is what has no value while nothing happens.
        """

    def edge(self, role: str, level: bool, at: float) -> None:
        """The pin of this role became `level`; a time before that of its last edge counts as that edge's."""

    def look(self, levels: Mapping[str, bool], at: float) -> None:
        """The pins show these levels after a burst of edges: make good what was lost of it."""

    def due(self, now: float) -> tuple[Reading, float] | None:
        """The oldest change that is certain by `now` and was not given yet, and its time; call until None.

        Its reading names only the channels to which something happened.
        """

    @property
    def deadline(self) -> float | None:
        """When `due` has something to give if no edge comes; None for never."""


class Push(ABC):
    """Trait of a device that reports every raw edge by itself; its decoder says what they mean.

    settled  the roles whose levels must hold for `debounce` to count; None: every one
    """

    settled: ClassVar[tuple[str, ...] | None] = None

    @abstractmethod
    def watch(self, emit: Emit) -> None:
        """Call `emit(role, level, at)` at every edge, in the library's thread, until `close()`. After `start()`."""

    @abstractmethod
    def levels(self) -> Mapping[str, bool]:
        """Role -> level of every pin it watches, now. After `start()`."""

    @abstractmethod
    def decoder(self, settle: float) -> Decoder:
        """A new decoder of its edges; a level that can chatter counts when it has held for `settle` seconds."""


def told(value: object) -> str:
    """The value as an error names it, however long and deep: it may be anybody who sent it."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a whole number of thousands of digits, lists in lists
        text = f"a {type(value).__name__} that cannot be shown"
    return text if len(text) <= 60 else f"{text[:60]}..."


def on_or_off(value: Value, part: str) -> bool:
    """What a switched output makes of a value; `OutOfRange` names the part and what it takes."""
    if value in (True, 1, "on"):
        return True
    if value in (False, 0, "off"):
        return False
    raise OutOfRange(f'{part} takes true, 1 or "on"; false, 0 or "off"; not {told(value)}')


class Output(ABC):
    """Trait of a device that acts. `safe` is the value for the time when nobody is in charge."""

    safe: Value

    @classmethod
    def acts(cls, options: Mapping[str, Any]) -> bool:
        """Whether a device with these options can be set at all."""
        return True

    @abstractmethod
    def set(self, value: Value) -> None:
        """Act at once; `OutOfRange` names the accepted values. After `start()`."""

    def halt(self) -> None:
        """End what a `set` in another thread still does, which then raises; any thread, blocks nobody. `make_safe` or
        `close` follows. Nothing to do for an output that acts in a moment."""
        return

    def make_safe(self) -> None:
        """Go to the configured safe state; called at stop and on failure, also by `close()`."""
        self.set(self.safe)
