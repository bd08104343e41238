"""systemd hears how the service is, and its watchdog is fed in time."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.systemd import Notifier


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(5)
        yield listening


def test_readiness_and_status_arrive_in_one_datagram(manager: socket.socket) -> None:
    Notifier({"NOTIFY_SOCKET": manager.getsockname()}).ready("3 devices,\n2 tasks")

    assert manager.recv(4096) == b"READY=1\nSTATUS=3 devices, 2 tasks"


def test_every_state_is_said_in_systemds_words(manager: socket.socket) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "1000"})
    notifier.alive()
    notifier.status("degraded: workshop")
    notifier.stopping()

    heard = [manager.recv(4096) for _ in range(3)]
    assert heard == [b"WATCHDOG=1", b"STATUS=degraded: workshop", b"STOPPING=1\nSTATUS=draining"]


def test_an_abstract_socket_is_reached_too() -> None:
    name = "edge-test-notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("\0" + name)
        listening.settimeout(5)
        Notifier({"NOTIFY_SOCKET": "@" + name}).status("fine")

        assert listening.recv(4096) == b"STATUS=fine"


def test_outside_systemd_nothing_happens() -> None:
    notifier = Notifier({})
    notifier.ready("fine")

    assert notifier.watchdog_period is None


def test_a_manager_that_went_away_is_mentioned_once_and_hurts_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")})
    with caplog.at_level(logging.WARNING):
        notifier.stopping()
        notifier.stopping()

    assert len(caplog.records) == 1


def test_no_watchdog_is_not_fed(manager: socket.socket) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": manager.getsockname()})
    notifier.alive()
    notifier.stopping()

    assert manager.recv(4096).startswith(b"STOPPING=1")


@pytest.mark.parametrize(
    ("environ", "period"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "42"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "41"}, None),  # meant for another process
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_fed_only_where_one_watches_this_process(environ: dict[str, str], period: float | None) -> None:
    assert Notifier(environ, pid=42).watchdog_period == period
