"""A stand-in for the `lgpio` extension, so that gpiozero's own lgpio pins run here: lines are a dict, edges a call."""

import os
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any


class LgpioError(Exception):
    """As in lgpio: a text, no number."""


class Lgpio(types.ModuleType):
    """`chips` is number -> label; `busy` are lines of another process; `alerts` are the flags of watched ones; `levels`
    is what the lines show; `spi` is what answers at a bus and chip select, with nothing where the transfer fails."""

    SET_PULL_NONE, SET_PULL_UP, SET_PULL_DOWN = 0, 32, 64
    RISING_EDGE, FALLING_EDGE, BOTH_EDGES = 1, 2, 3
    error = LgpioError

    def __init__(self, chips: dict[int, str]) -> None:
        super().__init__("lgpio")
        self.chips = chips
        self.refused: set[int] = set()
        self.busy: set[int] = set()
        self.levels: dict[int, int] = {}
        self.modes: dict[int, int] = {}
        self.callbacks: dict[int, Callable[..., None]] = {}
        self.alerts: dict[int, int] = {}
        self.opened: list[int] = []
        self.spi: dict[tuple[int, int], Callable[[bytes], bytes]] = {}
        self.spi_settings: dict[tuple[int, int], tuple[int, int]] = {}

    def imported(self) -> None:
        """What the import of the real one does to the process."""
        folder = os.environ["LG_WD"]
        (Path(folder) / ".lgd-nfy0").touch()
        os.chdir(folder)

    def edge(self, line: int, level: int, at: float = 0.0) -> None:
        """The notify thread's call, with the kernel's stamp in nanoseconds; an exception here would end that thread."""
        self.levels[line] = level
        self.callbacks[line](0, line, level, round(at * 1e9))

    def gpiochip_open(self, number: int) -> int:
        if number in self.refused or number not in self.chips:
            raise LgpioError("can not open gpiochip")
        self.opened.append(number)
        return number

    def gpiochip_close(self, handle: int) -> int:
        return 0

    def gpio_get_chip_info(self, handle: int) -> list[Any]:
        return [0, 54, f"gpiochip{handle}", self.chips[handle]]

    def spi_open(self, port: int, device: int, baud: int, flags: int = 0) -> tuple[int, int]:
        if (port, device) not in self.spi:
            raise LgpioError("can not open SPI device")
        self.spi_settings[port, device] = baud, flags
        return port, device

    def spi_close(self, handle: tuple[int, int]) -> int:
        del self.spi_settings[handle]
        return 0

    def spi_xfer(self, handle: tuple[int, int], data: list[int]) -> tuple[int, bytearray]:
        answer = self.spi[handle](bytes(data))
        return (len(answer) or -1), bytearray(answer)

    def gpio_claim_input(self, handle: int, line: int, flags: int = 0) -> int:
        if line in self.busy:
            raise LgpioError("GPIO busy")
        self.modes[line] = flags
        self.levels.setdefault(line, 1 if flags == self.SET_PULL_UP else 0)
        return 0

    def gpio_claim_output(self, handle: int, line: int, level: int = 0, flags: int = 0) -> int:
        if line in self.busy:
            raise LgpioError("GPIO busy")
        self.modes[line] = 2
        self.levels[line] = level
        return 0

    def gpio_free(self, handle: int, line: int) -> int:
        self.levels.pop(line, None)
        return 0

    def gpio_get_mode(self, handle: int, line: int) -> int:
        return self.modes.get(line, 0)

    def gpio_read(self, handle: int, line: int) -> int:
        return self.levels[line]

    def gpio_write(self, handle: int, line: int, level: int) -> int:
        self.levels[line] = int(level)
        return 0

    def gpio_set_debounce_micros(self, handle: int, line: int, micros: int) -> int:
        assert micros == 0, "the library must not debounce"
        return 0

    def gpio_claim_alert(self, handle: int, line: int, edges: int, flags: int = 0) -> int:
        self.alerts[line] = flags
        return 0

    def callback(self, handle: int, line: int, edges: int, call: Callable[..., None]) -> Any:
        self.callbacks[line] = call
        return types.SimpleNamespace(cancel=lambda: self.callbacks.pop(line, None))
