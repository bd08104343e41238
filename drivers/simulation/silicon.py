"""What most simulated chips are made of: registers of 8 bits, registers of 16, or commands.

class SimTMP102(WordChip):
    words = {0: 0, 1: 0x60A0, 2: 0x4B00, 3: 0x5000}      # register -> value after power-on
    writable = {1: 0x9FDF, 2: 0xFFFF, 3: 0xFFFF}          # register -> bits a driver can change
    shows = {0: Shown("temperature", 0.0625, 12, left=4)} # register -> what of the world stands in it
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from drivers.errors import Nack
from drivers.sim import SimChip, World


class RegisterChip(SimChip):
    """256 registers of 8 bits behind a pointer that moves on by itself, the commonest kind.

    writable   register -> the bits a driver can change; None: all of all
    """

    writable: ClassVar[Mapping[int, int] | None] = None

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.registers = bytearray(256)
        self.pointer = 0

    def write(self, data: bytes) -> None:
        for position, value in enumerate(data):
            if position == 0:
                self.pointer = value
            else:
                self.store(self.pointer, value)
                self.pointer = (self.pointer + 1) % 256

    def read(self, count: int) -> bytes:
        answer = bytearray()
        for _ in range(count):
            answer.append(self.load(self.pointer))
            self.pointer = (self.pointer + 1) % 256
        return bytes(answer)

    def load(self, register: int) -> int:
        """One register as the driver sees it."""
        return self.registers[register]

    def store(self, register: int, value: int) -> None:
        """One register written by the driver; override for side effects."""
        mask = 0xFF if self.writable is None else self.writable.get(register, 0)
        self.registers[register] = self.registers[register] & ~mask | value & mask


class CommandChip(SimChip):
    """Takes commands and answers later. While it works it acknowledges neither writes nor reads.

    A subclass says in `command` what each one does, mostly by `reply`.
    """

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self._answer = b""
        self._left = 0.0
        self._done: Callable[[], bytes] | None = None

    @abstractmethod
    def command(self, data: bytes) -> None:
        """One write, while the chip is idle."""

    def reply(self, make: Callable[[], bytes], after: float = 0.0) -> None:
        """Be busy for `after` seconds; what `make()` gives then is what can be read, once."""
        self._answer, self._left, self._done = b"", after, make
        self.elapse(0.0)

    def busy(self, seconds: float) -> None:
        """Work with nothing to tell afterwards."""
        self.reply(bytes, seconds)

    def write(self, data: bytes) -> None:
        self.acknowledge()
        self.command(data)

    def acknowledge(self) -> None:
        if self._done is not None:
            raise Nack(f"{self.name}: no answer: the chip is busy")

    def read(self, count: int) -> bytes:
        if not self._answer:
            raise Nack(f"{self.name}: no answer: the chip has nothing to tell")
        answer, self._answer = self._answer, b""
        return answer.ljust(count, b"\xff")[:count]

    def elapse(self, seconds: float) -> None:
        self._left -= seconds
        # sums of waits are no exact numbers
        if self._done is not None and self._left <= 1e-9:
            make, self._done = self._done, None
            self._answer = make()


@dataclass(frozen=True, slots=True)
class Shown:
    """A register that shows a channel of the world at the moment it is read: `bits` of two's complement, `left` up."""

    channel: str
    step: float
    bits: int
    left: int = 0

    def word(self, value: float) -> int:
        """What stands in the register; beyond the ends of the converter its last count."""
        half = 1 << self.bits - 1
        return counts(value, self.step, -half, half - 1) << self.left


class WordChip(SimChip):
    """A pointer that stays where it is put, and registers of 16 bits: sensors of TI, Microchip, Vishay.

    words      register -> value after power-on; a register that is not here reads as all ones
    writable   register -> the bits a driver can change; a register that is not here is read-only
    shows      register -> what of the world stands in it
    sizes      register -> bytes, where it is not two
    order      which byte comes first
    pointers   the bits of the pointer that the chip looks at
    """

    words: ClassVar[Mapping[int, int]]
    writable: ClassVar[Mapping[int, int]] = {}
    shows: ClassVar[Mapping[int, Shown]] = {}
    sizes: ClassVar[Mapping[int, int]] = {}
    order: ClassVar[Literal["big", "little"]] = "big"
    pointers: ClassVar[int] = 0xFF

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.power_up()

    def power_up(self) -> None:
        """Forget everything, as when the supply drops."""
        self.pointer = 0
        self.held = dict(self.words)
        self._converting = None

    def write(self, data: bytes) -> None:
        self.pointer = data[0] & self.pointers
        size = self.sizes.get(self.pointer, 2)
        if len(data) > size:
            self.store(self.pointer, int.from_bytes(data[1 : 1 + size], self.order))

    def read(self, count: int) -> bytes:
        word = self.load(self.pointer) if self.pointer in self.words else 0xFFFF
        size = self.sizes.get(self.pointer, 2)
        return ((word & (1 << 8 * size) - 1).to_bytes(size, self.order) + b"\xff" * count)[:count]

    def load(self, register: int) -> int:
        """One register as the driver sees it; negative numbers are two's complement on the wire."""
        shown = self.shows.get(register)
        return self.held[register] if shown is None else shown.word(self.signal(shown.channel))

    def store(self, register: int, value: int) -> None:
        """One register written by the driver; override for side effects."""
        mask = self.writable.get(register, 0)
        if mask:
            self.held[register] = self.held[register] & ~mask | value & mask


def counts(value: float, step: float, low: int, high: int) -> int:
    """`value` in whole steps, held within what the converter can show."""
    return min(max(round(value / step), low), high)
