"""Microchip MCP23017: sixteen more pins, each an input or an output.

Registers and their order are those of Linux `drivers/pinctrl/pinctrl-mcp23s08.c` and of the Adafruit driver
adafruit-circuitpython-mcp230xx 2.6.2; that a program before us can leave the chip with another order of registers
(IOCON.BANK), issue 56 of Adafruit_Python_GPIO. The datasheet was not seen. Its revision D is said to allow a7 and b7 as
outputs only.

The chip has no id, and after a drop of its supply every pin is an input without a pull-up. So the comparison register,
which nothing uses while no interrupt is enabled, holds a signature, and every sample and every `set` reads all settings
back together with the pins: one transaction, one moment for all sixteen.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from drivers.base import Driver, Output, Reading, Seconds, Value, on_or_off
from drivers.errors import BadData, NotStarted, OutOfRange, WrongChip
from drivers.kit.values import each
from drivers.options import names_in
from drivers.sim import SimChip, World
from drivers.wires.wire import Bus

PINS = tuple(f"{port}{number}" for port in "ab" for number in range(8))
IODIR, IPOL, IOCON, OLAT = 0x00, 0x02, 0x0A, 0x14
IOCON_IN_BANKS = 0x05
"""Where IOCON stands while BANK is set; otherwise this switches off interrupts, which are not used."""

SIGNATURE = 0x3CA5
LAST = 0x16


def _mask(pins: tuple[str, ...]) -> int:
    return sum(1 << PINS.index(pin) for pin in pins)


def _words(*values: int) -> bytes:
    return b"".join(value.to_bytes(2, "little") for value in values)


class MCP23017(Driver, Output):
    """Blocking, one transaction a reading. `start()` puts the outputs into their safe state before it lets them drive;
    repeated, it leaves a chip alone that kept everything.

    An input reads True while its pin is high, an output while it is on. `set` takes true, "on", 1, false, "off", 0
    for all outputs, or a text such as "b0=on, b1=off" for some. An output is sampled only where `every` is given.

    inputs       what to read, as a text of pins: "a0 a1 b7"; default: every pin that is no output
    outputs      which pins drive
    pull         the chip's own pull-up, for every pin that does not drive
    active_high  whether on is high: many relay boards want false
    """

    channels: ClassVar[Mapping[str, str]] = dict.fromkeys(PINS, "bool")
    every: ClassVar[Seconds] = Seconds(1.0)
    address = 0x20
    addresses = tuple(range(0x20, 0x28))

    def __init__(
        self,
        bus: Bus,
        address: int | None = None,
        *,
        inputs: str | None = None,
        outputs: str = "",
        pull: Literal["up", "none"] = "up",
        active_high: bool = True,
        safe: bool | Literal["on", "off"] = "off",
    ) -> None:
        super().__init__(bus, address)
        self.safe = safe
        self._who = f"the MCP23017 at {self.address:#04x}"
        self._inputs, self._outputs = _chosen(inputs, outputs)
        self._driven = _mask(self._outputs)
        self._low_is_on = 0 if active_high else self._driven
        self._rest = self._latch = self._levels(self._driven if on_or_off(safe, "safe") else 0)
        free = ~self._driven & 0xFFFF
        self._settings = _words(free, 0, 0, SIGNATURE, 0, 0, free if pull == "up" else 0)
        self._started = False

    @classmethod
    def channels_of(cls, options: Mapping[str, Any]) -> Mapping[str, str]:
        try:
            inputs, outputs = _chosen(options.get("inputs"), options.get("outputs", ""))
        except (OutOfRange, AttributeError):
            return cls.channels
        return {pin: cls.channels[pin] for pin in (*inputs, *outputs)}

    def start(self) -> None:
        if self._started and self._intact(self._state()):
            return  # it kept everything: what its outputs do now was asked for
        self._started = False
        self._latch = self._rest
        self.transfer(bytes([IOCON_IN_BANKS, 0]))
        self.transfer(bytes([IOCON, 0]))
        self.transfer(bytes([OLAT]) + _words(self._rest))
        self.transfer(bytes([IPOL]) + self._settings[IPOL:])
        self.transfer(bytes([IODIR]) + self._settings[:IPOL])
        kept = self._state()
        if not self._intact(kept):
            raise WrongChip(
                f"{self.address:#04x} keeps {kept[: len(self._settings)].hex()} where an MCP23017 keeps"
                f" {self._settings.hex()}: another chip answers there"
            )
        self._started = True

    def read(self) -> Reading:
        levels = self._pins() ^ self._low_is_on
        return self.reading(**{pin: bool(levels >> PINS.index(pin) & 1) for pin in (*self._inputs, *self._outputs)})

    def set(self, value: Value) -> None:
        on = self._levels(self._latch)  # turned round twice it is itself
        for pin, state in self._wishes(value).items():
            bit = 1 << PINS.index(pin)
            on = on | bit if state else on & ~bit
        latch = self._levels(on)
        self._require_start()
        self.transfer(bytes([OLAT]) + _words(latch))
        self._latch = latch
        self._pins()

    def make_safe(self) -> None:
        if self._outputs:
            super().make_safe()

    def close(self) -> None:
        """Outputs go to their safe state and go on driving it: a pin that lets go would leave them to the wiring."""
        started, self._started = self._started, False
        if started and self._outputs:
            self.transfer(bytes([OLAT]) + _words(self._rest))

    def _wishes(self, value: Value) -> dict[str, bool]:
        if not self._outputs:
            raise OutOfRange(f"{self._who} has no outputs: name them in `outputs`")
        return each(value, self._outputs, self._who, on_or_off)

    def _levels(self, on: int) -> int:
        return (on ^ self._low_is_on) & self._driven

    def _pins(self) -> int:
        """All levels, read together with the settings that give them their meaning."""
        self._require_start()
        kept = self._state()
        if not self._intact(kept):
            raise BadData(f"{self._who} lost its settings and with them its outputs: check its power supply")
        return int.from_bytes(kept[0x12:OLAT], "little")

    def _state(self) -> bytes:
        return self.transfer(bytes([IODIR]), LAST)

    def _intact(self, kept: bytes) -> bool:
        return kept.startswith(self._settings) and kept[OLAT:] == _words(self._latch)

    def _require_start(self) -> None:
        if not self._started:
            raise NotStarted(f"{self._who} is not started")


def _chosen(inputs: str | None, outputs: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    drive = names_in(outputs, PINS, "outputs")
    if inputs is None:
        return tuple(pin for pin in PINS if pin not in drive), drive
    read = names_in(inputs, PINS, "inputs")
    if both := [pin for pin in read if pin in drive]:
        raise OutOfRange(f"{both[0]} is in inputs and in outputs; an output can be read anyway")
    if not read and not drive:
        raise OutOfRange("inputs and outputs name no pin")
    return read, drive


class SimMCP23017(SimChip):
    """Two ports of registers behind a pointer that moves as IOCON says.

    An input's level is the signal `<name>.<pin>`, and where the world says nothing that of the pull-up. A pin that
    drives makes its signal show its level.
    """

    names = ("iodir", "ipol", "gpinten", "defval", "intcon", "iocon", "gppu", "intf", "intcap", "gpio", "olat")

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self._drives: set[str] = set()
        self.power_up()

    def power_down(self) -> None:
        """What the pins drove rests low, as a load does that nobody drives."""
        while self._drives:
            self.world[self._drives.pop()] = False

    def power_up(self) -> None:
        """Every pin an input without a pull-up, interrupts off."""
        self.power_down()
        self.pointer = 0
        self.ports = [dict.fromkeys(self.names, 0) | {"iodir": 0xFF} for _ in "ab"]

    def write(self, data: bytes) -> None:
        self.pointer = data[0]
        for value in data[1:]:
            self._store(value)
            self._advance()

    def read(self, count: int) -> bytes:
        answer = bytearray()
        for _ in range(count):
            answer.append(self._load())
            self._advance()
        return bytes(answer)

    def _place(self) -> tuple[int, str] | None:
        """Port and register under the pointer; BANK puts the ports one after the other instead of in turns."""
        if self.ports[0]["iocon"] & 0x80:
            port, register = self.pointer >> 4, self.pointer & 0x0F
        else:
            port, register = self.pointer & 1, self.pointer >> 1
        return (port, self.names[register]) if port < 2 and register < len(self.names) else None

    def _advance(self) -> None:
        banks, same = self.ports[0]["iocon"] & 0x80, self.ports[0]["iocon"] & 0x20
        if same:
            self.pointer ^= 0 if banks else 1
        else:
            self.pointer = (self.pointer + 1) % (0x1B if banks else 0x16)

    def _load(self) -> int:
        place = self._place()
        if place is None:
            return 0
        port, register = place
        return self._levels(port) if register == "gpio" else self.ports[port][register]

    def _store(self, value: int) -> None:
        place = self._place()
        if place is None or place[1] in ("intf", "intcap"):
            return
        port, register = place
        if register == "iocon":
            for one in self.ports:
                one["iocon"] = value & 0xFE
        elif register == "gpio":
            self.ports[port]["olat"] = value
        else:
            self.ports[port][register] = value
        self._show(port)

    def _show(self, port: int) -> None:
        """A pin that drives shows its level; one that drives no more shows its pull, until somebody drives it."""
        kept = self.ports[port]
        for bit in range(8):
            signal = self._signal(port, bit)
            if not kept["iodir"] >> bit & 1:
                self._drives.add(signal)
                self.world[signal] = bool(kept["olat"] >> bit & 1)
            elif signal in self._drives:
                self._drives.remove(signal)
                self.world[signal] = bool(kept["gppu"] >> bit & 1)

    def _levels(self, port: int) -> int:
        kept, byte = self.ports[port], 0
        for bit in range(8):
            pulled = bool(kept["gppu"] >> bit & 1)
            outside = bool(self.world.sample(self._signal(port, bit), default=pulled)) ^ bool(kept["ipol"] >> bit & 1)
            level = outside if kept["iodir"] >> bit & 1 else bool(kept["olat"] >> bit & 1)
            byte |= level << bit
        return byte

    def _signal(self, port: int, bit: int) -> str:
        return f"{self.name}.{'ab'[port]}{bit}"


DRIVER, SIM = MCP23017, SimMCP23017
