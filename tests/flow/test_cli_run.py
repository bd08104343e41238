"""`edge run` as a process: started, commanded from beside it, stopped, killed, started again."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.cli import main

EDGE = (sys.executable, "-m", "edge")


class Gateway:
    """A starter folder and the processes in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ = {**os.environ, "PYTHONUNBUFFERED": "1"}
        self.processes: list[subprocess.Popen[bytes]] = []
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(str(folder / "notify"))
        self._notify.settimeout(30)

    def start(self, *options: str) -> subprocess.Popen[bytes]:
        """`edge run`, up and running as systemd would know it."""
        process = subprocess.Popen(
            [*EDGE, "run", *options],
            cwd=self.folder,
            env={**self.environ, "NOTIFY_SOCKET": str(self.folder / "notify")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.processes.append(process)
        self.heard("READY=1")
        return process

    def heard(self, word: str) -> str:
        """The next message to systemd that begins so."""
        while True:
            text = self._notify.recv(4096).decode()
            if text.startswith(word):
                return text

    def edge(self, *words: str, code: int = 0) -> str:
        """One command beside it; its stdout."""
        done = subprocess.run([*EDGE, *words], cwd=self.folder, env=self.environ, capture_output=True, text=True)
        assert done.returncode == code, done.stderr + done.stdout
        return done.stdout

    def json(self, *words: str) -> Any:
        return json.loads(self.edge(*words, "--json"))

    def close(self) -> None:
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
        self._notify.close()


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    assert main(["init", str(tmp_path)]) == 0
    made = Gateway(tmp_path)
    yield made
    made.close()


def stopped(process: subprocess.Popen[bytes], number: int = signal.SIGTERM) -> tuple[int, str]:
    """Exit code and all that it said."""
    process.send_signal(number)
    output, _ = process.communicate(timeout=30)
    return process.returncode, output.decode()


def test_a_gateway_runs_is_commanded_and_drains(gateway: Gateway) -> None:
    process = gateway.start()

    assert gateway.json("read", "room")["units"] == {"temperature": "degC"}
    assert gateway.json("set", "fan", "on") == {"device": "fan", "value": "on", "kept": True}
    assert gateway.json("read", "fan")["values"] == {"on": True}
    assert {part["name"] for part in gateway.json("status")} >= {"room", "fan", "journal"}
    envelope = gateway.json("fire", "overheat", "--event", '{"temperature": 31.5}')
    assert envelope["data"]["result"] == {"celsius": 31.5, "fan": True}
    assert gateway.json("journal", "show", envelope["id"]) == envelope
    assert gateway.json("journal", "stats")["accepted"] == 1
    assert [one["counts"] for one in gateway.json("tasks")] == [{"success": 1}]
    gateway.edge("tasks", "reset", "overheat", code=1)  # it has no breaker
    assert gateway.json("outputs", "safe") == [{"device": "fan", "safe": True, "error": None}]
    assert gateway.json("read", "fan")["values"] == {"on": False}
    assert "ok" in gateway.edge("journal", "verify")

    code, said = stopped(process)
    assert code == 0
    assert "fsync, survives a power cut" in said
    assert "SIGTERM: draining" in said
    assert not (gateway.folder / "journal.sock").exists()
    assert gateway.heard("STOPPING=1")


def test_the_watchdog_is_fed(gateway: Gateway) -> None:
    gateway.environ |= {"WATCHDOG_USEC": "400000"}
    process = gateway.start()

    assert gateway.heard("WATCHDOG=1")
    assert gateway.heard("WATCHDOG=1")
    assert stopped(process, signal.SIGINT)[0] == 0


def test_after_a_kill_the_next_start_takes_over(gateway: Gateway) -> None:
    first = gateway.start()
    gateway.edge("fire", "overheat", "--event", '{"temperature": 31.5}')
    first.kill()
    first.wait()
    assert (gateway.folder / "journal.sock").exists()

    assert gateway.json("outputs", "safe") == [{"device": "fan", "safe": True, "error": None}]
    second = gateway.start()
    assert gateway.json("journal", "stats")["accepted"] == 1
    assert stopped(second)[0] == 0


def test_a_second_runtime_on_the_same_journal_is_refused_with_the_owners_pid(gateway: Gateway) -> None:
    process = gateway.start()
    done = subprocess.run([*EDGE, "run"], cwd=gateway.folder, capture_output=True, text=True)

    assert done.returncode == 1
    assert f"in use by process {process.pid}" in done.stderr
    assert "Traceback" not in done.stderr
    assert gateway.edge("status")


def test_metrics_and_health_are_served_where_the_configuration_says(gateway: Gateway) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with (gateway.folder / "edge.yaml").open("a") as file:
        file.write(f'\nmetrics: {{listen: "127.0.0.1:{port}"}}\n')
    process = gateway.start("--log-json")

    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        assert b"edge_build_info" in answer.read()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=10) as answer:
        assert json.loads(answer.read())["failing"] is None
    code, said = stopped(process)
    assert code == 0
    assert {json.loads(line)["action"] for line in said.splitlines()} >= {"started", "stopping", "stopped"}


def test_a_taken_metrics_port_costs_the_metrics_and_nothing_else(gateway: Gateway) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with (gateway.folder / "edge.yaml").open("a") as file:
            file.write(f'\nmetrics: {{listen: "127.0.0.1:{taken.getsockname()[1]}"}}\n')
        process = gateway.start()

        assert gateway.edge("status")
    code, said = stopped(process)
    assert code == 0
    assert "running without metrics" in said


@pytest.mark.parametrize("trouble", ["mistake", "journal", "socket"])
def test_what_keeps_it_from_starting_is_one_sentence_and_exit_1(gateway: Gateway, trouble: str) -> None:
    file = gateway.folder / "edge.yaml"
    if trouble == "mistake":
        file.write_text(file.read_text().replace("devices: [fan]", "devices: [fna]"))
    elif trouble == "journal":
        file.write_text(file.read_text().replace("path: ./journal", "path: ./edge.yaml/journal"))
    else:
        file.write_text(file.read_text().replace("path: ./journal", f"path: ./{'j' * 120}"))
    done = subprocess.run([*EDGE, "run"], cwd=gateway.folder, capture_output=True, text=True, timeout=60)

    says = {"mistake": "did you mean 'fan'?", "journal": "journal", "socket": "RUNTIME_DIRECTORY"}
    assert done.returncode == 1
    assert says[trouble] in done.stderr
    assert "Traceback" not in done.stderr


def test_a_pager_that_is_closed_early_is_no_error(gateway: Gateway) -> None:
    listing = subprocess.Popen([*EDGE, "doctor"], cwd=gateway.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert listing.stdout is not None
    assert listing.stderr is not None
    listing.stdout.close()

    assert listing.wait(60) == 141
    assert listing.stderr.read() == b""
    listing.stderr.close()


def test_the_starter_folders_own_test_passes(gateway: Gateway) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=gateway.folder,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout
