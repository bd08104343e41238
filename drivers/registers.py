"""A datasheet's register table as a class body.

    class Chip(Driver):
        counts = Register(0x00, size=2, signed=True, writable=False)
        config = Register(0x01, size=2)
        shutdown = Bits(config, low=8)

Each access is exactly one bus transaction (two for setting `Bits`: read, then write), so a sample of several
registers belongs in one `transfer`, not in several attributes. Descriptors keep the table only; what is read
belongs to the instance that asked, so two sensors on two threads cannot mix.
"""

from typing import Literal, Protocol, Self, overload


class Registered(Protocol):
    """What owns registers: anything with one chip to talk to."""

    def transfer(self, write: bytes, read: int = 0) -> bytes: ...


class Register:
    """`size` bytes at `address`, as an integer. `decode`/`encode` are pure; simulated chips use them too."""

    def __init__(
        self,
        address: int,
        size: int = 1,
        *,
        signed: bool = False,
        endian: Literal["big", "little"] = "big",
        writable: bool = True,
    ) -> None:
        self.address = address
        self.size = size
        self.signed = signed
        self.endian = endian
        self.writable = writable

    def decode(self, data: bytes) -> int:
        """The integer in `size` bytes."""
        return int.from_bytes(data, self.endian, signed=self.signed)

    def encode(self, value: int) -> bytes:
        """`size` bytes; `OverflowError` where the value does not fit."""
        return value.to_bytes(self.size, self.endian, signed=self.signed)

    @overload
    def __get__(self, chip: None, owner: type) -> Self: ...
    @overload
    def __get__(self, chip: Registered, owner: type) -> int: ...
    def __get__(self, chip: Registered | None, owner: type) -> Self | int:
        if chip is None:
            return self
        return self.decode(chip.transfer(bytes([self.address]), self.size))

    def __set__(self, chip: Registered, value: int) -> None:
        if not self.writable:
            raise AttributeError(f"register {self.address:#04x} is read-only")
        chip.transfer(bytes([self.address]) + self.encode(value))


class Bits:
    """`width` bits of a register, from bit `low` (0 = least significant) upwards."""

    def __init__(self, register: Register, low: int, width: int = 1, *, signed: bool = False) -> None:
        self.register = register
        self.low = low
        self.width = width
        self.signed = signed

    def take(self, word: int) -> int:
        """The field's value inside a register's value."""
        field = (word >> self.low) & ((1 << self.width) - 1)
        negative = self.signed and field >> (self.width - 1)
        return field - (1 << self.width) if negative else field

    def put(self, word: int, value: int) -> int:
        """The register's value with the field replaced; `OverflowError` where it does not fit."""
        lowest = -(1 << (self.width - 1)) if self.signed else 0
        if not lowest <= value < lowest + (1 << self.width):
            raise OverflowError(f"{value} does not fit {self.width} bits")
        mask = ((1 << self.width) - 1) << self.low
        return (word & ~mask) | ((value << self.low) & mask)

    @overload
    def __get__(self, chip: None, owner: type) -> Self: ...
    @overload
    def __get__(self, chip: Registered, owner: type) -> int: ...
    def __get__(self, chip: Registered | None, owner: type) -> Self | int:
        if chip is None:
            return self
        return self.take(self.register.__get__(chip, owner))

    def __set__(self, chip: Registered, value: int) -> None:
        word = self.register.__get__(chip, type(chip))
        self.register.__set__(chip, self.put(word, value))
