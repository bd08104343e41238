"""Record what happens on buses and pins, and play it back to the same drivers anywhere.

    recorder = Recorder(file.write, now=time)                   with any bus and header, real or simulated:
    bus = recorder.bus("i2c-1", bus)                            every transaction goes into the file
    pins = recorder.pins(pins)                                  and every edge of an input

    recording = read_recording(path)
    bus = recording.bus("i2c-1", wait=wait)                     answers what was answered then
    recording.play(17, world, pins)                             drives what was seen then

The file is gzip over JSON lines, flushed at least once a second, so that a killed process or a cut of the power loses
the last second and nothing else: what comes before a torn tail is read.

    {"edge_recording": 1}                                                   the first line
    {"t": 0.01, "bus": "i2c-1", "address": 72, "write": "00", "read": 2, "answer": "1500"}
    {"t": 5.01, "bus": "i2c-1", "address": 72, "write": "00", "read": 2, "error": "nack", "text": "..."}
    {"t": 7.20, "pin": 17, "level": false}

`t` is seconds since the recording began. A transaction is answered by the next recorded one at its address, which
must have the same bytes; the order between addresses and the time do not count.
"""

import json
import threading
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from drivers.base import Bus, InputPin, OutputPin, Pins, Pull, Spi
from drivers.errors import ArbitrationLost, BusError, BusFault, BusTimeout, BusUnavailable, DriverError, Nack
from drivers.sim import SimPins, World

VERSION: Final = 1
_FLUSH: Final = 1.0  # seconds
_ERRORS: Final = {one.kind: one for one in (BusError, Nack, BusTimeout, ArbitrationLost, BusFault, BusUnavailable)}
_GZIP: Final = 31


class BadRecording(DriverError):
    """The file is no recording, or of a version this program does not know."""

    kind = "config"


class OffScript(BusUnavailable):
    """The driver does something else than was recorded: the text says what, and what was recorded instead."""


class Recorder:
    """Writes a recording with `write`; `limit` bytes at most, then it is `full` and records nothing more.

    Thread-safe: buses and edges of any thread.
    """

    def __init__(self, write: Callable[[bytes], object], *, now: Callable[[], float], limit: int = 10_000_000) -> None:
        self.transactions = self.edges = self.size = 0
        self.full = False
        self._write = write
        self._now = now
        self.limit = limit
        self.began = self._flushed = now()
        self._pack = zlib.compressobj(wbits=_GZIP)
        self._lock = threading.RLock()
        self._add({"edge_recording": VERSION})

    def bus(self, name: str, bus: Bus) -> Bus:
        """The bus, recorded under this name."""
        return _RecordedBus(self, name, bus)

    def pins(self, pins: Pins) -> Pins:
        """The header, its inputs recorded."""
        return _RecordedPins(self, pins)

    def transaction(self, fields: Mapping[str, Any]) -> None:
        """One transfer that ended."""
        self.transactions += 1
        self._add({"t": self._time(self._now()), **fields})

    def edge(self, pin: int, level: bool, at: float) -> None:
        """An input has this level since `at`."""
        self.edges += 1
        self._add({"t": self._time(at), "pin": pin, "level": level})

    def close(self) -> None:
        """Write what is left; idempotent. The sink stays open: it belongs to the caller."""
        with self._lock:
            if not self.full:
                self.full = True
                data = self._pack.flush()
                self.size += len(data)
                self._write(data)

    def _time(self, at: float) -> float:
        return round(max(at - self.began, 0.0), 6)

    def _add(self, line: Mapping[str, Any]) -> None:
        with self._lock:
            if self.full:
                return
            data = self._pack.compress(json.dumps(line, separators=(",", ":")).encode() + b"\n")
            now = self._now()
            if now - self._flushed >= _FLUSH or not self.size:
                self._flushed = now
                data += self._pack.flush(zlib.Z_SYNC_FLUSH)
            self.size += len(data)
            self._write(data)
            if self.size >= self.limit:
                self.close()


class _RecordedBus:
    def __init__(self, recorder: Recorder, name: str, bus: Bus) -> None:
        self._recorder = recorder
        self._name = name
        self._bus = bus

    def transfer(self, address: int, write: bytes, read: int = 0) -> bytes:
        line = {"bus": self._name, "address": address, "write": write.hex(), "read": read}
        try:
            answer = self._bus.transfer(address, write, read)
        except BusError as error:
            self._recorder.transaction({**line, "error": error.kind, "text": str(error)})
            raise
        self._recorder.transaction({**line, "answer": answer.hex()})
        return answer

    def wait(self, seconds: float) -> None:
        self._bus.wait(seconds)

    def close(self) -> None:
        self._bus.close()


class _RecordedPins:
    def __init__(self, recorder: Recorder, pins: Pins) -> None:
        self._recorder = recorder
        self._pins = pins

    def now(self) -> float:
        return self._pins.now()

    def input(self, number: int, *, pull: Pull) -> InputPin:
        return _RecordedInput(self._recorder, number, self._pins.input(number, pull=pull), self._pins.now)

    def output(self, number: int, *, level: bool) -> OutputPin:
        return self._pins.output(number, level=level)

    def spi(self, port: int, select: int, *, mode: int, rate: int, wait: Callable[[float], None]) -> Spi:
        return self._pins.spi(port, select, mode=mode, rate=rate, wait=wait)

    def close(self) -> None:
        self._pins.close()


class _RecordedInput:
    """Records its first level, every edge, and a level that differs without an edge: the kernel loses some."""

    def __init__(self, recorder: Recorder, number: int, pin: InputPin, now: Callable[[], float]) -> None:
        self._recorder = recorder
        self._number = number
        self._pin = pin
        self._now = now
        self._last: bool | None = None
        self.level()

    def level(self) -> bool:
        level = self._pin.level()
        if level != self._last:
            self._note(level, self._now())
        return level

    def watch(self, emit: Callable[[bool, float], None]) -> None:
        def seen(level: bool, at: float) -> None:
            self._note(level, at)
            emit(level, at)

        self._pin.watch(seen)

    def close(self) -> None:
        self._pin.close()

    def _note(self, level: bool, at: float) -> None:
        self._last = level
        self._recorder.edge(self._number, level, at)


class Recording:
    """What was recorded: `buses` and `inputs` by name and number, `seconds` long."""

    def __init__(self, name: str, lines: Iterable[Mapping[str, Any]]) -> None:
        self.name = name
        self.seconds = 0.0
        self.buses: dict[str, list[Mapping[str, Any]]] = {}
        self.inputs: dict[int, list[tuple[float, bool]]] = {}
        for line in lines:
            self.seconds = max(self.seconds, line["t"])
            if "bus" in line:
                self.buses.setdefault(line["bus"], []).append(line)
            else:
                self.inputs.setdefault(line["pin"], []).append((line["t"], line["level"]))

    def bus(self, name: str, *, wait: Callable[[float], None]) -> Bus:
        """The recorded bus, from its beginning. Raises `BusUnavailable` where nothing of it was recorded."""
        if name not in self.buses:
            there = ", ".join(self.buses) or "none"
            raise BusUnavailable(f"{self.name} has nothing of {name}; the buses in it: {there}")
        return ReplayBus(self.name, name, self.buses[name], wait=wait)

    def play(self, pin: int, world: World, pins: SimPins) -> None:
        """Drive what was seen at an input: at once what it shows by now, later edges in the world's `refresh()`."""
        past = [level for at, level in self.inputs.get(pin, ()) if world.began + at <= world.now()]
        for level in past[-1:] or [level for _, level in self.inputs.get(pin, ())[:1]]:
            pins.drive(pin, level)
        for at, level in self.inputs.get(pin, ()):
            if world.began + at > world.now():
                world.later(world.began + at, lambda level=level: pins.drive(pin, level))  # type: ignore[misc]


class ReplayBus:
    """Answers from a recording; see `drivers.base.Bus`. After the first `OffScript` an address gives nothing else."""

    def __init__(
        self, recording: str, name: str, lines: Iterable[Mapping[str, Any]], *, wait: Callable[[float], None]
    ) -> None:
        self.name = name
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
            raise _ERRORS.get(line["error"], BusFault)(line["text"])
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


def read_recording(path: str | Path) -> Recording:
    """The recording in a file, up to a torn tail. Raises `BadRecording`, or OSError where it cannot be read."""
    file = Path(path)
    return _unpacked(file.name, file.read_bytes())


def _unpacked(name: str, packed: bytes) -> Recording:
    try:
        text = zlib.decompressobj(wbits=_GZIP).decompress(packed)
        lines = text.split(b"\n")[:-1]  # what stands behind the last line end was torn
        head = json.loads(lines[0])["edge_recording"]
        if head == VERSION:
            return Recording(name, [json.loads(line) for line in lines[1:]])
    except (zlib.error, ValueError, LookupError, TypeError) as error:
        raise BadRecording(f"{name} is no recording; `edge record FILE` makes one ({error})") from error
    raise BadRecording(f"{name} has version {head}; this program reads version {VERSION}")
