"""Wires that answer from a recording: see `drivers.recording`, which makes them."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from drivers.errors import ArbitrationLost, BusError, BusFault, BusTimeout, BusUnavailable, Nack

ERRORS: Final = {one.kind: one for one in (BusError, Nack, BusTimeout, ArbitrationLost, BusFault, BusUnavailable)}


class OffScript(BusUnavailable):
    """The driver does something else than was recorded: the text says what, and what was recorded instead."""


class ReplayBus:
    """Answers from a recording; see `drivers.base.Bus`. After the first `OffScript` an address gives nothing else."""

    def __init__(
        self,
        recording: str,
        name: str,
        lines: Iterable[Mapping[str, Any]],
        *,
        wait: Callable[[float], None],
        now: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.name = name
        self.now = now
        self._recording = recording
        self._wait = wait
        self._left: dict[int, deque[tuple[int, Mapping[str, Any]]]] = {}
        self._lost: dict[int, str] = {}
        self._lock = threading.Lock()
        for number, line in enumerate(lines, 1):
            self._left.setdefault(line["address"], deque()).append((number, line))

    def transfer(self, address: int, write: bytes, read: int = 0) -> bytes:
        with self._lock:
            line = self._next(address, write, read)
        if "error" in line:
            raise ERRORS.get(line["error"], BusFault)(line["text"])
        return bytes.fromhex(line["answer"])

    def _next(self, address: int, write: bytes, read: int) -> Mapping[str, Any]:
        left = self._left.get(address)
        problem = self._lost.get(address) or self._problem(left, write, read)
        if problem is not None:
            self._lost[address] = problem
            raise OffScript(f"{self._recording}: {self.name} {address:#04x}: {problem}")
        assert left is not None
        return left.popleft()[1]

    def wait(self, seconds: float) -> None:
        self._wait(seconds)

    def close(self) -> None:
        return

    def _problem(self, left: deque[tuple[int, Mapping[str, Any]]] | None, write: bytes, read: int) -> str | None:
        if not left:
            return f"the driver {_words(write, read)}; the recording has nothing more of this address"
        number, line = left[0]
        if (line["write"], line["read"]) == (write.hex(), read):
            return None
        then = _words(bytes.fromhex(line["write"]), line["read"])
        return (
            f"the driver {_words(write, read)}, where it {then} in the recording (transaction {number}, at"
            f" {line['t']:g} s): another driver, option or version made it"
        )


def _words(write: bytes, read: int) -> str:
    parts = [f"writes {write.hex(' ')}"] if write else []
    return " and ".join([*parts, *([f"reads {read} bytes"] if read else [])])


class _ReplayLine:
    """A line that answers from a recording, in its order. After the first `OffScript` there is nothing else."""

    def __init__(
        self, recording: str, name: str, lines: Iterable[Mapping[str, Any]], *, wait: Callable[[float], None]
    ) -> None:
        self.name = name
        self._recording = recording
        self._wait = wait
        self._left = deque(enumerate(lines, 1))
        self._lost = ""

    def wait(self, seconds: float) -> None:
        self._wait(seconds)

    def close(self) -> None:
        return

    def answer(self, asked: str) -> Any:
        """What was answered then."""
        problem = self._lost or self._problem(asked)
        if problem:
            self._lost = problem
            raise OffScript(f"{self._recording}: {self.name}: {problem}")
        _, line = self._left.popleft()
        if "error" in line:
            raise ERRORS.get(line["error"], BusFault)(line["text"])
        return line["answer"]

    def _problem(self, asked: str) -> str:
        if not self._left:
            return f"the driver asks `{asked}`; the recording has nothing more of this line"
        number, line = self._left[0]
        if line["ask"] == asked:
            return ""
        return (
            f"the driver asks `{asked}`, where it asks `{line['ask']}` in the recording (exchange {number}, at"
            f" {line['t']:g} s): another driver, option or version made it"
        )


class ReplaySerial(_ReplayLine):
    """See `drivers.uart.Line`."""

    def write(self, data: bytes) -> None:
        self.answer(f"write {data.hex()}")

    def read(self, count: int, within: float) -> bytes:
        return bytes.fromhex(self.answer(f"read {count}"))

    def drain(self) -> None:
        self.answer("drain")


class ReplaySpi(_ReplayLine):
    """See `drivers.base.Spi`."""

    def transfer(self, data: bytes) -> bytes:
        return bytes.fromhex(self.answer(f"send {data.hex()}"))


class ReplayTree(_ReplayLine):
    """See `drivers.sysfs.Tree`."""

    def read(self, path: str) -> str:
        return str(self.answer(f"file {path}"))

    def names(self, folder: str) -> list[str]:
        return list(self.answer(f"folder {folder}"))


_LINES: Final[Mapping[str, type[_ReplayLine]]] = {"serial": ReplaySerial, "spi": ReplaySpi, "sysfs": ReplayTree}


def replayed(
    wire: str, recording: str, name: str, lines: Iterable[Mapping[str, Any]], *, wait: Callable[[float], None]
) -> Any:
    """The line of that kind of wire."""
    return _LINES[wire](recording, name, lines, wait=wait)
