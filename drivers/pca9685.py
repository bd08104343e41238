"""NXP PCA9685: sixteen PWM outputs of 12 bits with one frequency: servos, LED strips, fans.

Registers, the prescaler (25 MHz / 4096 / frequency), the order of sleeping, setting and waking, and the two "full"
bits are those of Adafruit's `adafruit_pca9685` 3.4.22. The datasheet was not seen. The chip has no id: `start()`
expects mode and prescaler back.

A servo wants 50 Hz and pulses of about 1 to 2 ms: 5 to 10 per cent. The outputs are safe from `start()` on; a chip that
lost its settings sleeps with all outputs off, and reading it is an error.
"""

import struct
from collections.abc import Mapping
from typing import ClassVar

from drivers.base import Driver, Output, Reading, Value
from drivers.errors import BadData, NotStarted, OutOfRange
from drivers.kit.values import each, percent
from drivers.registers import Register
from drivers.sim import World
from drivers.simulation.silicon import RegisterChip
from drivers.wires.wire import Bus

CLOCK = 25_000_000
SLEEP, INCREMENT, RESTART = 0x10, 0x20, 0x80
FIRST, PRESCALE = 0x06, 0xFE
FULL = 4096
DUTIES = tuple(f"duty_{number}" for number in range(16))


class PCA9685(Driver, Output):
    """Blocking. `frequency` in Hz (24 to 1526), `safe` in per cent, for all outputs."""

    channels: ClassVar[Mapping[str, str]] = dict.fromkeys(DUTIES, "%")
    address = 0x40
    addresses = tuple(a for a in range(0x40, 0x78) if a != 0x70)  # 0x70 calls all such chips at once

    mode = Register(0x00)
    prescale = Register(PRESCALE)

    def __init__(self, bus: Bus, address: int | None = None, *, frequency: float = 50.0, safe: float = 0.0) -> None:
        super().__init__(bus, address)
        self._prescale = round(CLOCK / 4096 / frequency) - 1 if frequency > 0 else 0
        if not 3 <= self._prescale <= 255:
            raise OutOfRange(f"a PCA9685 makes 24 to 1526 Hz, not {frequency:g}")
        self.safe = percent(safe, "safe")
        self._started = False

    def start(self) -> None:
        """Make it safe and let it drive; repeated, it leaves a chip alone that kept its settings."""
        if self._started and self.mode == INCREMENT and self.prescale == self._prescale:
            return
        self._started = False
        # the prescaler can be written only while it sleeps
        self.mode = SLEEP | INCREMENT
        self.keep(PCA9685.prescale, self._prescale)
        self._write(dict.fromkeys(range(16), float(self.safe)))
        self.mode = INCREMENT
        self.bus.wait(0.0005)
        self.prove("the mode", self.mode, INCREMENT)
        self._started = True

    def read(self) -> Reading:
        """What the outputs are set to, read back from the chip."""
        self._must_be_started()
        if self.mode != INCREMENT:
            raise BadData(f"the PCA9685 at {self.address:#04x} lost its settings: its outputs are off")
        # in halves, because adapters without combined transactions read 32 bytes at most
        halves = (self.transfer(bytes([FIRST + at]), 32) for at in (0, 32))
        words = struct.unpack("<32H", b"".join(halves))
        return self.reading(**dict(zip(DUTIES, map(duty, words[0::2], words[1::2]), strict=True)))

    def set(self, value: Value) -> None:
        """Per cent for all outputs, or a text such as `duty_0=7.5 duty_3=on`."""
        self._must_be_started()
        wanted = each(value, DUTIES, "a PCA9685", percent)
        self._write({DUTIES.index(name): part for name, part in wanted.items()})

    def close(self) -> None:
        if self._started:
            try:
                self.make_safe()
            finally:
                self._started = False

    def _write(self, wanted: Mapping[int, float]) -> None:
        for number, part in wanted.items():
            steps = round(part / 100 * FULL)
            # all of it and nothing of it have bits of their own, the thirteenth of each word
            on, off = (FULL, 0) if steps == FULL else (0, steps or FULL)
            self.transfer(bytes([FIRST + 4 * number]) + struct.pack("<HH", on, off))

    def _must_be_started(self) -> None:
        if not self._started:
            raise NotStarted(f"the PCA9685 at {self.address:#04x} is not started")


def duty(on: int, off: int) -> float:
    """Per cent of the time for which an output with these two words is high; off wins over on."""
    if off & FULL:
        return 0.0
    if on & FULL:
        return 100.0
    return (off - on) % FULL / FULL * 100


class SimPCA9685(RegisterChip):
    """`<name>.duty_3` shows what output 3 drives, in per cent: 0 while the chip sleeps, as after power-on."""

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self._shown = [-1.0] * 16
        self.power_up()

    def power_down(self) -> None:
        """All outputs off."""
        self.power_up()

    def power_up(self) -> None:
        """Asleep, all outputs off, and the pointer stays where it is put."""
        self.registers[:] = bytes(256)
        self.registers[0x00], self.registers[0x01], self.registers[PRESCALE] = SLEEP | 0x01, 0x04, 30
        self.registers[FIRST : FIRST + 64] = struct.pack("<HH", 0, FULL) * 16
        self._show()

    def store(self, register: int, value: int) -> None:
        if register == PRESCALE and not self.registers[0x00] & SLEEP:
            return
        super().store(register, value & ~RESTART if register == 0x00 else value)

    def write(self, data: bytes) -> None:
        super().write(data if self.registers[0x00] & INCREMENT else data[:2])
        self._show()

    def read(self, count: int) -> bytes:
        if self.registers[0x00] & INCREMENT:
            return super().read(count)
        return bytes([self.load(self.pointer)]) * count

    def _show(self) -> None:
        for number, channel in enumerate(DUTIES):
            drives = self._drives(number)
            if drives != self._shown[number]:
                self._shown[number] = drives
                self.world[f"{self.name}.{channel}"] = drives

    def _drives(self, number: int) -> float:
        at = FIRST + 4 * number
        on, off = struct.unpack("<HH", self.registers[at : at + 4])
        if self.registers[0x00] & SLEEP or off & FULL:
            return 0.0
        ticks = range(on, off if on <= off else off + FULL)
        return 100.0 if on & FULL else len(ticks) / FULL * 100


DRIVER, SIM = PCA9685, SimPCA9685
