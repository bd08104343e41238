"""The control socket: who is answered, what is bounded, and what becomes of its file."""

from __future__ import annotations

import json
import os
import socket
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from drivers import Nack
from edge import control
from edge.clock import SystemClock
from edge.control import CLIENTS, REQUEST, ControlError, ControlServer, Refused, ask, socket_path
from edge.errors import EdgeError, RuntimeUnreachable
from tests.unit.cli.conftest import Serving


def call(server: ControlServer, verb: str, *, journal: str | None = None, **args: Any) -> Any:
    return ask(server.path, verb, args, journal=journal or str(server.path).removesuffix(".sock"), timeout=5)


def raw(path: Path, data: bytes) -> Any:
    """What is answered to these bytes."""
    with socket.socket(socket.AF_UNIX) as wire:
        wire.settimeout(10)
        wire.connect(str(path))
        wire.sendall(data)
        wire.shutdown(socket.SHUT_WR)
        return json.loads(wire.makefile("rb").read())


def test_a_request_is_a_call_and_its_result_comes_back(serving: Serving) -> None:
    server = serving({"read": lambda device: {"device": device, "values": {"temperature": 21.5}}})

    assert call(server, "read", device="room") == {"device": "room", "values": {"temperature": 21.5}}


def test_a_mistake_comes_back_as_its_sentence(serving: Serving) -> None:
    def read(device: str) -> None:
        raise EdgeError(f"no device called {device!r}; did you mean 'room'?")

    with pytest.raises(Refused, match="did you mean 'room'") as refused:
        call(serving({"read": read}), "read", device="rom")
    assert refused.value.mistake


def test_a_sensor_that_does_not_answer_is_not_the_callers_mistake(serving: Serving) -> None:
    def read(device: str) -> None:
        raise Nack("nobody answered at 0x48")

    with pytest.raises(Refused, match="room: nobody answered at 0x48") as refused:
        call(serving({"read": read}), "read", device="room")
    assert not refused.value.mistake


def test_a_fault_of_ours_is_reported_and_the_next_call_is_answered(serving: Serving) -> None:
    def status() -> None:
        raise ZeroDivisionError("oops")

    server = serving({"status": status, "tasks": list})

    for _ in range(CLIENTS + 1):
        with pytest.raises(Refused, match="status failed: ZeroDivisionError: oops"):
            call(server, "status")
    assert call(server, "tasks") == []


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"[]\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b'{"verb": "read"}\n',
        b'{"verb": "drop_everything", "args": {}, "journal": "x"}\n',
        b'{"verb": "read", "args": {"colour": 1}, "journal": "x"}\n',
        b'{"verb": "read", "args": [1], "journal": "x"}\n',
        b"\xff\xfe\n",
    ],
)
def test_nonsense_is_refused_in_one_sentence(serving: Serving, line: bytes) -> None:
    server = serving({"read": lambda device: None})

    assert "not a request" in raw(server.path, line)["error"]


def test_a_request_without_end_is_cut_off(serving: Serving) -> None:
    server = serving({})
    with socket.socket(socket.AF_UNIX) as wire:
        wire.settimeout(10)
        wire.connect(str(server.path))
        wire.sendall(b"x" * (REQUEST + 1))

        assert b"not a request" in wire.recv(4096)


def test_a_silent_client_costs_one_thread_for_a_bounded_time(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "PATIENCE", 0.05)
    server = serving({"tasks": list})
    silent = [socket.socket(socket.AF_UNIX) for _ in range(CLIENTS)]
    try:
        for wire in silent:
            wire.connect(str(server.path))

        assert call(server, "tasks") == []
    finally:
        for wire in silent:
            wire.close()


def test_commands_do_not_wait_for_a_slow_one(serving: Serving) -> None:
    release = threading.Event()
    server = serving({"fire": lambda: release.wait(10), "tasks": list})
    slow = threading.Thread(target=lambda: call(server, "fire"))
    slow.start()
    try:
        assert call(server, "tasks") == []
    finally:
        release.set()
        slow.join(10)


def test_another_gateways_runtime_is_not_mistaken_for_ours(serving: Serving) -> None:
    server = serving({"status": list})

    with pytest.raises(RuntimeUnreachable, match="keeps its journal at"):
        call(server, "status", journal="/var/lib/other/journal")


def test_only_owner_and_group_may_open_the_socket(serving: Serving) -> None:
    assert stat.S_IMODE(serving({}).path.stat().st_mode) == 0o660


def test_a_stranger_is_told_no_and_nothing_is_called(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    called = []
    server = serving({"set": lambda: called.append(1)})
    monkeypatch.setattr(control, "_may_command", lambda client: False)

    assert raw(server.path, b'{"verb": "set", "args": {}, "journal": "x"}\n')["kind"] == "denied"
    assert not called


@pytest.mark.parametrize(
    ("user", "groups", "allowed"),
    [(0, [0], True), (1000, [1000], True), (1001, [1001], False), (1001, [1001, 1000], True)],
)
def test_root_the_same_user_and_the_same_group_may_command(
    monkeypatch: pytest.MonkeyPatch, user: int, groups: list[int], allowed: bool
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "getegid", lambda: 1000)

    assert control._may_command(_Peer(user, groups)) is allowed  # type: ignore[arg-type]


class _Peer:
    """A connection whose other side the kernel describes so."""

    def __init__(self, user: int, groups: list[int]) -> None:
        self._user, self._groups = user, groups

    def getsockopt(self, level: int, option: int, size: int) -> bytes:
        numbers = (77, self._user, self._groups[0]) if option == socket.SO_PEERCRED else tuple(self._groups)
        return b"".join(number.to_bytes(4, "little") for number in numbers)


def test_what_a_killed_runtime_left_behind_is_replaced(serving: Serving, folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(folder / "journal.sock"))

    assert call(serving({"tasks": list}), "tasks") == []


def test_a_runtime_that_listens_is_left_alone(serving: Serving) -> None:
    first = serving({"tasks": list})
    second = ControlServer(first.path, {}, journal="x", clock=SystemClock())

    with pytest.raises(ControlError, match="another runtime listens here"):
        second.open()
    second.close()
    assert call(first, "tasks") == []


def test_a_file_that_is_no_socket_is_never_removed(tmp_path: Path) -> None:
    path = tmp_path / "journal.sock"
    path.write_text("precious")
    server = ControlServer(path, {}, journal="x", clock=SystemClock())

    with pytest.raises(ControlError, match="is no socket"):
        server.open()
    server.close()
    assert path.read_text() == "precious"


def test_the_socket_is_gone_after_the_stop(serving: Serving) -> None:
    server = serving({})
    server.close()

    assert not server.path.exists()
    with pytest.raises(RuntimeUnreachable):
        call(server, "status")


def test_a_path_too_long_for_a_socket_names_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 120) / "control.sock"
    server = ControlServer(path, {}, journal="x", clock=SystemClock())

    with pytest.raises(ControlError, match=r"too long.*RUNTIME_DIRECTORY"):
        server.open()
    with pytest.raises(ControlError, match="too long"):
        ask(path, "status", {}, journal="x", timeout=1)


def test_a_runtime_that_does_not_answer_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "hung.sock"
    with socket.socket(socket.AF_UNIX) as hung:
        hung.bind(str(path))
        hung.listen()

        with pytest.raises(ControlError, match=r"did not answer status within 0\.05 s"):
            ask(path, "status", {}, journal="x", timeout=0.05)


@pytest.mark.parametrize("answer", [b"", b"{\n", b'{"result": 1'])
def test_half_an_answer_is_an_error(tmp_path: Path, answer: bytes) -> None:
    path = tmp_path / "dies.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        dying = threading.Thread(target=_answer_once, args=(listening, answer))
        dying.start()

        with pytest.raises(ControlError, match="broke off"):
            ask(path, "status", {}, journal="x", timeout=5)
        dying.join(5)


def _answer_once(listening: socket.socket, answer: bytes) -> None:
    client, _ = listening.accept()
    client.recv(4096)
    client.sendall(answer)
    client.close()


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        ({}, "/var/lib/edge/journal.sock"),
        ({"RUNTIME_DIRECTORY": "/run/edge"}, "/run/edge/control.sock"),
        ({"RUNTIME_DIRECTORY": "/run/edge:/run/other"}, "/run/edge/control.sock"),
    ],
)
def test_the_socket_stands_in_systemds_folder_else_beside_the_journal(environ: dict[str, str], path: str) -> None:
    assert socket_path("/var/lib/edge/journal", environ) == Path(path)


@pytest.mark.parametrize("depth", [10, 300])
def test_an_answer_that_cannot_be_written_down_is_a_fault_and_costs_no_thread(serving: Serving, depth: int) -> None:
    deep: Any = "half \ud800"
    for _ in range(depth):
        deep = [deep]
    server = serving({"show": lambda: deep, "read": lambda: 1})

    for _ in range(CLIENTS + 1):
        with pytest.raises(Refused, match="the answer cannot be written down"):
            call(server, "show")
    assert call(server, "read") == 1


def test_keys_that_are_no_text_survive_the_wire(serving: Serving) -> None:
    verbs: dict[str, Callable[..., Any]] = {"tasks": lambda: {1: "one"}}

    assert call(serving(verbs), "tasks") == {"1": "one"}
