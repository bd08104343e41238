"""Lines with one part at their end that tell somebody of every exchange: see `drivers.simulation.recording`."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from drivers.errors import BusError
from drivers.wires.sysfs import Tree
from drivers.wires.uart import Line
from drivers.wires.wire import Spi

Tell = Callable[[Mapping[str, Any]], object]
"""Takes `ask` with `answer`, or with `error` and `text`."""

T = TypeVar("T")


class _Recorded:
    def __init__(self, line: Any, tell: Tell) -> None:
        self._line = line
        self._tell = tell

    def wait(self, seconds: float) -> None:
        self._line.wait(seconds)

    def close(self) -> None:
        self._line.close()

    def heard(self, asked: str, do: Callable[[], T], show: Callable[[T], Any]) -> T:
        """Do it, and tell what came of it."""
        try:
            answer = do()
        except BusError as error:
            self._tell({"ask": asked, "error": error.kind, "text": str(error)})
            raise
        self._tell({"ask": asked, "answer": show(answer)})
        return answer


class RecordedSerial(_Recorded):
    """See `drivers.wires.uart.Line`."""

    _line: Line

    @property
    def name(self) -> str:
        return self._line.name

    def write(self, data: bytes) -> None:
        self.heard(f"write {data.hex()}", lambda: self._line.write(data), lambda _: "")

    def read(self, count: int, within: float) -> bytes:
        return self.heard(f"read {count}", lambda: self._line.read(count, within), bytes.hex)

    def drain(self) -> None:
        self.heard("drain", self._line.drain, lambda _: "")


class RecordedSpi(_Recorded):
    """See `drivers.wires.wire.Spi`."""

    _line: Spi

    @property
    def name(self) -> str:
        return self._line.name

    def transfer(self, data: bytes) -> bytes:
        return self.heard(f"send {data.hex()}", lambda: self._line.transfer(data), bytes.hex)


class RecordedTree(_Recorded):
    """See `drivers.wires.sysfs.Tree`."""

    _line: Tree

    def read(self, path: str) -> str:
        return self.heard(f"file {path}", lambda: self._line.read(path), str)

    def names(self, folder: str) -> list[str]:
        return self.heard(f"folder {folder}", lambda: self._line.names(folder), list)


_LINES: Final[Mapping[str, type[_Recorded]]] = {"serial": RecordedSerial, "spi": RecordedSpi, "sysfs": RecordedTree}
RECORDED: Final = frozenset(_LINES)
"""Wires with lines that are recorded, and played back."""


def recorded(wire: str, line: Any, tell: Tell) -> Any:
    """The line with somebody who hears it, or as it is where nobody would know what was said."""
    kind = _LINES.get(wire)
    return line if kind is None else kind(line, tell)
