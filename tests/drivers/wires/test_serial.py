"""Serial parts: the real port on a pseudo-terminal, and drivers that believe no byte without its checksum."""

import errno
import sys
from pathlib import Path
from typing import Any

import pytest
import serial
from hypothesis import given
from hypothesis import strategies as st

from drivers import BadData, BusTimeout, BusUnavailable, DriverError, Nack, OutOfRange, World, find
from drivers.mhz19 import ABC, MHZ19, READ, SimMHZ19, checksum, command
from drivers.pms5003 import PMS5003, SimPMS5003
from drivers.simulation.uart import SimSerial, SimTalker
from drivers.wires.uart import SerialPort, ports
from tests.drivers.lines import lined
from tests.drivers.terminal import terminal

# A real sensor's frames as its owner posted them (Stack Overflow 56384070); Pimoroni's decoder reads 22, 31 and 32.
FRAME = bytes.fromhex("424D001C0017002000200016001F0020117C04D300AB00080000000097000405")


def port(path: str) -> SerialPort:
    return SerialPort(path, 9600, wait=lambda seconds: None)


class Says(SimTalker):
    """Answers everything with the same bytes."""

    def __init__(self, answer: bytes) -> None:
        super().__init__(World(), "it")
        self.answer = answer

    def hear(self, data: bytes) -> None:
        self.say(self.answer)

    def obey(self, data: bytes) -> None: ...


# -- the real port ----------------------------------------------------------------------------------------------------


def test_a_dust_sensor_behind_a_real_port() -> None:
    world = World()
    world["it.pm1"], world["it.pm2_5"], world["it.pm10"] = 3, 12, 140
    with terminal(SimPMS5003(world, "it")) as end, PMS5003(port(end.path)) as sensor:
        assert sensor.read().values == {"pm1": 3.0, "pm2_5": 12.0, "pm10": 140.0}
        sensor.line.close()


@pytest.mark.parametrize("abc", [True, False])
def test_a_co2_sensor_behind_a_real_port_is_told_about_its_baseline(abc: bool) -> None:
    part = SimMHZ19(World(), "it")
    part.abc = not abc
    with terminal(part) as end, MHZ19(port(end.path), abc=abc) as sensor:
        assert sensor.read().values == {"co2": 620.0, "temperature": 22.0}
        assert part.abc is abc
        sensor.line.close()


def test_silence_ends_with_the_time_it_was_given() -> None:
    with terminal(Says(b"")) as end:
        line = port(end.path)
        assert line.read(9, within=0.01) == b""
        line.close()


def test_what_came_before_is_forgotten_on_demand() -> None:
    with terminal(Says(b"old")) as end:
        line = port(end.path)
        line.write(b"?")
        assert line.read(1, within=5.0) == b"o"
        line.drain()
        assert line.read(1, within=0.01) == b""
        line.close()


def test_a_port_that_is_missing_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(BusUnavailable, match=r"ttyUSB9: no such port: .*do_serial_hw"):
        port(str(tmp_path / "ttyUSB9")).write(b"x")


def test_a_file_is_no_port(tmp_path: Path) -> None:
    (tmp_path / "ttyUSB0").touch()

    with pytest.raises(BusUnavailable, match="no serial port"):
        port(str(tmp_path / "ttyUSB0")).write(b"x")


def test_a_port_that_another_program_has_open_is_not_shared() -> None:
    with (
        terminal(Says(b"")) as end,
        serial.Serial(end.path, exclusive=True),
        pytest.raises(BusUnavailable, match="another program has it open"),
    ):
        port(end.path).write(b"x")


def test_a_port_without_permission_names_the_group(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise serial.SerialException(errno.EACCES, "could not open port")

    monkeypatch.setattr(serial, "Serial", refuse)
    with pytest.raises(BusUnavailable, match="usermod -aG dialout"):
        port("ttyAMA0").write(b"x")


def test_without_pyserial_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "serial", None)

    with pytest.raises(BusUnavailable, match=r"edge-runtime\[serial\]"):
        port("ttyAMA0").write(b"x")


def test_bytes_that_do_not_leave_are_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stuck:
        def __init__(self, *_: Any, **__: Any) -> None: ...

        def write(self, data: bytes) -> None:
            raise serial.SerialTimeoutException("Write timeout")

        def close(self) -> None: ...

    monkeypatch.setattr(serial, "Serial", Stuck)
    with pytest.raises(BusTimeout, match="flow control"):
        port("ttyAMA0").write(b"x")


def test_an_adapter_that_was_pulled_works_again_when_it_is_back(tmp_path: Path) -> None:
    name = tmp_path / "ttyUSB0"
    sensor = MHZ19(port(str(name)))
    with terminal(SimMHZ19(World(), "it")) as end:
        name.symlink_to(end.path)
        sensor.start()
        end.pull()
        with pytest.raises(Nack, match="pulled") as caught:
            sensor.read()
        assert caught.value.retry
    name.unlink()
    with pytest.raises(BusUnavailable, match="no such port"):
        sensor.start()
    with terminal(SimMHZ19(World(), "it")) as end:
        name.symlink_to(end.path)
        sensor.start()
        assert sensor.read().values["co2"] == 620.0
        sensor.line.close()


def test_the_ports_of_a_machine_begin_with_the_names_that_stay(tmp_path: Path) -> None:
    for name in ("ttyUSB0", "ttyAMA0", "serial0", "tty1", "serial/by-id/usb-FTDI_A5"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    assert [Path(path).name for path in ports(tmp_path)] == ["usb-FTDI_A5", "serial0", "ttyUSB0", "ttyAMA0"]


# -- PMS5003 ----------------------------------------------------------------------------------------------------------


def test_a_real_sensors_frame() -> None:
    line = SimSerial(Says(FRAME))

    assert PMS5003(line).read().values == {"pm1": 22.0, "pm2_5": 31.0, "pm10": 32.0}


def test_a_frame_is_found_behind_half_of_another_one_and_behind_an_answer_to_a_command() -> None:
    acknowledged = b"BM\x00\x04\xe1\x00\x01\x74"

    for before in (FRAME[20:], b"B", acknowledged, FRAME[7:] + acknowledged):
        assert PMS5003(SimSerial(Says(before + FRAME))).read().values["pm2_5"] == 31.0


def test_answers_to_commands_alone_are_no_measurement() -> None:
    with pytest.raises(BadData, match="no measurement"):
        PMS5003(SimSerial(Says(b"BM\x00\x04\xe1\x00\x01\x74" * 3))).read()


def test_a_sensor_that_loses_two_bytes_of_a_frame_gives_no_wrong_value() -> None:
    """As posted on forums.pimoroni.com 15841: the next header stands where the sum should be."""
    cut = bytes([66, 77, 0, 28, 0, 4, 0, 5, 0, 5, 0, 4, 0, 5, 0, 3, 126, 0, 226, 0, 23, 0, 2, 0, 0, 0, 0, 151, 0, 2])

    with pytest.raises(BadData, match="checksum"):
        PMS5003(SimSerial(Says(cut + cut))).read()


@given(place=st.integers(0, 31), flip=st.integers(1, 255))
def test_no_damaged_byte_becomes_a_reading(place: int, flip: int) -> None:
    damaged = bytearray(FRAME)
    damaged[place] ^= flip

    with pytest.raises((BadData, BusTimeout)):
        PMS5003(SimSerial(Says(bytes(damaged)))).read()


def test_noise_without_a_frame_is_no_dust_sensor() -> None:
    with pytest.raises(BadData, match="is it a PMS5003"):
        PMS5003(SimSerial(Says(b"hello " * 100))).read()


def test_an_error_that_the_sensor_reports_is_no_reading() -> None:
    _, line, sensor = lined("pms5003")
    sensor.start()
    line.part.error = 0x02

    with pytest.raises(BadData, match="error 0x02: fan or laser"):
        sensor.read()


@pytest.mark.parametrize(("mode", "latest"), [("passive", 0.1), ("active", 1.0)])
def test_passive_readings_are_of_now_and_active_ones_of_the_next_second(mode: str, latest: float) -> None:
    """Whatever piled up in the kernel's buffer in an hour without a reader."""
    waits: list[float] = []
    world = World(lambda: sum(waits))
    _, _, sensor = lined("pms5003", world=world, wait=waits.append, mode=mode)
    sensor.start()
    waits.append(3600.0)
    world["it.pm2_5"] = 77
    before = sum(waits)

    assert sensor.read().values["pm2_5"] == 77.0
    assert sum(waits) - before <= latest + 1e-6


def test_a_sensor_that_lost_its_power_speaks_by_itself_again_and_start_mends_it() -> None:
    world, line, sensor = lined("pms5003")
    sensor.start()
    line.part = SimPMS5003(world, "it")
    sensor.start()

    assert line.part.active is False


# -- MH-Z19 -----------------------------------------------------------------------------------------------------------


def test_commands_are_those_of_an_independent_package() -> None:
    """The byte strings that `mh-z19` 3.1.7 sends."""
    assert command(READ) == b"\xff\x01\x86\x00\x00\x00\x00\x00\x79"
    assert command(ABC, 0xA0) == b"\xff\x01\x79\xa0\x00\x00\x00\x00\xe6"
    assert command(ABC, 0x00) == b"\xff\x01\x79\x00\x00\x00\x00\x00\x86"


def test_a_real_sensors_answer() -> None:
    """395 ppm, 22 degC, from letscontrolit/ESPEasy issue 466; the sum as `mh-z19` 3.1.7 computes it."""
    line = SimSerial(Says(bytes.fromhex("ff86018b3e000000b0")))

    assert MHZ19(line).read().values == {"co2": 395.0, "temperature": 22.0}


@given(place=st.integers(0, 8), flip=st.integers(1, 255))
def test_no_damaged_byte_becomes_a_co2_value(place: int, flip: int) -> None:
    damaged = bytearray.fromhex("ff86018b3e000000b0")
    damaged[place] ^= flip

    with pytest.raises(BadData):
        MHZ19(SimSerial(Says(bytes(damaged)))).read()


def test_the_sum_of_zeros_is_zero() -> None:
    assert checksum(bytes(7)) == 0


def test_a_sensor_that_warms_up_has_no_value_yet() -> None:
    _, line, sensor = lined("mhz19")
    line.part.warming = True

    with pytest.raises(BadData, match="three minutes") as caught:
        sensor.start()
    assert caught.value.retry


def test_more_than_the_part_can_measure_is_no_reading() -> None:
    world, _, sensor = lined("mhz19")
    sensor.start()
    world["it.co2"] = 20_000

    with pytest.raises(OutOfRange, match="co2 20000 ppm"):
        sensor.read()


# -- both -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["pms5003", "mhz19"])
def test_a_part_that_is_not_there_is_silence_and_says_what_to_check(kind: str) -> None:
    _, line, sensor = lined(kind)
    line.unplug()

    with pytest.raises(BusTimeout, match="TX goes to RX"):
        sensor.start()
    line.plug()
    sensor.start()


@pytest.mark.parametrize("kind", ["pms5003", "mhz19"])
def test_noise_on_the_line_never_becomes_a_value(kind: str) -> None:
    _, line, sensor = lined(kind)
    sensor.start()
    line.part.noisy = True
    with pytest.raises(BadData, match="checksum"):
        sensor.read()
    line.part.noisy = False
    sensor.read()


@pytest.mark.parametrize("kind", ["pms5003", "mhz19"])
def test_the_other_sensor_on_the_line_never_becomes_a_reading(kind: str) -> None:
    other = {"pms5003": FRAME, "mhz19": bytes.fromhex("ff86018b3e000000b0")}
    del other[kind]
    [answer] = other.values()
    sensor = find(kind).build(SimSerial(Says(answer * 20)))

    with pytest.raises(DriverError):
        sensor.start()
