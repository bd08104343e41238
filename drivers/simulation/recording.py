"""Record what happens on buses, lines and pins, and play it back to the same drivers anywhere.

    recorder = Recorder(file.write, now=time)                   with any bus and header, real or simulated:
    bus = recorder.bus("i2c-1", bus)                            every transaction goes into the file
    line = recorder.line("spi-0.1", "spi", line)                every exchange with a part on a line of its own
    pins = recorder.pins(pins)                                  and every edge of an input

    recording = read_recording(path)
    bus = recording.bus("i2c-1", wait=wait)                     answers what was answered then
    line = recording.line("spi-0.1", "spi", wait=wait)
    recording.play(17, world, pins)                             drives what was seen then

The file is gzip over JSON lines, flushed at least once a second, so that a killed process or a cut of the power loses
the last second and nothing else: what comes before a torn tail is read.

    {"edge_recording": 2}                                                   the first line
    {"t": 0.01, "bus": "i2c-1", "address": 72, "write": "00", "read": 2, "answer": "1500"}
    {"t": 5.01, "bus": "i2c-1", "address": 72, "write": "00", "read": 2, "error": "nack", "text": "..."}
    {"t": 6.00, "line": "spi-0.1", "ask": "send 00000000", "answer": "0b400180"}
    {"t": 6.10, "line": "w1 28-00000a1b2c3d", "ask": "file /sys/...", "answer": "..."}       also folder, with a list
    {"t": 6.20, "line": "/dev/ttyUSB0", "ask": "read 2", "answer": "424d"}                   also write ..., drain
    {"t": 7.20, "pin": 17, "level": false}

`t` is seconds since the recording began. A transaction is answered by the next recorded one at its address, which
must have the same bytes, an exchange by the next one on its line; the order between addresses, between lines, and the
time do not count. Version 1 is the same without lines.
"""

import json
import math
import threading
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from drivers.errors import BusError, BusUnavailable, DriverError
from drivers.sim import SimPins, World
from drivers.simulation.recorded_lines import recorded
from drivers.simulation.replay import OffScript, ReplayBus, replayed
from drivers.wires.wire import Bus, InputPin, OutputPin, Pins, Pull, PwmPin, Spi, Timed

__all__ = ["BadRecording", "OffScript", "Recorder", "Recording", "ReplayBus", "read_recording"]

VERSION: Final = 2
READABLE: Final = (1, VERSION)
_FLUSH: Final = 1.0  # seconds
_GZIP: Final = 31
LARGEST: Final = 300_000_000
"""Bytes that a recording may unpack to: what `edge record` writes in 10 MB is about a third of that."""
_FIELDS: Final[Mapping[str, Mapping[str, type]]] = {
    "bus": {"bus": str, "address": int, "write": str, "read": int},
    "line": {"line": str, "ask": str},
    "pin": {"pin": int, "level": bool},
}


class BadRecording(DriverError):
    """The file is no recording, or of a version this program does not know."""

    kind = "config"


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

    def line(self, name: str, wire: str, line: Any) -> Any:
        """A line with one part at its end, recorded under this name; unheard where its kind of wire is not recorded."""
        return recorded(wire, line, lambda fields: self.transaction({"line": name, **fields}))

    def pins(self, pins: Pins) -> Pins:
        """The header, its inputs recorded."""
        return _RecordedPins(self, pins)

    def transaction(self, fields: Mapping[str, Any]) -> None:
        """One transfer or exchange that ended."""
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
    now: Callable[[], float]  # only where the bus has a time of its own

    def __init__(self, recorder: Recorder, name: str, bus: Bus) -> None:
        self._recorder = recorder
        self._name = name
        self._bus = bus
        if isinstance(bus, Timed):
            self.now = bus.now

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

    def pwm(self, number: int, *, frequency: float, duty: float) -> PwmPin:
        return self._pins.pwm(number, frequency=frequency, duty=duty)

    def wait(self, seconds: float) -> None:
        self._pins.wait(seconds)

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
    """What was recorded: `buses`, `lines` and `inputs` by name and number, `seconds` long."""

    def __init__(self, name: str, lines: Iterable[Mapping[str, Any]]) -> None:
        self.name = name
        self.seconds = 0.0
        self.buses: dict[str, list[Mapping[str, Any]]] = {}
        self.lines: dict[str, list[Mapping[str, Any]]] = {}
        self.inputs: dict[int, list[tuple[float, bool]]] = {}
        for line in lines:
            self.seconds = max(self.seconds, line["t"])
            if "bus" in line:
                self.buses.setdefault(line["bus"], []).append(line)
            elif "line" in line:
                self.lines.setdefault(line["line"], []).append(line)
            else:
                self.inputs.setdefault(line["pin"], []).append((line["t"], line["level"]))

    def bus(self, name: str, *, wait: Callable[[float], None], now: Callable[[], float] = lambda: 0.0) -> Bus:
        """The recorded bus, from its beginning. Raises `BusUnavailable` where nothing of it was recorded."""
        if name not in self.buses:
            there = ", ".join(self.buses) or "none"
            raise BusUnavailable(f"{self.name} has nothing of {name}; the buses in it: {there}")
        return ReplayBus(self.name, name, self.buses[name], wait=wait, now=now)

    def line(self, name: str, wire: str, *, wait: Callable[[float], None]) -> Any:
        """The recorded line, from its beginning. Raises `BusUnavailable` where nothing of it was recorded."""
        if name not in self.lines:
            there = ", ".join(self.lines) or "none"
            raise BusUnavailable(f"{self.name} has nothing of {name}; the lines in it: {there}")
        return replayed(wire, self.name, name, self.lines[name], wait=wait)

    def play(self, pin: int, world: World, pins: SimPins) -> None:
        """Drive what was seen at an input: at once what it shows by now, later edges in the world's `refresh()`."""
        past = [level for at, level in self.inputs.get(pin, ()) if world.began + at <= world.now()]
        for level in past[-1:] or [level for _, level in self.inputs.get(pin, ())[:1]]:
            pins.drive(pin, level)
        for at, level in self.inputs.get(pin, ()):
            if world.began + at > world.now():
                world.later(world.began + at, lambda level=level: pins.drive(pin, level))  # type: ignore[misc]


def read_recording(path: str | Path) -> Recording:
    """The recording in a file, up to a torn tail. Raises `BadRecording`, or OSError where it cannot be read."""
    file = Path(path)
    return _unpacked(file.name, file.read_bytes())


def _unpacked(name: str, packed: bytes) -> Recording:
    try:
        unpacker = zlib.decompressobj(wbits=_GZIP)
        text = unpacker.decompress(packed, LARGEST)
        if unpacker.unconsumed_tail:
            raise BadRecording(
                f"{name} unpacks to more than {LARGEST} bytes; record less at a time, `edge record --limit`"
            )
        lines = text.split(b"\n")[:-1]  # what stands behind the last line end was torn
        head = json.loads(lines[0])["edge_recording"]
        if head in READABLE:
            return Recording(name, [_proven(json.loads(line)) for line in lines[1:]])
    except (zlib.error, ValueError, LookupError, TypeError, RecursionError) as error:
        raise BadRecording(f"{name} is no recording; `edge record FILE` makes one ({error})") from error
    raise BadRecording(f"{name} has version {head}; this program reads version {VERSION}")


def _proven(line: Mapping[str, Any]) -> Mapping[str, Any]:
    """The line as it is; who plays back a recording has it from anybody. Raises ValueError, LookupError, TypeError."""
    [kind] = _FIELDS.keys() & set(line)
    wrong = [name for name, wanted in _FIELDS[kind].items() if type(line[name]) is not wanted]
    if wrong or type(line["t"]) not in (int, float) or not 0 <= line["t"] < math.inf:
        raise ValueError(f"a line has no such {wrong[0] if wrong else 't'}")
    if "error" in line:
        wrong = [name for name in ("error", "text") if type(line[name]) is not str]
    elif kind == "bus":
        bytes.fromhex(line["write"])
        wrong = ["answer"] if len(bytes.fromhex(line["answer"])) != line["read"] else []
    elif kind == "line":
        wrong = [] if _fits(line["ask"], line["answer"]) else ["answer"]
    if wrong:
        raise ValueError(f"a line has no such {wrong[0]}")
    return line


def _fits(asked: str, answer: Any) -> bool:
    """Whether it is an answer to this at all."""
    if asked.startswith("folder "):
        return type(answer) is list and all(type(name) is str for name in answer)
    if asked.startswith("send "):
        return len(bytes.fromhex(answer)) == len(bytes.fromhex(asked[5:]))
    if asked.startswith("read "):
        return len(bytes.fromhex(answer)) <= int(asked[5:])  # fewer came in time
    return type(answer) is str
