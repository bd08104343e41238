"""What a run may allocate: an address space as large as the process is, and `limits.memory` more."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

from edge.errors import LimitExceeded

P = ParamSpec("P")
R = TypeVar("R")


class Wall:
    """Around one run at a time, in its own process. Only the soft limit moves, so that it can be taken away again."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._first = self._before = _size()

    def put(self) -> None:
        """From here on, `room` bytes more than the process has now."""
        self._before = _size()
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        limit = self._before + self._room
        resource.setrlimit(resource.RLIMIT_AS, (limit if hard < 0 else min(limit, hard), hard))

    def lift(self) -> None:
        """What is left to do, saying how the run ended above all, must not fail for want of memory."""
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))

    @property
    def outgrown(self) -> bool:
        """Whether runs left so much behind that this process has taken the room of a whole run for good."""
        return _size() > self._first + self._room

    def inside(self, function: Callable[P, R]) -> Callable[P, R]:
        """The function, which raises `LimitExceeded` with the numbers where memory runs out."""

        @wraps(function)
        def bounded(*arguments: P.args, **named: P.kwargs) -> R:
            try:
                return function(*arguments, **named)
            except MemoryError as error:
                taken = _size() - self._before
                self.lift()
                message = f"memory: {taken} bytes taken and more wanted, limits.memory is {self._room}"
                raise LimitExceeded(message).with_traceback(error.__traceback__) from None

        return bounded


def _size() -> int:
    """Bytes of address space."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * os.sysconf("SC_PAGE_SIZE")
