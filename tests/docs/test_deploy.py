"""The files of deploy/ agree with each other, with the program and with the tools that read them."""

from __future__ import annotations

import configparser
import contextlib
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
EDGE = Path(sys.executable).with_name("edge")
INSTALLED = "/opt/edge/venv/bin/edge"
MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")


def run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command], env={**os.environ, **environment}, capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def unit() -> dict[str, list[str]]:
    """The settings of edge.service, each with all its values; comments gone."""
    settings: dict[str, list[str]] = {}
    for line in (DEPLOY / "edge.service").read_text().splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            settings.setdefault(key, []).append(value)
    return settings


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def secrets() -> Iterator[str]:
    yield from re.findall(r"!secret (\w+)", (DEPLOY / "edge.yaml").read_text())


# -- edge.service -----------------------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    """Its program is not installed here, so this environment's stands in for it."""
    copy = tmp_path / "edge.service"
    copy.write_text((DEPLOY / "edge.service").read_text().replace(INSTALLED, str(EDGE)))

    verified = run("systemd-analyze", "verify", copy)

    assert verified.returncode == 0
    assert str(copy) not in verified.stderr
    assert "edge.service" not in verified.stderr, verified.stderr


def test_the_unit_runs_what_the_command_line_has(unit: dict[str, list[str]]) -> None:
    for command in (*unit["ExecStart"], *unit["ExecStopPost"]):
        program, *words = shlex.split(command)
        verbs = [word for word in words[: words.index("-c")] if not word.startswith("-")]

        assert program == INSTALLED
        assert run(EDGE, *verbs, "--help").returncode == 0, f"edge {' '.join(verbs)} is no command"


def test_the_unit_restarts_after_whatever_ends_it(unit: dict[str, list[str]]) -> None:
    """An exception nobody thought of exits with 1, as a wrong configuration does: a gateway must survive both."""
    assert unit["Restart"] == ["on-failure"]
    assert unit["RestartPreventExitStatus"] == ["2"]
    assert unit["StartLimitIntervalSec"] == ["0"]
    assert unit["Type"] == ["notify"]
    assert unit["WatchdogSec"]


def test_lgpio_and_the_control_socket_have_a_folder_they_may_write(unit: dict[str, list[str]]) -> None:
    [folder] = unit["RuntimeDirectory"]

    assert f"LG_WD=/run/{folder}" in unit["Environment"]
    assert unit["StateDirectory"] == ["edge"]
    assert "PrivateDevices" not in unit  # it would hide I2C and GPIO


def test_the_unit_lets_the_runtime_ask_whether_the_clock_is_synchronised(unit: dict[str, list[str]]) -> None:
    """The call is not in @system-service; without a number for the error the kernel would kill the process."""
    [calls] = unit["SystemCallFilter"]

    assert {"@system-service", "adjtimex", "clock_adjtime"} <= set(calls.split())
    assert unit["SystemCallErrorNumber"] == ["EPERM"]
    assert "ProtectClock" not in unit


def test_each_secret_of_the_example_has_its_credential_and_its_file(unit: dict[str, list[str]]) -> None:
    script = (DEPLOY / "install.sh").read_text()

    assert set(unit["LoadCredential"]) == {f"{name}:/etc/edge/secrets/{name}" for name in secrets()}
    assert all(f'/dev/null "$config/secrets/{name}"' in script for name in secrets())


# -- edge.yaml --------------------------------------------------------------------------------------------------------


def test_the_example_configuration_is_right(tmp_path: Path) -> None:
    for name in secrets():
        (tmp_path / name).write_text("correct horse")

    checked = run(EDGE, "check", "-c", DEPLOY / "edge.yaml", CREDENTIALS_DIRECTORY=str(tmp_path))

    assert checked.returncode == 0, checked.stdout + checked.stderr


# -- install.sh -------------------------------------------------------------------------------------------------------


def test_a_dry_run_names_what_it_would_do_and_does_nothing() -> None:
    """On a machine that is a gateway already it would do less, so only what is always done is asked for."""
    before = Path("/opt/edge").exists()
    ran = run(DEPLOY / "install.sh", "--dry-run")
    commands = [shlex.split(line) for line in ran.stdout.splitlines() if line.startswith("  ")]

    assert ran.returncode == 0, ran.stderr
    assert ["install", "-m", "0644", str(DEPLOY / "edge.service"), "/etc/systemd/system/edge.service"] in commands
    assert not [command for command in commands if "rm" in command]
    assert Path("/opt/edge").exists() == before


def test_the_installer_copies_the_files_of_this_folder() -> None:
    script = (DEPLOY / "install.sh").read_text()
    copied = set(re.findall(r'"\$here/([\w.-]+\.\w+)"', script))
    [loop] = re.findall(r"for file in (.+); do", script)

    assert copied == {"edge.service", "99-edge.rules"}
    assert set(loop.split()) == {"edge.yaml", "tasks/workshop.py"}
    assert all((DEPLOY / name).is_file() for name in copied | set(loop.split()))


def test_the_journal_is_purged_only_with_a_second_word() -> None:
    refused = run(DEPLOY / "install.sh", "--dry-run", "--purge")

    assert refused.returncode == 1
    assert "--yes" in refused.stderr
    assert "rm" not in refused.stdout


def test_uninstalling_keeps_configuration_and_journal() -> None:
    ran = run(DEPLOY / "install.sh", "--dry-run", "--uninstall")
    removed = [word for line in ran.stdout.splitlines() if line.startswith("  rm ") for word in line.split()]

    assert "/opt/edge" in removed
    assert not [word for word in removed if word.startswith(("/etc/edge", "/var/lib"))]


# -- rules and broker -------------------------------------------------------------------------------------------------


def test_the_udev_rules_give_pins_and_buses_to_the_groups_of_the_service(unit: dict[str, list[str]]) -> None:
    rules = [line for line in (DEPLOY / "99-edge.rules").read_text().splitlines() if not line.startswith("#")]
    groups = set()
    for rule in rules:
        parts = [part.strip() for part in rule.split(",")]
        assert all(re.fullmatch(r'[A-Z]+(==|=)"[^"]+"', part) for part in parts), rule
        groups |= {match for part in parts for match in re.findall(r'^GROUP="(.+)"$', part)}

    assert groups == set(unit["SupplementaryGroups"][0].split())


def test_the_broker_keeps_sessions_and_queues_across_a_kill() -> None:
    parser = configparser.ConfigParser(delimiters=(" ",), comment_prefixes=("#",), strict=True)
    parser.read_string("[broker]\n" + (DEPLOY / "mosquitto.conf").read_text())
    broker = dict(parser["broker"])

    assert broker["persistence"] == "true"
    assert broker["autosave_on_changes"] == "true"
    assert broker["autosave_interval"] == "1"
    assert broker["max_queued_messages"] == "0"
    assert broker["max_inflight_messages"] == "1000"


@pytest.mark.broker
def test_mosquitto_takes_the_file_beside_debians_own(tmp_path: Path) -> None:
    """Debian's mosquitto.conf sets `persistence_location` and includes ours; a setting twice ends the broker."""
    assert MOSQUITTO is not None
    (tmp_path / "conf.d").mkdir()
    text = (DEPLOY / "mosquitto.conf").read_text().replace("listener 1883 ", f"listener {free_port()} ")
    (tmp_path / "conf.d" / "edge.conf").write_text(text)
    (tmp_path / "mosquitto.conf").write_text(
        f"user root\npersistence true\npersistence_location {tmp_path}/\ninclude_dir {tmp_path / 'conf.d'}\n"
    )

    said = []
    with subprocess.Popen([MOSQUITTO, "-c", tmp_path / "mosquitto.conf"], stderr=subprocess.PIPE, text=True) as broker:
        assert broker.stderr is not None
        for line in broker.stderr:
            said.append(line)
            if line.rstrip().endswith("running"):
                break
        while broker.poll() is None:  # a signal right after that line is forgotten: Mosquitto has still to begin
            broker.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                broker.wait(timeout=0.2)

    assert broker.returncode == 0, "".join(said)
