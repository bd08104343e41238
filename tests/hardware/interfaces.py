"""What the kernel of this machine offers for tests, and what becomes of a test that finds nothing."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

ADAPTERS = Path("/sys/bus/i2c/devices")
STUB = "SMBus stub driver"
USER = "i2c-user test adapter"


def absent(what: str, remedy: str) -> NoReturn:
    """Skip the test; fail it where EDGE_HARDWARE=require says that everything must be there."""
    if os.environ.get("EDGE_HARDWARE") == "require":
        pytest.fail(f"{what}: {remedy}")
    pytest.skip(f"{what}: {remedy}")


@dataclass(frozen=True)
class Adapter:
    """One I2C adapter of the kernel: `i2c-3`."""

    name: str

    @property
    def number(self) -> int:
        return int(self.name.removeprefix("i2c-"))

    def device(self, address: int) -> Path:
        """Where the kernel lists a chip that it was told of."""
        return ADAPTERS / f"{self.number}-{address:04x}"

    def bind(self, kind: str, address: int) -> Path:
        """Tell the kernel that its driver for `kind` is to take this chip; returns the chip's folder."""
        (ADAPTERS / self.name / "new_device").write_text(f"{kind} {address:#04x}")
        return self.device(address)

    def release(self, address: int) -> None:
        """Take the chip away from the kernel's driver again."""
        (ADAPTERS / self.name / "delete_device").write_text(f"{address:#04x}")


def adapter(called: str, remedy: str) -> Adapter:
    """The test adapter that calls itself so. An adapter with wires is never taken: it has another name."""
    for folder in sorted(ADAPTERS.glob("i2c-*")):
        if (folder / "name").read_text().strip() == called:
            node = Path("/dev") / folder.name
            if not os.access(node, os.R_OK | os.W_OK):
                absent(f"no permission for {node}", "run the tests as root")
            return Adapter(folder.name)
    absent(f"no I2C adapter is called '{called}'", remedy)
