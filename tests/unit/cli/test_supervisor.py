"""The main thread: it stops when told, fails when the runtime did, and feeds the watchdog only while work moves."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable

import pytest

from edge.cli import supervisor
from edge.cli.supervisor import STALLED, Signals, Supervisor
from edge.systemd import Notifier


class Runtime:
    """One whose looks are scripted: True moves, False does not; after the last it is told to stop."""

    def __init__(self, moves: Iterable[bool] = (), degraded: list[str] | None = None) -> None:
        self.failed: str | None = None
        self._moves = iter(moves)
        self._degraded = degraded or []

    def wait(self, timeout: float) -> bool:
        return self.failed is not None

    def progress(self) -> bool:
        move = next(self._moves, None)
        if move is None:
            os.kill(os.getpid(), signal.SIGTERM)
            return True
        return move

    def degraded(self) -> list[str]:
        return self._degraded


class Heard(Notifier):
    """What systemd would have heard."""

    def __init__(self) -> None:
        super().__init__({"WATCHDOG_USEC": "30000000"})
        self.said: list[str] = []

    def _send(self, text: str) -> None:
        self.said.append(text.partition("\n")[0])


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "LOOK", 0.001)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_watch_at_once_with_exit_0(number: signal.Signals, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "LOOK", 60.0)
    with Signals() as signals:
        os.kill(os.getpid(), number)

        assert Supervisor(Runtime(), Heard(), "").watch(signals) == 0


def test_a_second_ctrl_c_does_not_wait_for_the_drain() -> None:
    with Signals() as signals:
        os.kill(os.getpid(), signal.SIGINT)
        assert signals.wait(5) == "SIGINT"

        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_the_programs_own_signals_come_back_afterwards() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Signals():
        assert signal.getsignal(signal.SIGTERM) != before

    assert signal.getsignal(signal.SIGTERM) == before


def test_a_failed_runtime_ends_with_exit_3() -> None:
    runtime = Runtime()
    runtime.failed = "4 runs are stuck"
    with Signals() as signals:
        assert Supervisor(runtime, Heard(), "").watch(signals) == 3


def test_the_watchdog_goes_hungry_while_nothing_moves() -> None:
    heard = Heard()
    with Signals() as signals:
        Supervisor(Runtime([True, False, False, True]), heard, "fine").watch(signals)

    assert heard.said[0] == "READY=1"
    assert heard.said.count("WATCHDOG=1") == 3  # two of the script, one at the signal


def test_systemd_reads_what_is_degraded() -> None:
    heard = Heard()
    with Signals() as signals:
        Supervisor(Runtime([True], ["room: nobody answers"]), heard, "fine").watch(signals)

    assert "STATUS=degraded: room: nobody answers" in heard.said


def test_health_is_failing_only_after_some_looks_without_progress() -> None:
    runtime = Runtime([False] * (STALLED - 1))
    watching = Supervisor(runtime, Heard(), "")
    with Signals() as signals:
        watching.watch(signals)
        assert watching.health().failing is None

        stalled = Supervisor(Runtime([False] * STALLED), Heard(), "")
        for _ in range(STALLED):
            stalled._look()
        assert "no progress" in (stalled.health().failing or "")
