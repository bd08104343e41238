"""The kernel's side of `/dev/i2c-N` for tests: decodes the ioctls of the real smbus2 and answers from a `SimBus`."""

import errno
from collections import deque
from pathlib import Path
from typing import Any

import pytest
import smbus2
from smbus2.smbus2 import I2C_FUNCS, I2C_RDWR, I2C_SLAVE, I2C_SMBUS

from drivers import Nack, SimBus
from drivers.bus import SMBusBus

PLAIN = int(smbus2.I2cFunc.I2C | smbus2.I2cFunc.SMBUS_EMUL)
STUB = int(smbus2.I2cFunc.SMBUS_EMUL & ~smbus2.I2cFunc.I2C)
READ = 1


class Kernel:
    """`funcs` is what the adapter can do; `errors` are the errnos of the next calls."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, *, funcs: int = PLAIN) -> None:
        self.sim = SimBus()
        self.funcs = funcs
        self.errors: deque[int] = deque()
        self.selected = 0
        self.calls: list[int] = []
        self.node = folder / "i2c-7"
        self.node.touch()
        self.sysfs = folder / "sysfs"
        self.sysfs.mkdir()
        monkeypatch.setattr("smbus2.smbus2.ioctl", self.ioctl)
        monkeypatch.setattr("drivers.bus.SYSFS", self.sysfs)

    def open(self) -> SMBusBus:
        return SMBusBus(str(self.node), wait=self.sim.wait)

    def ioctl(self, _fd: int, request: int, argument: Any) -> int:
        if request == I2C_FUNCS:
            argument.value = self.funcs
            return 0
        self.calls.append(request)
        if self.errors:
            raise OSError(number := self.errors.popleft(), errno.errorcode.get(number, "?"))
        try:
            {I2C_RDWR: self._rdwr, I2C_SLAVE: self._select, I2C_SMBUS: self._smbus}[request](argument)
        except Nack as error:
            # what a Raspberry Pi's adapter says about an address that nobody answers
            raise OSError(errno.EREMOTEIO, "Remote I/O error") from error
        return 0

    def _rdwr(self, argument: Any) -> None:
        if not self.funcs & smbus2.I2cFunc.I2C:
            raise OSError(errno.EOPNOTSUPP, "Operation not supported")
        messages = [argument.msgs[i] for i in range(argument.nmsgs)]
        assert len({m.addr for m in messages}) == 1
        reads = [m for m in messages if m.flags & READ]
        writes = [m for m in messages if not m.flags & READ]
        written = b"".join(bytes(m) for m in writes)
        answer = self.sim.transfer(messages[0].addr, written, reads[0].len if reads else 0)
        for position, byte in enumerate(answer):
            reads[0].buf[position] = bytes([byte])

    def _select(self, address: int) -> None:
        self.selected = address

    def _smbus(self, argument: Any) -> None:
        data, command = argument.data.contents if argument.data else None, bytes([argument.command])
        reading, size = argument.read_write == READ, argument.size
        if size == 0:
            if not self.sim.probe(self.selected, reading=False):
                raise Nack("nobody")
        elif size == 1 and reading:
            data.byte = self.sim.transfer(self.selected, b"", 1)[0]
        elif size == 1:
            self.sim.transfer(self.selected, command)
        elif size == 2 and reading:
            data.byte = self.sim.transfer(self.selected, command, 1)[0]
        elif size == 2:
            self.sim.transfer(self.selected, command + bytes([data.byte]))
        elif size == 3 and reading:
            data.word = int.from_bytes(self.sim.transfer(self.selected, command, 2), "little")
        elif size == 3:
            self.sim.transfer(self.selected, command + int(data.word).to_bytes(2, "little"))
        elif size == 8 and reading:
            count = data.block[0]
            data.block[1 : count + 1] = list(self.sim.transfer(self.selected, command, count))
        else:
            assert size == 8
            count = data.block[0]
            self.sim.transfer(self.selected, command + bytes(data.block[1 : count + 1]))
