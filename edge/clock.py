"""Time: monotonic decides, wall time is data.

The only module that reads a clock. Everything else is handed a `Clock`, so that a test can run a day in a second
and a wall clock that jumps by years changes nothing but time stamps.
"""

from __future__ import annotations

import ctypes
import functools
import time
from datetime import UTC, datetime
from typing import Literal, Protocol

Quality = Literal["synced", "estimated", "unset"]

# A wall clock before this was never set: no gateway ran this software earlier.
EPOCH_OF_SOFTWARE = datetime(2026, 1, 1, tzinfo=UTC).timestamp()

_STA_UNSYNC = 0x0040  # <linux/timex.h>: the kernel's clock is not disciplined
_QUALITY_EVERY = 10.0


class Clock(Protocol):
    """Seconds as floats. Any thread may call any method."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary start; never goes back."""
        ...

    def wall(self) -> float:
        """Seconds since 1970-01-01 UTC as far as this machine knows; may step either way."""
        ...

    def quality(self) -> Quality:
        """How far `wall` can be trusted: `synced` by NTP, `estimated` (plausible), `unset` (never set)."""
        ...


class SystemClock:
    """The clocks of this machine."""

    def __init__(self) -> None:
        self._quality: Quality = "estimated"
        self._asked = -_QUALITY_EVERY

    def monotonic(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time()

    def quality(self) -> Quality:
        now = time.monotonic()
        if now - self._asked >= _QUALITY_EVERY:
            self._asked = now
            self._quality = _read_quality(time.time())
        return self._quality


class _Timex(ctypes.Structure):
    """struct timex of adjtimex(2); only `status` is read, the rest keeps the kernel's layout."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


def _read_quality(wall: float) -> Quality:
    if wall < EPOCH_OF_SOFTWARE:
        return "unset"
    timex = _Timex()
    state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex))
    if state < 0 or timex.status & _STA_UNSYNC:
        return "estimated"
    return "synced"


@functools.lru_cache(maxsize=8)
def _second(whole: int) -> str:
    return datetime.fromtimestamp(whole, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S.")


@functools.lru_cache(maxsize=64)
def _stamp(milliseconds: int) -> str:
    return f"{_second(milliseconds // 1000)}{milliseconds % 1000:03d}Z"


def iso(wall: float) -> str:
    """RFC 3339 in UTC with milliseconds: `2026-11-21T09:00:00.120Z`. Cheap for times close together: one run, three."""
    return _stamp(int(wall * 1000))
