"""Which GPIO chip of the kernel is the header, and the folder that lgpio works in; for `drivers.gpio`."""

import os
import shutil
import tempfile
from atexit import register as at_exit
from pathlib import Path
from typing import Any

from drivers.errors import PinUnavailable

LABELS = ("pinctrl-rp1", "pinctrl-bcm2711", "pinctrl-bcm2835")
"""Labels of the GPIO chip behind the header: Pi 5, Pi 4, earlier ones."""


def work_folder() -> str:
    """A folder of this process alone for lgpio's FIFO: two processes in one folder disturb each other."""
    for name in ("LG_WD", "RUNTIME_DIRECTORY"):
        folder = os.environ.get(name)
        if folder and os.access(folder, os.W_OK):
            return folder
    folder = tempfile.mkdtemp(prefix="edge-lgpio-")
    at_exit(shutil.rmtree, folder, ignore_errors=True)
    return folder


def find_chip(lgpio: Any, wanted: int | str | None, dev: Path) -> int:
    """The number of the gpiochip with the wanted number or label; numbers differ between kernels, labels do not.

    `dev` is where the device nodes are. Raises `PinUnavailable` with what was found.
    """
    if isinstance(wanted, int):
        return wanted
    found: dict[str, int] = {}
    refused: list[str] = []
    for number in sorted(int(p.name.removeprefix("gpiochip")) for p in dev.glob("gpiochip*")):
        try:
            handle = lgpio.gpiochip_open(number)
        except lgpio.error:
            refused.append(f"gpiochip{number}")
            continue
        try:
            found.setdefault(str(lgpio.gpio_get_chip_info(handle)[3]), number)
        finally:
            lgpio.gpiochip_close(handle)
    for label in [wanted] if wanted else LABELS:
        if label in found:
            return found[label]
    if refused:
        raise PinUnavailable(
            f"no permission for {', '.join(refused)}: `sudo usermod -aG gpio $USER`, then log in again"
        )
    seen = ", ".join(f"{label} (gpiochip{n})" for label, n in found.items()) or "no gpiochip at all"
    raise PinUnavailable(f"no GPIO chip labelled {wanted or ' or '.join(LABELS)} here; found {seen}")
