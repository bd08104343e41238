"""What an examination gives, and the machine it looks at: real, or a folder that plays one in tests."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Level = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of `edge doctor`; `remedy` says what to do where the level is not ok."""

    level: Level
    area: str
    message: str
    remedy: str = ""


def _run(command: Sequence[str]) -> str | None:
    """What the command prints; None where it is missing or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


@dataclass(frozen=True, slots=True)
class Machine:
    """The files below `root`, the environment, and how to ask other programs."""

    root: Path = Path("/")
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    run: Callable[[Sequence[str]], str | None] = _run

    def path(self, absolute: str) -> Path:
        """Where a path of the machine really is."""
        return self.root / absolute.lstrip("/")

    def text(self, absolute: str) -> str | None:
        """A small file's text; None where it cannot be read."""
        try:
            return self.path(absolute).read_text(errors="replace").strip("\0\n ")
        except OSError:
            return None

    def glob(self, folder: str, pattern: str) -> list[Path]:
        """Sorted matches in a folder."""
        return sorted(self.path(folder).glob(pattern))
