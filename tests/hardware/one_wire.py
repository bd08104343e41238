"""A 1-Wire bus behind the kernel's driver for the bridge DS2482: the bridge's registers, and thermometers bit by bit.

Commands and status bits of the bridge are those of Linux `drivers/w1/masters/ds2482.c`; commands and memory of the
thermometer those of `drivers/w1/slaves/w1_therm.c`. Neither datasheet was seen.
"""

from __future__ import annotations

from collections.abc import Generator

from drivers.errors import Nack
from drivers.sim import SimChip, World

STATUS, DATA, CONFIG = 0xF0, 0xE1, 0xC3
LINE_HIGH, WAS_RESET, PRESENT = 0x08, 0x10, 0x02

Life = Generator[int, int, None]
"""What a part does in the next time slot (1: leave the line alone, 0: pull it low); what the line then was goes in."""


class Thermometer:
    """A DS18B20. `noisy`: a bit of its memory is read wrongly; `unpowered`: a conversion ends in a reset."""

    def __init__(self, world: World, name: str, serial: int) -> None:
        self.world = world
        self.name = name
        identity = bytes([0x28]) + serial.to_bytes(6, "little")
        self.rom = identity + bytes([dallas(identity)])
        self.noisy = self.unpowered = False
        self.pulls = 1
        self._memory = bytes.fromhex("50054b467fff0c10")
        self._life: Life | None = None

    @property
    def folder(self) -> str:
        """What the kernel calls it."""
        return f"28-{int.from_bytes(self.rom[1:7], 'little'):012x}"

    def reset(self) -> None:
        self._life = self._listen()
        self.pulls = next(self._life)

    def slot(self, line: int) -> None:
        """One time slot went by with the line at this level."""
        if self._life is None:
            return
        try:
            self.pulls = self._life.send(line)
        except StopIteration:
            self._life, self.pulls = None, 1

    def _listen(self) -> Life:
        command = yield from _receive(8)
        if command == 0xF0:
            for bit in _bits(self.rom):
                yield bit
                yield 1 - bit
                if (yield 1) != bit:
                    return
        elif command == 0x55:
            if (yield from _receive(64)) != int.from_bytes(self.rom, "little"):
                return
        elif command != 0xCC:
            return
        yield from self._obey((yield from _receive(8)))

    def _obey(self, command: int) -> Life:
        if command == 0x44:
            self._convert()
            while True:
                yield 1
        elif command == 0xBE:
            told = bytearray([*self._memory, dallas(self._memory)])
            told[2] ^= 0x08 if self.noisy else 0
            for bit in _bits(bytes(told)):
                _ = yield bit  # the line is sent in, which `yield from` a list cannot take
        elif command == 0x4E:
            limits = yield from _receive(24)
            self._memory = self._memory[:2] + limits.to_bytes(3, "little") + self._memory[5:]

    def _convert(self) -> None:
        if self.unpowered:
            self._memory = bytes.fromhex("50054b467fff0c10")
            return
        counts = round(float(self.world[f"{self.name}.temperature"]) * 16)
        self._memory = (
            counts.to_bytes(2, "little", signed=True) + self._memory[2:6] + bytes([0x10 - (counts & 15), 0x10])
        )


class Bridge(SimChip):
    """A DS2482-100 and what is on its line; it never needs time."""

    def __init__(self, world: World, parts: list[Thermometer]) -> None:
        super().__init__(world, "bridge")
        self.parts = parts
        self._shown = STATUS
        self._registers = {STATUS: LINE_HIGH | WAS_RESET, DATA: 0, CONFIG: 0}

    def write(self, data: bytes) -> None:
        command, given = data[0], data[1:]
        if command == 0xE1 and given[0] in self._registers:
            self._shown = given[0]
            return
        actions = {0xF0: self._restart, 0xD2: self._configure, 0xB4: self._reset, 0x87: self._single_bit,
                   0xA5: self._write_byte, 0x96: self._read_byte, 0x78: self._triplet}  # fmt: skip
        if command not in actions:
            raise Nack(f"no answer: a DS2482-100 has no command {command:#04x}")
        self._shown = CONFIG if command == 0xD2 else STATUS
        actions[command](given[0] if given else 0)

    def read(self, count: int) -> bytes:
        return bytes([self._registers[self._shown]]) * count

    def _restart(self, _: int) -> None:
        self._registers = {STATUS: LINE_HIGH | WAS_RESET, DATA: 0, CONFIG: 0}

    def _configure(self, byte: int) -> None:
        self._registers[CONFIG] = byte & 0x0F
        self._registers[STATUS] &= ~WAS_RESET

    def _reset(self, _: int) -> None:
        for part in self.parts:
            part.reset()
        self._registers[STATUS] = LINE_HIGH | (PRESENT if self.parts else 0)

    def _single_bit(self, byte: int) -> None:
        self._say(self._slot(byte >> 7))

    def _write_byte(self, byte: int) -> None:
        for position in range(8):
            self._slot(byte >> position & 1)

    def _read_byte(self, _: int) -> None:
        self._registers[DATA] = sum(self._slot(1) << position for position in range(8))

    def _triplet(self, byte: int) -> None:
        bit, complement = self._slot(1), self._slot(1)
        direction = byte >> 7 if bit == complement == 0 else bit
        self._slot(direction)
        self._say(bit, complement, direction)

    def _say(self, bit: int, complement: int = 0, direction: int = 0) -> None:
        self._registers[STATUS] = self._registers[STATUS] & 0x1F | bit << 5 | complement << 6 | direction << 7

    def _slot(self, level: int) -> int:
        line = level & min((part.pulls for part in self.parts), default=1)
        for part in self.parts:
            part.slot(line)
        return line


def dallas(data: bytes) -> int:
    """The checksum of 1-Wire."""
    crc = 0
    for byte in data:
        for position in range(8):
            mixed = (crc ^ byte >> position) & 1
            crc = crc >> 1 ^ (0x8C if mixed else 0)
    return crc


def _bits(data: bytes) -> list[int]:
    return [byte >> position & 1 for byte in data for position in range(8)]


def _receive(count: int) -> Generator[int, int, int]:
    value = 0
    for position in range(count):
        value |= (yield 1) << position
    return value
