"""What was recorded is played back byte for byte, torn tails included, and a driver off the script is told so."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import BusTimeout, BusUnavailable, DriverError, Nack, SimBus, World
from drivers.bme280 import BME280, SimBME280
from drivers.contact import Contact, SimContact
from drivers.gpio import SimulatedPins, pin_factory
from drivers.simulation.recording import BadRecording, OffScript, Recorder, Recording, _unpacked, read_recording
from drivers.tmp102 import TMP102, SimTMP102


def waits(seconds: float) -> None:
    return


@pytest.fixture
def recorded(tmp_path: Path, world: World, now) -> Path:  # type: ignore[no-untyped-def]
    """A TMP102 and a BME280, ten samples each, two of them failing."""
    path = tmp_path / "bug.rec"
    bus = SimBus({0x48: SimTMP102(world, "a"), 0x76: SimBME280(world, "b")})
    with path.open("wb") as file:
        recorder = Recorder(file.write, now=now)
        wire = recorder.bus("i2c-1", bus)
        sensor, climate = TMP102(wire), BME280(wire)
        sensor.start()
        climate.start()
        for number in range(10):
            now.seconds = 5.0 * number
            world["a.temperature"] = world["b.temperature"] = 20.0 + number
            if number in (3, 7):
                bus.fail(0x48, {3: Nack, 7: BusTimeout}[number])
            for one in (sensor, climate):
                try:
                    one.read()
                except DriverError:
                    continue
        recorder.close()
    return path


def replayed(recording: Recording) -> list[object]:
    bus = recording.bus("i2c-1", wait=waits)
    sensor, climate = TMP102(bus), BME280(bus)
    climate.start()  # the order between addresses does not count
    sensor.start()
    seen: list[object] = []
    for _ in range(10):
        for one in (sensor, climate):
            try:
                seen.append(round(one.read().values["temperature"], 1))
            except DriverError as error:
                seen.append((type(error), str(error)))
    return seen


def test_the_same_drivers_read_the_same_values_and_errors(recorded: Path) -> None:
    seen = replayed(read_recording(recorded))

    assert [value for value in seen if isinstance(value, float)] == [
        t for n in range(10) for t in ((20.0 + n,) if n in (3, 7) else (20.0 + n,) * 2)
    ]
    assert seen[6] == (Nack, "sim 0x48: scripted fault")
    assert seen[14] == (BusTimeout, "sim 0x48: scripted fault")


def test_a_recording_plays_from_its_beginning_each_time(recorded: Path) -> None:
    recording = read_recording(recorded)

    assert replayed(recording) == replayed(recording)
    assert recording.seconds == 45


def test_a_driver_that_does_something_else_is_told_what_and_where(recorded: Path) -> None:
    bus = read_recording(recorded).bus("i2c-1", wait=waits)
    climate = BME280(bus, oversampling=4)
    climate.start()
    with pytest.raises(OffScript) as raised:
        climate.read()
    assert str(raised.value).startswith(
        "bug.rec: i2c-1 0x76: the driver writes f2 03 f4 6d, where it writes f2 01 f4 25 in the recording (transaction "
    )
    with pytest.raises(OffScript, match="the driver writes f2 03 f4 6d"):
        climate.start()


def test_the_end_of_a_recording_and_what_is_not_in_it_are_errors(recorded: Path) -> None:
    recording = read_recording(recorded)
    bus = recording.bus("i2c-1", wait=waits)
    with pytest.raises(OffScript, match="nothing more of this address"):
        TMP102(bus, 0x49).start()
    with pytest.raises(BusUnavailable, match=r"bug\.rec has nothing of i2c-7; the buses in it: i2c-1"):
        recording.bus("i2c-7", wait=waits)


@given(cut=st.floats(0, 1))
def test_what_stands_before_a_torn_tail_is_read(cut: float) -> None:
    """Cut anywhere behind the head: the transactions that are left are the first ones, unchanged."""
    clock, lines = [0.0], bytearray()
    world = World()
    recorder = Recorder(lines.extend, now=lambda: clock[0])
    bus = recorder.bus("i2c-1", SimBus({0x48: SimTMP102(world, "a")}))
    for number in range(40):
        clock[0] = number * 0.5
        world["a.temperature"] = float(number)
        bus.transfer(0x48, b"\x00", 2)
    head = 60

    torn = bytes(lines[: head + round((len(lines) - head) * cut)])
    left = _unpacked("torn.rec", torn).buses.get("i2c-1", [])
    assert [int(line["answer"], 16) >> 8 for line in left] == list(range(len(left)))
    if cut == 1:
        assert len(left) >= 38  # what was not flushed is a second's at most


def test_a_file_that_is_full_ends_well(world: World, tmp_path: Path, now) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "full.rec"
    with path.open("wb") as file:
        recorder = Recorder(file.write, now=now, limit=500)
        bus = recorder.bus("i2c-1", SimBus({0x48: SimTMP102(world, "a")}))
        for number in range(5000):
            now.seconds = number * 0.7
            bus.transfer(0x48, b"\x00", 2)
        assert recorder.full
    assert path.stat().st_size < 700
    assert 10 < len(read_recording(path).buses["i2c-1"]) < 5000


@pytest.mark.parametrize(
    "content",
    [b"", b"edge: {}", b"\x1f\x8b\x08", gzip.compress(mtime=0, data=b'{"edge_recording":1}\n{"bus":"i2c-1"}\n')],
)
def test_what_is_no_recording_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.rec"
    path.write_bytes(content)

    with pytest.raises(BadRecording, match=r"x\.rec is no recording; `edge record FILE` makes one"):
        read_recording(path)


def test_a_recording_of_a_later_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.rec"
    path.write_bytes(gzip.compress(b'{"edge_recording":9}\n'))
    with pytest.raises(BadRecording, match="version 9; this program reads version 2"):
        read_recording(path)


def test_an_edge_is_recorded_with_its_own_time_and_not_that_of_its_delivery(now) -> None:  # type: ignore[no-untyped-def]
    class Late(SimulatedPins):
        """As lgpio, which hands an edge on some time after it was."""

        def moment(self, stamp: float) -> float:
            return self.now() - 0.25

    written: list[bytes] = []
    recorder, header = Recorder(written.append, now=now), Late(now=now)
    recorder.pins(header).input(17, pull="up").watch(lambda level, at: None)
    now.seconds = 5
    header.drive(17, False)
    recorder.close()
    header.close()

    assert _unpacked("late.rec", b"".join(written)).inputs[17] == [(0.0, True), (4.75, False)]


def test_edges_come_back_at_their_times(tmp_path: Path, world: World, pins: SimulatedPins, now) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "door.rec"
    with path.open("wb") as file:
        recorder = Recorder(file.write, now=now)
        door = Contact(recorder.pins(pins), 17)
        door.start()
        SimContact(world, "door").wire(pins, door)
        door.watch(lambda role, level, at: None)
        door.read()
        for at in (10, 20, 30):
            now.seconds = at
            world["door.open"] = at != 20
        recorder.close()

    now.seconds = 0
    elsewhere, header = World(now), pin_factory("sim", now=now)
    contact = Contact(header, 17)
    contact.start()
    seen: list[tuple[float, bool]] = []
    read_recording(path).play(17, elsewhere, header)
    contact.watch(lambda role, level, at: seen.append((at, level)))
    assert contact.read().values == {"open": False}
    while elsewhere.deadline is not None:
        now.seconds = elsewhere.deadline
        elsewhere.refresh()
    header.close()

    assert seen == [(10, True), (20, False), (30, True)]


def test_a_recording_of_version_1_is_still_read(recorded: Path) -> None:
    """It had no lines, and is otherwise the same."""
    text = gzip.decompress(recorded.read_bytes())
    assert text.startswith(b'{"edge_recording":2}\n')
    old = recorded.parent / "old.rec"
    old.write_bytes(gzip.compress(text.replace(b":2}", b":1}", 1)))

    assert [x for x in replayed(read_recording(old)) if isinstance(x, float)] == [
        x for x in replayed(read_recording(recorded)) if isinstance(x, float)
    ]


@pytest.mark.parametrize(
    "line",
    [
        "7",
        "[" * 5000,
        '{"t": 1}',
        '{"t": -1, "pin": 17, "level": true}',
        '{"t": Infinity, "pin": 17, "level": true}',
        '{"t": "1", "pin": 17, "level": true}',
        '{"t": 1, "pin": "17", "level": true}',
        '{"t": 1, "pin": 17, "level": 1}',
        '{"t": 1, "bus": "i2c-1", "write": "00", "read": 2, "answer": "1500"}',
        '{"t": 1, "bus": "i2c-1", "address": 72, "write": "00", "read": 2}',
        '{"t": 1, "bus": "i2c-1", "address": 72, "write": "00", "read": 2, "answer": "15"}',
        '{"t": 1, "bus": "i2c-1", "address": 72, "write": "xy", "read": 1, "answer": "15"}',
        '{"t": 1, "bus": "i2c-1", "address": 72, "write": "00", "read": 2, "error": "nack"}',
        '{"t": 1, "bus": "i2c-1", "pin": 3, "address": 72, "write": "00", "read": 1, "answer": "15", "level": true}',
        '{"t": 1, "line": "spi-0.1", "ask": "send 0000", "answer": 5}',
        '{"t": 1, "line": "spi-0.1", "ask": "send 0000", "answer": "00"}',
        '{"t": 1, "line": "/dev/ttyS0", "ask": "read 1", "answer": "0000"}',
        '{"t": 1, "line": "w1 28", "ask": "folder /sys", "answer": "names"}',
    ],
    ids=lambda line: line[:60],
)
def test_a_line_that_no_recorder_writes_makes_it_no_recording(line: str) -> None:
    head = '{"edge_recording": 2}\n{"t": 0.5, "pin": 17, "level": false}\n'

    with pytest.raises(BadRecording, match="is no recording"):
        _unpacked("odd.rec", gzip.compress(f"{head}{line}\n".encode()))


def test_a_recording_that_would_fill_the_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivers.simulation.recording.LARGEST", 1_000_000)
    bomb = gzip.compress(b'{"edge_recording": 2}\n' + b" " * 5_000_000 + b"\n")

    with pytest.raises(BadRecording, match="unpacks to more than 1000000 bytes"):
        _unpacked("bomb.rec", bomb)
