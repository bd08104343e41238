"""Processes end when they should, with whom they should, and not before."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from edge.clock import SystemClock
from edge.model import Status
from edge.runs.worker.engine import Worker
from edge.runs.worker.forkserver import ForkServer
from edge.runs.worker.frames import Kind, frame
from edge.runs.worker.process import Died, Late, Process
from tests.unit.runs.worker.bench import Bench, alive, below, children, eventually, text

HOST = """
import sys
from pathlib import Path
from edge.runs.worker.engine import Worker
from tests.unit.runs.worker.bench import Bench, text
bench = Bench(Worker(), text(sys.argv[2]), Path(sys.argv[1]), {"time": 3600})
print("loaded", flush=True)
bench.run()
"""
BUSY = {
    "idle": "",
    "loop": "while True: pass",
    "loop in C that holds the GIL": "sum(range(10**12))",
    "sleep": "import time\ntime.sleep(3600)",
    "call": "while True: ctx.remaining(); ctx.scratch.get('x')",
}


@pytest.fixture
def worker() -> Iterator[Worker]:
    engine = Worker()
    yield engine
    engine.close()


@pytest.mark.parametrize("what", BUSY)
def test_nothing_outlives_a_runtime_that_is_killed(what: str, tmp_path: Path) -> None:
    began = tmp_path / "began"
    body = f"open({str(began)!r}, 'w').close()\n{BUSY[what]}\n" + ("input()" if what == "idle" else "return {}")
    waits = HOST.replace("bench.run()", "sys.stdin.read()") if what == "idle" else HOST
    host = subprocess.Popen(
        [sys.executable, "-c", waits, str(tmp_path), body], stdout=subprocess.PIPE, stdin=subprocess.PIPE
    )
    try:
        assert host.stdout is not None
        assert host.stdout.readline() == b"loaded\n"
        assert what == "idle" or eventually(began.exists)
        processes = below(host.pid)
        assert len(processes) == 2  # the fork server and the child
    finally:
        host.kill()
        host.communicate()

    assert eventually(lambda: not any(map(alive, processes)))


class Ends(NamedTuple):
    """A process as the host holds it, and what the child and the fork server have of it."""

    process: Process
    talk: socket.socket
    life: socket.socket
    output: int


@pytest.fixture
def ends() -> Iterator[Ends]:
    talk, theirs = socket.socketpair()
    life, told = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    output, printed = os.pipe()
    process = Process(talk, life, output, SystemClock(), stays=True)
    yield Ends(process, theirs, told, printed)
    process.close()
    theirs.close()
    told.close()


def test_what_a_process_said_before_it_went_is_heard(ends: Ends) -> None:
    until = SystemClock().monotonic() + 10.0
    ends.talk.sendall(frame(Kind.LEFT))
    ends.talk.close()
    ends.life.send(b"0")
    os.close(ends.output)

    ends.process.send(Kind.RUN, b"{}", until)

    assert ends.process.next(lambda kind: 0, until) == (Kind.LEFT, b"")
    with pytest.raises(Died, match="exit code 0"):
        ends.process.next(lambda kind: 0, until)


def test_a_frame_that_came_in_pieces_and_too_late_is_whole_the_next_time(ends: Ends) -> None:
    whole = frame(Kind.READY, b"facts")
    for byte in whole[:7]:
        ends.talk.sendall(bytes([byte]))
    with pytest.raises(Late):
        ends.process.next(lambda kind: 99, SystemClock().monotonic() + 0.01)

    ends.talk.sendall(whole[7:])

    assert ends.process.next(lambda kind: 99, SystemClock().monotonic() + 10.0) == (Kind.READY, b"facts")
    os.close(ends.output)


def test_a_system_that_gives_no_process_is_said_so(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", refuse)
    control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    socket.send_fds(control, [b"?"], [ends.talk.fileno(), ends.life.fileno(), ends.output])
    os.close(ends.output)

    assert ForkServer(theirs)._fork() is None

    with pytest.raises(Died, match="Resource temporarily unavailable"):
        ends.process.born(SystemClock().monotonic() + 10.0)
    control.close()
    theirs.close()


def test_closing_leaves_no_process(worker: Worker, tmp_path: Path) -> None:
    before = below(os.getpid())
    Bench(worker, text("return {}"), tmp_path, {}).run()
    assert len(below(os.getpid())) == len(before) + 2

    worker.close()
    worker.close()

    assert below(os.getpid()) == before


def test_a_signal_to_all_processes_of_a_service_ends_no_run(worker: Worker, tmp_path: Path) -> None:
    """As systemd and a terminal send it: when runs end is the runtime's to say."""
    bench = Bench(worker, text("import os\nfor n in (2, 15): os.kill(os.getpid(), n)\nreturn {}"), tmp_path, {})
    assert worker._forks is not None
    for pid in (worker._forks._server.pid, *children(worker)):
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGINT)

    assert bench.run()[0].status is Status.SUCCESS


def test_programs_that_a_task_starts_hear_signals_as_ever(worker: Worker, tmp_path: Path) -> None:
    body = (
        "import subprocess\nchild = subprocess.Popen(['sleep', '60'])\nchild.terminate()\nreturn {'code': child.wait()}"
    )

    assert Bench(worker, text(body), tmp_path, {}).run()[0].result == b'{"code":-15}'


@pytest.mark.parametrize("victim", ["fork server", "child"])
def test_a_process_that_was_killed_between_runs_is_replaced(victim: str, worker: Worker, tmp_path: Path) -> None:
    bench = Bench(worker, text("return {}"), tmp_path, {})
    assert worker._forks is not None
    [child] = children(worker)

    os.kill(worker._forks._server.pid if victim == "fork server" else child, signal.SIGKILL)

    assert eventually(lambda: not alive(child))
    assert eventually(lambda: bench.run()[0].status is Status.SUCCESS)
    assert len(children(worker)) == 1


def test_a_run_says_that_the_nursery_was_killed(worker: Worker, tmp_path: Path) -> None:
    bench = Bench(
        worker, text("import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\nwhile True: pass"), tmp_path, {}
    )

    ending, _ = bench.run()

    assert ending.error is not None
    assert ending.error["type"] == "WorkerCrashed"
    assert "forked from was killed" in ending.error["message"]
