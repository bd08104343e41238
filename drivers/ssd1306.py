"""Solomon SSD1306 with a display of 128 by 64 or 128 by 32 dots: lines of text, and a graph of a number.

Commands and the order of setting up are those of Adafruit's `adafruit_ssd1306` 2.12.24 and of `luma.oled` 3.16.0; page
addressing, which Adafruit's has for displays that know no other, is used for all. That the chip can be asked for its
status, with a bit for asleep, and how an SH1106 differs is how bitbank2's `ss_oled` tells them apart. The datasheet was
not seen.

The letters are ours (`drivers.kit.font`). Only lines that changed are sent, 32 bytes a transfer: 15 ms a line at 100
kHz. A display that lost its power is asleep: reading it is an error, and the next text sets it up anew.
"""

import math
from collections import deque
from collections.abc import Mapping
from typing import ClassVar, Literal

from drivers.base import Driver, Output, Reading, Value, on_or_off, told
from drivers.errors import BadData, NotStarted, OutOfRange, WrongChip
from drivers.kit.canvas import PITCH, Canvas, wrapped
from drivers.kit.quantity import Quantity
from drivers.kit.values import number_in
from drivers.sim import SimChip, World
from drivers.wires.wire import Bus

WIDTH = 128
COLUMNS = WIDTH // PITCH
COMMANDS, DOTS = b"\x00", b"\x40"
SLEEP, WAKE = 0xAE, 0xAF
ASLEEP, SH1106 = 0x40, 0x08
CHUNK = 32


class SSD1306(Driver, Output):
    """Blocking. `on` is whether it shows anything.

    height    64 or 32 dots: 8 or 4 lines of 21 letters
    contrast  0 to 255
    rotation  0 or 180 degrees
    graph     the lower half draws the last 128 numbers it was given; the upper half is for text, and without any says
              the last number and between which all are
    safe      "off": it sleeps; "on": it stays as it is
    """

    on = Quantity("bool")
    address = 0x3C
    addresses = (0x3C, 0x3D)
    one_byte = True

    def __init__(
        self,
        bus: Bus,
        address: int | None = None,
        *,
        height: Literal[64, 32] = 64,
        contrast: int = 0xCF,
        rotation: Literal[0, 180] = 0,
        graph: bool = False,
        safe: bool | Literal["on", "off"] = "off",
    ) -> None:
        super().__init__(bus, address)
        if not 0 <= contrast <= 0xFF:
            raise OutOfRange(f"contrast is 0 to 255, not {contrast}")
        self.safe = safe
        self._safe_on = on_or_off(safe, "a display")
        self._height = height
        self._graph = graph
        self._setup = self._commands(height, contrast, rotation)
        self._lines: list[str] = []
        self._numbers: deque[float] = deque(maxlen=WIDTH)
        self._sent: list[bytes | None] = [None] * (height // 8)
        self._awake: bool | None = None
        self._who = f"the SSD1306 at {self.address:#04x}"

    def start(self) -> None:
        """Make it safe; repeated, it leaves a display alone that kept its state, and completes what it shows."""
        if self._awake is not None and self._awake == self._is_awake():
            if self._awake:
                self._send()
            return
        self._awake = None
        self._lines = []
        # it has no id: what proves it is a status that follows
        for command, expected in ((SLEEP, False), (WAKE, True)):
            if expected:
                self._set_up()
            self._command(command)
            if self._is_awake() != expected:
                raise WrongChip(f"{self.address:#04x} does not go to sleep and wake up as told: it is no SSD1306")
        self._awake = True
        self.make_safe()

    def read(self) -> Reading:
        expected, awake = self._started(), self._is_awake()
        if expected != awake:
            raise BadData(f"{self._who} {'woke up' if awake else 'went dark'} by itself: check its power supply")
        return self.reading(on=awake)

    def set(self, value: Value) -> None:
        """A text (`|` or a line end begins a new line) or a number; "on" and "off", true and false only switch it."""
        self._started()
        if isinstance(value, bool) or value in ("on", "off"):
            self._switch(on_or_off(value, "a display"))
            return
        if isinstance(value, str):
            self._lines = self._fitting(value)
        else:
            self._number(number_in(value), value)
        self._switch(True)

    def _number(self, number: float, value: Value) -> None:
        if not math.isfinite(number):
            raise OutOfRange(f"a display shows texts and numbers, not {told(value)}")
        if self._graph:
            self._numbers.append(number)
        else:
            self._lines = [f"{number:.10g}"]

    def make_safe(self) -> None:
        if not self._safe_on:
            self.set(False)

    def close(self) -> None:
        if self._awake is not None:
            try:
                self.make_safe()
            finally:
                self._awake = None

    def _switch(self, on: bool) -> None:
        if on:
            # a display that slept, by order or without power, may have forgotten everything
            if not (self._awake and self._is_awake()):
                self._set_up()
                self._command(WAKE)
                self._awake = True
            self._send()
        else:
            self._command(SLEEP)
            self._awake = False

    def _fitting(self, text: str) -> list[str]:
        lines, room = wrapped(text, COLUMNS), self._height // (16 if self._graph else 8)
        if len(lines) > room:
            raise OutOfRange(f"{self._who} has {room} lines of {COLUMNS} letters; the text takes {len(lines)}")
        return lines

    def _picture(self) -> Canvas:
        canvas = Canvas(WIDTH, self._height)
        lines = self._lines
        if self._graph and self._numbers:
            canvas.bars(list(self._numbers), self._height // 16)
            low, high = min(self._numbers), max(self._numbers)
            lines = lines or [f"{self._numbers[-1]:.6g}", f"{low:.6g} .. {high:.6g}"]
        for number, line in enumerate(lines):
            canvas.write(number, line)
        return canvas

    def _set_up(self) -> None:
        self._sent = [None] * len(self._sent)
        self._command(*self._setup)
        self._send()

    def _send(self) -> None:
        """What has changed since it was sent."""
        for number, page in enumerate(self._picture().pages):
            dots = bytes(page)
            if self._sent[number] == dots:
                continue
            self._sent[number] = None
            self._command(0xB0 | number, 0x00, 0x10)
            for begin in range(0, WIDTH, CHUNK):
                self.transfer(DOTS + dots[begin : begin + CHUNK])
            self._sent[number] = dots

    def _command(self, *codes: int) -> None:
        self.transfer(COMMANDS + bytes(codes))

    def _is_awake(self) -> bool:
        status = self.transfer(COMMANDS, 1)[0]
        if status & 0x0F == SH1106:
            raise WrongChip(f"{self.address:#04x} is an SH1106: it looks alike and has another memory")
        return not status & ASLEEP

    def _started(self) -> bool:
        if self._awake is None:
            raise NotStarted(f"{self._who} is not started")
        return self._awake

    @staticmethod
    def _commands(height: int, contrast: int, rotation: int) -> tuple[int, ...]:
        columns, rows = (0xA1, 0xC8) if rotation == 0 else (0xA0, 0xC0)
        pins = 0x12 if height == 64 else 0x02
        return (
            0xD5, 0x80, 0xA8, height - 1, 0xD3, 0x00, 0x40,  # clock, lines, no shift
            0x8D, 0x14, 0x20, 0x02, columns, rows, 0xDA, pins,  # charge pump, page addressing, how the glass is wired
            0x81, contrast, 0xD9, 0xF1, 0xDB, 0x30, 0xA4, 0xA6,  # brightness and its timing; memory, not inverted
        )  # fmt: skip


class SimSSD1306(SimChip):
    """Its memory, filled with noise when the supply comes up, and how the glass shows it: see `picture()`.

    `<name>.on` shows whether it is awake.
    """

    parameters: ClassVar[Mapping[int, int]] = {
        **dict.fromkeys((0x20, 0x81, 0x8D, 0xA8, 0xAD, 0xD3, 0xD5, 0xD9, 0xDA, 0xDB), 1),
        **dict.fromkeys((0x21, 0x22, 0xA3), 2), 0x26: 6, 0x27: 6, 0x29: 5, 0x2A: 5,
    }  # fmt: skip

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.memory = [bytearray(b"\xa5\x5a" * 64) for _ in range(8)]
        self.settings = {0x20: 2, 0x81: 0x7F, 0x8D: 0x10, 0xA8: 63, 0xD3: 0, 0xDA: 0x12}
        self.columns, self.pages = (0, 127), (0, 7)
        self.column = self.page = self.line = 0
        self.mirrored = self.turned = self.inverted = self.awake = False
        self._pending: list[int] = []
        self._tell()

    def read(self, count: int) -> bytes:
        return bytes([0x06 if self.awake else 0x46]) * count

    def write(self, data: bytes) -> None:
        position = 0
        while position < len(data):
            control = data[position]
            # the top bit says that one byte follows and then the next control byte
            end = position + 2 if control & 0x80 else len(data)
            for byte in data[position + 1 : end]:
                (self._dots if control & 0x40 else self._take)(byte)
            position = end

    def picture(self) -> list[str]:
        """What is to be seen, a text of `#` and `.` a row. A chip asleep, or without its charge pump, is dark."""
        rows = self.settings[0xA8] + 1
        lit = self.awake and self.settings[0x8D] & 0x04
        return [
            "".join("#" if lit and self._dot(x, y, rows) != self.inverted else "." for x in range(128))
            for y in range(rows)
        ]

    def _dot(self, x: int, y: int, rows: int) -> bool:
        # the usual glass: segment 0 at its right edge, common line 0 at its lower one
        row = y if self.turned else rows - 1 - y
        row = (row + self.line + self.settings[0xD3]) % 64
        return bool(self.memory[row // 8][127 - x] >> row % 8 & 1)

    def _take(self, byte: int) -> None:
        self._pending.append(byte)
        code, *given = self._pending
        if len(given) == self.parameters.get(code, 0):
            self._pending = []
            self._obey(code, given)

    def _obey(self, code: int, given: list[int]) -> None:
        if code < 0x10:
            self.column = self.column & 0x70 | code
        elif code < 0x20:
            self.column = (code & 0b111) << 4 | self.column & 0x0F
        elif code == 0x21:
            self.columns, self.column = (given[0], given[1]), given[0]
        elif code == 0x22:
            self.pages, self.page = (given[0] & 7, given[1] & 7), given[0] & 7
        elif 0x40 <= code < 0x80:
            self.line = code & 0x3F
        elif 0xB0 <= code < 0xB8:
            self.page = code & 7
        elif code in self.settings:
            self.settings[code] = given[0]
        elif 0xA0 <= code <= 0xA1:
            self.mirrored = bool(code & 1)
        elif 0xA6 <= code <= 0xA7:
            self.inverted = bool(code & 1)
        elif 0xC0 <= code < 0xD0:
            self.turned = bool(code & 8)
        elif code in (0xAE, 0xAF):
            self.awake = bool(code & 1)
            self._tell()

    def _dots(self, byte: int) -> None:
        # mirroring acts on what is written from then on
        self.memory[self.page][127 - self.column if self.mirrored else self.column] = byte
        if self.settings[0x20] == 1:
            self.page = self._next(self.page, self.pages)
            self.column = self._next(self.column, self.columns) if self.page == self.pages[0] else self.column
        elif self.settings[0x20] == 0:
            self.column = self._next(self.column, self.columns)
            self.page = self._next(self.page, self.pages) if self.column == self.columns[0] else self.page
        else:
            self.column = (self.column + 1) % 128

    @staticmethod
    def _next(at: int, window: tuple[int, int]) -> int:
        return window[0] if at == window[1] else at + 1

    def _tell(self) -> None:
        self.world[f"{self.name}.on"] = self.awake


DRIVER, SIM = SSD1306, SimSSD1306
