"""`edge doctor` looks at a machine; here folders and small servers play machines with one thing wrong each."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from drivers.tmp102 import TMP102
from edge.cli.doctor.brokers import MOSQUITTO, examine_brokers
from edge.cli.doctor.findings import Finding, Machine
from edge.cli.doctor.greeting import greet
from edge.cli.doctor.hardware import examine_hardware
from edge.cli.doctor.lines import examine_lines
from edge.cli.doctor.service import examine_service
from edge.cli.doctor.software import _python, examine_ownership
from edge.cli.doctor.storage import examine_storage, file_system
from edge.cli.doctor.timekeeping import examine_time
from edge.clock import SystemClock
from edge.config.models import Broker, Config, JournalSection
from edge.testing.clock import VirtualClock
from tests.unit.cli.conftest import Edge


def machine(root: Path, files: dict[str, str] | None = None, answers: dict[str, str] | None = None) -> Machine:
    """A machine with these files, whose programs answer so; a program that is not named is not installed."""
    for name, text in (files or {}).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def run(command: Sequence[str]) -> str | None:
        return (answers or {}).get(command[0])

    return Machine(root, {"LG_WD": str(root)}, run)


def config(**sections: object) -> Config:
    return Config.model_validate({"edge": {"id": "bench"}, **sections})


def levels(findings: Iterator[Finding]) -> list[tuple[str, str]]:
    return [(finding.level, finding.area) for finding in findings]


SENSOR = config(devices={"room": {"driver": "tmp102", "bus": "i2c-1"}})
RELAY = config(devices={"fan": {"driver": "relay", "pin": 27}})


# -- hardware -------------------------------------------------------------------------------------------------------


def test_a_missing_bus_names_the_others_and_the_switch(tmp_path: Path) -> None:
    [finding] = examine_hardware(machine(tmp_path, {"dev/i2c-20": ""}), SENSOR)

    assert finding.level == "fail"
    assert finding.message == "/dev/i2c-1 does not exist; there is i2c-20"
    assert "do_i2c 0" in finding.remedy


def test_a_bus_without_permission_names_the_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    [finding] = examine_hardware(machine(tmp_path, {"dev/i2c-1": ""}), SENSOR)

    assert finding.level == "fail"
    assert f"usermod -aG {(tmp_path / 'dev' / 'i2c-1').group()} $USER" in finding.remedy


def test_a_bus_that_may_be_used_is_fine_and_pins_nobody_uses_are_not_mentioned(tmp_path: Path) -> None:
    assert levels(examine_hardware(machine(tmp_path, {"dev/i2c-1": ""}), SENSOR)) == [("ok", "i2c")]


@pytest.mark.parametrize(
    ("controller", "hertz", "stretches", "expected"),
    [
        ("bcm2835 (i2c@7e804000)", 100_000, True, ("warn", "i2c-1 runs at 100 kHz, and room (tmp102) holds the clock")),
        ("bcm2835 (i2c@7e804000)", 400_000, True, ("warn", "i2c-1 runs at 400 kHz, and room (tmp102)")),
        ("bcm2835 (i2c@7e804000)", 10_000, True, ("ok", "i2c-1 runs at 10 kHz")),
        ("bcm2835 (i2c@7e804000)", 100_000, False, ("ok", "i2c-1 runs at 100 kHz")),
        ("Synopsys DesignWare I2C adapter", 100_000, True, ("ok", "i2c-1 runs at 100 kHz")),
    ],
)
@pytest.mark.parametrize("behind", [False, True])
def test_a_chip_that_holds_the_clock_wants_a_slow_one_where_the_controller_cannot_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, controller: str, hertz: int, stretches: bool,
    expected: tuple[str, str], behind: bool,
) -> None:  # fmt: skip
    monkeypatch.setattr(TMP102, "stretches", stretches)
    one = machine(tmp_path, {"dev/i2c-1": "", "sys/bus/i2c/devices/i2c-1/name": f"{controller}\n"})
    node = tmp_path / "sys/bus/i2c/devices/i2c-1/of_node"
    node.mkdir()
    (node / "clock-frequency").write_bytes(hertz.to_bytes(4, "big"))
    mux = {"driver": "tca9548a", "bus": "i2c-1"}
    sensor = {"driver": "tmp102", "bus": "mux/0" if behind else "i2c-1"}

    finding = list(examine_hardware(one, config(devices={"mux": mux, "room": sensor})))[-1]

    assert finding.level == expected[0]
    assert finding.message.startswith(expected[1])
    assert ("i2c_arm_baudrate=10000" in finding.remedy) == (expected[0] == "warn")


def test_simulated_devices_need_nothing(tmp_path: Path) -> None:
    simulated = config(devices={"fan": {"driver": "relay", "pin": 27, "backend": "sim"}})

    [finding] = examine_hardware(machine(tmp_path), simulated)
    assert finding.message == "no device uses a real bus or pin"


LINES = config(
    devices={
        "soil": {"driver": "mcp3008", "bus": "spi-0", "select": 1},
        "air": {"driver": "mhz19", "port": "ttyUSB0"},
        "tank": {"driver": "ds18b20", "id": "28-1"},
    }
)


def test_lines_that_are_there_are_fine(tmp_path: Path) -> None:
    there = machine(tmp_path, {"dev/spidev0.1": "", "dev/ttyUSB0": "", "sys/bus/w1/devices/28-1/w1_slave": ""})

    assert levels(examine_lines(there, LINES)) == [("ok", "spi"), ("ok", "serial"), ("ok", "kernel")]


def test_lines_that_are_missing_say_what_to_switch_on(tmp_path: Path) -> None:
    there = machine(tmp_path, {"dev/ttyAMA0": "", "sys/bus/w1/devices/28-2/w1_slave": ""})
    spi, serial, kernel = examine_lines(there, LINES)

    assert (spi.message, spi.level) == ("/dev/spidev0.1 of soil does not exist", "fail")
    assert "do_spi 0" in spi.remedy
    assert serial.message == "/dev/ttyUSB0 of air does not exist; there is /dev/ttyAMA0"
    assert "do_serial_hw 0" in serial.remedy
    assert kernel.message == "tank: /sys/bus/w1/devices has no 28-1; it lists 28-2"
    assert "dtoverlay=w1-gpio" in kernel.remedy


def test_without_pyserial_a_serial_device_cannot_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    one = config(devices={"air": {"driver": "mhz19", "port": "/dev/ttyUSB0"}})
    first, _ = examine_lines(machine(tmp_path, {"dev/ttyUSB0": ""}), one)

    assert (first.level, first.remedy) == ("fail", "pip install 'edge-runtime[serial]' into this environment")


def test_lines_of_simulated_devices_need_nothing(tmp_path: Path) -> None:
    simulated = config(devices={"air": {"driver": "mhz19", "port": "ttyUSB0", "backend": "sim"}})

    assert list(examine_lines(machine(tmp_path), simulated)) == []
    assert list(examine_lines(machine(tmp_path), None)) == []


def test_spi_is_opened_through_the_headers_library_and_is_no_i2c_bus(tmp_path: Path) -> None:
    one = config(devices={"soil": {"driver": "mcp3008", "bus": "spi-0"}})

    assert {finding.area for finding in examine_hardware(machine(tmp_path), one)} == {"gpio"}


@pytest.mark.parametrize("installed", [False, True])
def test_pins_need_a_chip_lgpio_and_a_folder_it_can_write_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installed: bool
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object() if installed else None)
    without_chip = list(examine_hardware(machine(tmp_path), RELAY))
    with_chip = list(examine_hardware(machine(tmp_path, {"dev/gpiochip0": ""}), RELAY))

    assert without_chip[0].message == "no /dev/gpiochip*"
    assert with_chip[0].message == "/dev/gpiochip0 may be used"
    assert with_chip[1].level == ("ok" if installed else "fail")
    assert ("lgpio may write" if installed else "lgpio is not installed") in with_chip[1].message


def test_a_folder_lgpio_cannot_write_to_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    there = machine(tmp_path, {"dev/gpiochip0": ""})
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)

    *_, finding = examine_hardware(there, RELAY)
    assert finding.level == "fail"
    assert "LG_WD" in finding.remedy


@pytest.mark.parametrize(
    ("files", "answers", "level"),
    [
        ({"sys/class/hwmon/hwmon1/name": "rpi_volt", "sys/class/hwmon/hwmon1/in0_lcrit_alarm": "1"}, {}, "fail"),
        ({"sys/class/hwmon/hwmon1/name": "rpi_volt", "sys/class/hwmon/hwmon1/in0_lcrit_alarm": "0"}, {}, "ok"),
        ({"sys/class/hwmon/hwmon0/name": "cpu_thermal"}, {"vcgencmd": "throttled=0x50000\n"}, "warn"),
        ({}, {"vcgencmd": "throttled=0x50005\n"}, "fail"),
        ({}, {"vcgencmd": "throttled=0x0\n"}, "ok"),
        ({}, {}, None),
    ],
)
def test_undervoltage_is_seen_where_the_machine_tells(
    tmp_path: Path, files: dict[str, str], answers: dict[str, str], level: str | None
) -> None:
    found = [one for one in examine_hardware(machine(tmp_path, files, answers), config()) if one.area == "power"]

    assert [one.level for one in found] == ([level] if level else [])


# -- packages -------------------------------------------------------------------------------------------------------


def test_a_name_that_another_distribution_took_is_found(tmp_path: Path) -> None:
    """pip lets a second distribution overwrite `tasks` without a word."""
    home = {"edge": tmp_path, "drivers": tmp_path, "tasks": tmp_path}
    owners = {"edge": ["edge-runtime"], "drivers": ["edge-runtime"], "tasks": ["edge-runtime", "some-task-queue"]}

    [finding] = examine_ownership(owners, home)
    assert finding.level == "fail"
    assert "'tasks' also belongs to some-task-queue" in finding.message


def test_a_package_from_elsewhere_is_found(tmp_path: Path) -> None:
    [finding] = examine_ownership({}, {"edge": tmp_path, "drivers": tmp_path, "tasks": tmp_path / "cwd"})

    assert finding.message == f"'tasks' is found in {tmp_path}/cwd, and edge in {tmp_path}"


def test_our_own_installation_is_ours(edge: Edge, folder: Path) -> None:
    found = json.loads(edge("doctor", "--json").out)

    assert [one["level"] for one in found if one["area"] == "packages"] == ["ok"]


@pytest.mark.parametrize(
    ("python", "processor", "level"),
    [((3, 11, 2), "aarch64", "ok"), ((3, 9, 2), "aarch64", "fail"), ((3, 11, 2), "armv6l", "fail")],
)
def test_old_python_and_armv6_are_refused(python: tuple[int, ...], processor: str, level: str) -> None:
    assert _python(python, processor).level == level


# -- disk -----------------------------------------------------------------------------------------------------------

MOUNTS = """\
22 1 179:2 / / rw - ext4 /dev/root rw
23 22 0:5 / /run rw - tmpfs tmpfs rw
24 22 0:6 / /var/lib/edge rw - tmpfs tmpfs rw
25 22 8:1 / /mnt/my\\040disk rw - vfat /dev/sda1 rw
26 22 8:2 / /var/lib/edge rw shared:1 - f2fs /dev/sda2 rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/home/pi", "ext4"), ("/runner", "ext4"), ("/run/edge", "tmpfs"), ("/mnt/my disk/j", "vfat"),
     ("/var/lib/edge/journal", "f2fs")],
)  # fmt: skip
def test_the_file_system_is_that_of_the_nearest_mount(path: str, kind: str) -> None:
    assert file_system(MOUNTS, Path(path)) == kind


@settings(deadline=None, max_examples=50)
@given(st.text(alphabet="abc /-\n", max_size=200))
def test_a_strange_mount_table_is_no_crash(text: str) -> None:
    assert isinstance(file_system(text, Path("/a")), str)


def test_a_journal_in_memory_is_warned_of(tmp_path: Path) -> None:
    there = machine(tmp_path, {"proc/self/mountinfo": "1 0 0:1 / / rw - tmpfs tmpfs rw"})
    found = list(examine_storage(there, JournalSection(path=str(tmp_path / "journal")), SystemClock()))

    assert [one.message for one in found if "gone after a reboot" in one.message]
    assert not list(tmp_path.glob("journal*"))


def test_a_slow_disk_is_warned_of_with_its_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = VirtualClock()
    monkeypatch.setattr(os, "fdatasync", lambda fd: clock.advance(0.12))
    *_, finding = examine_storage(machine(tmp_path), JournalSection(path=str(tmp_path)), clock)

    assert finding.level == "warn"
    assert "fdatasync takes 120.00 ms" in finding.message


def test_a_journal_that_cannot_be_written_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    [finding] = examine_storage(machine(tmp_path), JournalSection(path=str(tmp_path / "a" / "b")), SystemClock())

    assert finding.level == "fail"
    assert f"{tmp_path} is not writable" in finding.message


def test_room_for_the_journal_is_compared_with_its_limit(tmp_path: Path) -> None:
    section = JournalSection(path=str(tmp_path), max_size="1000000000GB")
    room = next(iter(examine_storage(machine(tmp_path), section, SystemClock())))

    assert (room.level, room.area) == ("warn", "disk")


# -- time -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("trust", "level"), [("synced", "ok"), ("estimated", "warn"), ("unset", "fail")])
def test_the_clock_is_as_good_as_it_says(tmp_path: Path, trust: str, level: str) -> None:
    clock = VirtualClock()
    clock.trust = trust  # type: ignore[assignment]
    there = machine(tmp_path, {"sys/class/rtc/rtc0/name": "ds3231"}, {"timedatectl": "NTP=no\n"})

    found = list(examine_time(there, clock))
    assert [one.level for one in found] == [level, "ok"]
    assert level == "ok" or "timedatectl set-ntp true" in found[0].remedy


def test_a_board_without_a_real_time_clock_is_told_so(tmp_path: Path) -> None:
    assert levels(examine_time(machine(tmp_path), VirtualClock())) == [("ok", "clock"), ("warn", "clock")]


# -- brokers --------------------------------------------------------------------------------------------------------

Answer = Callable[[bytes], bytes]


@pytest.fixture
def broker() -> Iterator[Callable[[bytes], Broker]]:
    """`broker(answer)` listens and answers the first packet of one client with these bytes."""
    listening = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def serve(answer: bytes) -> None:
        client, _ = listening.accept()
        with client, contextlib.suppress(OSError):  # the other side may have heard enough
            client.settimeout(10)
            client.recv(4096)
            client.sendall(answer)
            client.shutdown(socket.SHUT_WR)
            while client.recv(4096):
                continue

    def make(answer: bytes) -> Broker:
        threads.append(threading.Thread(target=serve, args=(answer,)))
        threads[-1].start()
        return Broker(broker=f"mqtt://127.0.0.1:{listening.getsockname()[1]}", user="pi", password=SecretStr("s3cret"))

    yield make
    listening.close()
    for thread in threads:
        thread.join(10)


def connack(reason: int = 0, properties: bytes = b"") -> bytes:
    body = bytes([0, reason, len(properties)]) + properties
    return bytes([0x20, len(body)]) + body


def test_the_limits_of_a_broker_are_read_from_its_greeting(broker: Callable[[bytes], Broker]) -> None:
    properties = (
        b"\x12\x00\x04auto"  # assigned client id
        b"\x26\x00\x01k\x00\x01v"  # a user property
        b"\x21\x00\x14"  # receive maximum 20
        b"\x27\x00\x01\x00\x00"  # packets up to 65536
        b"\x24\x01"  # QoS 1 at most
    )
    greeting = greet(broker(connack(properties=properties)))

    assert greeting.refused == ""
    assert greeting.limits == {"receive_maximum": 20, "packet_size": 65536, "qos": 1}


@pytest.mark.parametrize(
    ("answer", "level", "says"),
    [
        (connack(0x86), "fail", "user name or password is wrong"),
        (connack(0x99), "fail", "reason 0x99"),
        (b"\x20\x02\x00\x01", "warn", "speaks MQTT 3.1.1 only"),
        (connack(properties=b"\x24\x00"), "fail", "QoS 0 only"),
        (connack(), "ok", "65535 messages on their way"),
        (b"HTTP/1.1 400 Bad Request\r\n" * 4, "fail", "not as an MQTT broker"),
        (b"\x20\x0a\x00", "fail", "closed the connection"),
        (b"", "fail", "closed the connection"),
    ],
)
def test_what_a_broker_answers_becomes_a_sentence(
    tmp_path: Path, broker: Callable[[bytes], Broker], answer: bytes, level: str, says: str
) -> None:
    upstream = {"kind": "mqtt", "broker": broker(answer).broker}
    first, second = examine_brokers(machine(tmp_path), config(upstream=upstream))

    assert first.level == level
    assert says in first.message
    assert first.message.startswith("upstream default: mqtt://127.0.0.1:")
    assert "persistence true" in second.message


def test_nobody_listening_is_a_failure_that_does_not_stop_the_gateway(tmp_path: Path) -> None:
    first, _ = examine_brokers(machine(tmp_path), config(mqtt={"broker": "mqtt://127.0.0.1:1"}))

    assert first.level == "fail"
    assert "Connection refused" in first.message
    assert "starts without it" in first.remedy


def test_no_password_is_shown(tmp_path: Path, broker: Callable[[bytes], Broker]) -> None:
    there = broker(connack(0x87))
    upstream = {"kind": "mqtt", "broker": there.broker, "user": "pi", "password": SecretStr("s3cret")}

    for finding in examine_brokers(machine(tmp_path), config(upstream=upstream)):
        assert "s3cret" not in finding.message + finding.remedy


@pytest.mark.parametrize("complete", [False, True])
def test_a_mosquitto_here_is_examined_by_its_files(tmp_path: Path, complete: bool) -> None:
    lines = [f"{key} {value}" for key, value in MOSQUITTO.items()]
    files = {
        "etc/mosquitto/mosquitto.conf": "# defaults\npersistence true\n",
        "etc/mosquitto/conf.d/edge.conf": "\n".join(lines if complete else lines[:2]),
    }
    *_, finding = examine_brokers(machine(tmp_path, files), config(mqtt={"broker": "mqtt://localhost:1"}))

    assert finding.level == ("ok" if complete else "warn")
    assert complete or finding.remedy.endswith("autosave_interval 1; max_queued_messages 0; max_inflight_messages 1000")


def test_what_one_mosquitto_keeps_is_said_once(tmp_path: Path) -> None:
    names = {name: {"kind": "mqtt", "broker": "mqtt://localhost:1"} for name in ("first", "second")}
    found = list(examine_brokers(machine(tmp_path), config(mqtt={"broker": "mqtt://127.0.0.1:1"}, upstream=names)))

    assert [one.level for one in found] == ["fail", "fail", "fail", "ok"]
    assert found[-1].message.startswith("mqtt, upstream first, upstream second: ")


def test_a_broker_whose_certificate_nobody_signed_is_not_trusted(broker: Callable[[bytes], Broker]) -> None:
    plain = broker(b"this is no TLS")

    with pytest.raises((ssl.SSLError, OSError)):
        greet(Broker(broker=plain.broker.replace("mqtt://", "mqtts://")))


# -- service --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "said", "level"),
    [
        ({}, "", "warn"),
        ({"run/systemd/system/x": ""}, "LoadState=not-found\nActiveState=inactive\n", "warn"),
        ({"run/systemd/system/x": ""}, "LoadState=loaded\nActiveState=failed\n", "fail"),
        ({"run/systemd/system/x": ""}, "LoadState=loaded\nActiveState=active\n", "ok"),
    ],
)
def test_the_service_is_looked_for(tmp_path: Path, files: dict[str, str], said: str, level: str) -> None:
    assert levels(examine_service(machine(tmp_path, files, {"systemctl": said}), None)) == [(level, "service")]


# -- the whole ------------------------------------------------------------------------------------------------------


def test_every_line_has_a_level_and_every_trouble_a_remedy(folder: Path, edge: Edge) -> None:
    said = edge("doctor", "--json")
    found = json.loads(said.out)

    assert {"python", "versions", "packages", "config", "clock", "disk", "broker", "service"} <= {
        one["area"] for one in found
    }
    assert [one for one in found if one["level"] != "ok" and not one["remedy"]] == []
    assert said.code == (3 if any(one["level"] == "fail" for one in found) else 0)


def test_a_wrong_configuration_does_not_keep_the_doctor_from_the_rest(folder: Path, edge: Edge) -> None:
    (folder / "edge.yaml").write_text("edge: {id: bench}\nnonsense: 1\n")
    said = edge("doctor")

    assert said.code == 3
    assert "1 problem in edge.yaml" in said.out
    assert "fdatasync" in said.out


def test_a_named_file_that_is_missing_fails(folder: Path, edge: Edge) -> None:
    assert "fail  config" in edge("doctor", "-c", "gone.yaml").out
