"""A simulated chip that measures what a test says, whatever its world is."""

from __future__ import annotations

from typing import TypeVar

from drivers import World
from drivers.sim import SimChip

Chip = TypeVar("Chip", bound=SimChip)


def measuring(kind: type[Chip], answer: str) -> Chip:
    """One of this kind whose every measurement is these bytes, in hexadecimal."""
    chip = kind(World(), "it")
    assert hasattr(chip, "measured")
    chip.measured = lambda: bytes.fromhex(answer)
    return chip
