"""Plantower PMS5003 particulate matter sensor on a serial port: micrograms per cubic metre of air.

The frame (32 bytes, 13 words behind the header, sum of all bytes at its end) is that of Pimoroni's `pms5003` 1.0.1, the
version and error bytes that of `python-pms7003`, the commands (E1 mode, E2 read) those of the mbed library `PMS`; the
datasheet was not seen. Values are those "under atmospheric environment".

mode: passive   the sensor speaks when it is asked: every reading is one measurement of now
mode: active    it speaks by itself about once a second, for boards whose TX is not connected; a reading is the next
                frame

After power-on the fan needs some 30 s before the values mean anything: let a trigger hold with `for: 1m`.
"""

import struct
from collections.abc import Mapping
from typing import ClassVar, Literal

from drivers.base import Reading, Seconds
from drivers.errors import BadData
from drivers.sim import World
from drivers.simulation.uart import SimTalker
from drivers.wires.uart import Line, SerialDevice

HEADER = b"BM"
WORDS = 13
PASSIVE, ACTIVE, READ = b"BM\xe1\x00\x00\x01\x70", b"BM\xe1\x00\x01\x01\x71", b"BM\xe2\x00\x00\x01\x71"
LONGEST_PAUSE = 3.0
"""Seconds between two frames of a sensor that speaks by itself, and a good deal of patience."""


class PMS5003(SerialDevice):
    """Blocking until a frame came: some milliseconds when passive, up to 3 s when active."""

    channels: ClassVar[Mapping[str, str]] = {"pm1": "ug/m3", "pm2_5": "ug/m3", "pm10": "ug/m3"}
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = dict.fromkeys(channels, (0.0, 1000.0))
    resolution: ClassVar[Mapping[str, float]] = dict.fromkeys(channels, 1.0)
    every = Seconds(10.0)

    def __init__(self, line: Line, port: str | None = None, *, mode: Literal["passive", "active"] = "passive") -> None:
        super().__init__(line, port)
        self.mode = mode

    def start(self) -> None:
        """Set the mode, and take one reading and drop it."""
        self.line.write(PASSIVE if self.mode == "passive" else ACTIVE)
        self.line.wait(0.1)
        self.read()

    def read(self) -> Reading:
        # what waits in the buffer is from the past
        self.line.drain()
        if self.mode == "passive":
            self.line.write(READ)
        body = self._frame()
        if len(body) < 2 * WORDS:
            # the sensor also answers commands, in shorter frames
            body = self._frame()
        if len(body) < 2 * WORDS:
            raise BadData(f"{self.line.name}: the PMS5003 answers commands, but sends no measurement")
        words = struct.unpack(f">{WORDS}H", body)
        if words[12] & 0xFF:
            raise BadData(f"{self.line.name}: the PMS5003 reports its error {words[12] & 0xFF:#04x}: fan or laser")
        return self.reading(pm1=float(words[3]), pm2_5=float(words[4]), pm10=float(words[5]))

    def _frame(self) -> bytes:
        """What stands between the length and the sum of the next frame."""
        skipped = 0
        start = self._take(2)
        while start != HEADER:
            if skipped > 2 * 32:
                raise BadData(f"{self.line.name}: no frame begins here: is it a PMS5003?")
            start, skipped = start[1:] + self._take(1), skipped + 1
        length = self._take(2)
        count = int.from_bytes(length, "big")
        if count not in (4, 2 * WORDS + 2):
            raise BadData(f"{self.line.name}: a frame of {count} bytes: bytes were lost, or it is no PMS5003")
        rest = self._take(count)
        told = int.from_bytes(rest[-2:], "big")
        if sum(HEADER + length + rest[:-2]) != told:
            raise BadData(f"{self.line.name}: wrong checksum: a long or noisy line")
        return rest[:-2]

    def _take(self, count: int) -> bytes:
        data = self.line.read(count, LONGEST_PAUSE)
        if len(data) < count:
            raise self.silence()
        return data


class SimPMS5003(SimTalker):
    """Speaks every second after power-on, or when it is asked once it was told to.

    noisy   one bit of the next frames is wrong; `error` is what it says about itself
    """

    command = 7
    defaults: ClassVar[Mapping[str, float]] = {"pm1": 5.0, "pm2_5": 8.0, "pm10": 9.0}

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.active = True
        self.noisy = False
        self.error = 0
        self._next = self.now() + 1.0

    def obey(self, data: bytes) -> None:
        if data[:2] != b"\x42\x4d" or sum(data[:5]) != data[5] << 8 | data[6]:
            return
        if data[2] == 0xE1:
            self.active, self._next = data[4] == 1, self.now() + 1.0
            self.say(_with_sum(b"\x42\x4d\x00\x04\xe1" + data[4:5]), after=0.01)
        elif data[2] == 0xE2 and not self.active:
            self.say(self._measured(), after=0.04)

    def due(self) -> float | None:
        said = super().due()
        if not self.active:
            return said
        by_itself = max(0.0, self._next - self.now())
        return by_itself if said is None else min(said, by_itself)

    def spoken(self) -> bytes:
        # nobody reads more than the last few: the line keeps 4095 bytes
        begin = self.now() + 1e-9
        if self.active and begin - self._next > 200:
            self._next += (begin - self._next) // 1.0 - 200
        frames = b""
        while self.active and self._next <= begin:
            frames += self._measured()
            self._next += 1.0
        return super().spoken() + frames

    def _measured(self) -> bytes:
        pm1, pm2_5, pm10 = (min(max(round(self.signal(c)), 0), 65535) for c in ("pm1", "pm2_5", "pm10"))
        # laboratory and air values differ above some 30 ug/m3
        frame = b"\x42\x4d\x00\x1c"
        for word in (pm1 * 3 // 2, pm2_5 * 3 // 2, pm10 * 3 // 2, pm1, pm2_5, pm10, 900, 260, 40, 4, 1, 0):
            frame += min(word, 65535).to_bytes(2, "big")
        frame = _with_sum(frame + bytes([0x97, self.error]))
        return frame[:12] + bytes([frame[12] ^ 0x04]) + frame[13:] if self.noisy else frame


def _with_sum(frame: bytes) -> bytes:
    return frame + (sum(frame) & 0xFFFF).to_bytes(2, "big")


DRIVER, SIM = PMS5003, SimPMS5003
