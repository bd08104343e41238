"""A GPIO chip of the kernel's module gpio-sim: what is outside the pin is a file."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from tests.hardware.interfaces import absent

CONFIGFS = Path("/sys/kernel/config/gpio-sim")
TICK = 0.01
"""Seconds after which user-mode Linux looks at simulated interrupts: of two edges of a line within it one is lost."""


@dataclass(frozen=True)
class GpioSim:
    """One chip with one bank of lines; `chip` is its number in /dev."""

    label: str
    folder: Path
    lines: Path
    chip: int

    @classmethod
    def make(cls, *, label: str, lines: int) -> GpioSim:
        if not CONFIGFS.is_dir():
            absent("no gpio-sim", "sudo modprobe gpio-sim (kernel option GPIO_SIM), or scripts/kernel-tests")
        if not os.access(CONFIGFS, os.W_OK):
            absent(f"no permission for {CONFIGFS}", "run the tests as root")
        folder = CONFIGFS / f"{label}-{os.getpid()}"
        bank = folder / "bank0"
        bank.mkdir(parents=True)
        (bank / "num_lines").write_text(str(lines))
        (bank / "label").write_text(label)
        (folder / "live").write_text("1")
        device = (folder / "dev_name").read_text().strip()
        chip = (bank / "chip_name").read_text().strip()
        return cls(label, folder, Path("/sys/devices/platform") / device / chip, int(chip.removeprefix("gpiochip")))

    def drive(self, line: int, level: bool, *, hold: float = 2 * TICK) -> None:
        """Put a level on an input from outside; a change is an edge. Comes back `hold` seconds later."""
        (self.lines / f"sim_gpio{line}" / "pull").write_text("pull-up" if level else "pull-down")
        time.sleep(hold)

    def level(self, line: int) -> bool:
        """What the line shows, whoever drives it."""
        return (self.lines / f"sim_gpio{line}" / "value").read_text().strip() == "1"

    def remove(self) -> None:
        (self.folder / "live").write_text("0")
        (self.folder / "bank0").rmdir()
        self.folder.rmdir()
