"""Exit codes, and the exception that carries one with its sentence."""

from __future__ import annotations

from edge.errors import EdgeError

FINE = 0
MISTAKE = 1  # the user can mend it
USAGE = 2  # the command line itself is wrong
DEGRADED = 3  # something is degraded, damaged, or conservation does not hold
INTERRUPTED = 130  # 128 + SIGINT, as shells count
BROKEN_PIPE = 141  # 128 + SIGPIPE


class Stop(EdgeError):
    """End the command with this sentence on stderr (none if empty) and this code."""

    def __init__(self, sentence: str, code: int = MISTAKE) -> None:
        self.code = code
        super().__init__(sentence)
