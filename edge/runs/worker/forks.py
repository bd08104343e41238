"""The host's side of the fork server: start it, ask it for children, start another when it was killed."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import sys
import threading

from edge.clock import Clock
from edge.errors import TaskLoadError
from edge.runs.worker.frames import Kind
from edge.runs.worker.process import Process

_ASKING = 10.0  # seconds in which it must take a request, or its first order
_LEAVING = 10.0  # seconds it may take to kill and reap what lives

# The fork server finds what this process finds, in the same order: not what lies in the working directory.
_START = "import sys; sys.path[:] = sys.argv[2:]; from edge.runs.worker.forkserver import main; main(int(sys.argv[1]))"


class Forks:
    """Any thread."""

    def __init__(self, clock: Clock) -> None:
        """Start the fork server. Raises `TaskLoadError` where this system is too old, or has no process left."""
        _check_system()
        self._clock = clock
        self._lock = threading.Lock()
        try:
            self._control, self._server = _start()
        except OSError as error:
            raise TaskLoadError(f"engine worker cannot start a process here: {error}") from error

    def child(self, order: bytes, *, stays: bool) -> Process:
        """A child that gets `order` as its first frame. Does not wait for its birth. Raises OSError."""
        talk, theirs = socket.socketpair()
        life, told = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        output, printed = os.pipe()
        process = Process(talk, life, output, self._clock, stays=stays)
        try:
            self._ask([theirs.fileno(), told.fileno(), printed])
            process.send(Kind.ORDER, order, self._clock.monotonic() + _ASKING)
        except BaseException:
            process.close()
            raise
        finally:
            theirs.close()
            told.close()
            os.close(printed)
        return process

    def close(self) -> None:
        """End the fork server and every child. Idempotent."""
        with self._lock:
            _end(self._control, self._server)

    def _ask(self, descriptors: list[int]) -> None:
        with self._lock:
            try:
                socket.send_fds(self._control, [b"?"], descriptors)
            except (BrokenPipeError, ConnectionResetError):
                _end(self._control, self._server)
                self._control, self._server = _start()
                socket.send_fds(self._control, [b"?"], descriptors)


def _start() -> tuple[socket.socket, subprocess.Popen[bytes]]:
    control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    control.settimeout(_ASKING)
    try:
        server = subprocess.Popen(
            [sys.executable, "-P", "-c", _START, str(theirs.fileno()), *sys.path],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C is for the runtime, which ends runs in good order
        )
    except BaseException:
        control.close()
        raise
    finally:
        theirs.close()
    return control, server


def _end(control: socket.socket, server: subprocess.Popen[bytes]) -> None:
    control.close()
    try:
        server.wait(_LEAVING)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _check_system() -> None:
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (OSError, AttributeError) as error:
        raise TaskLoadError(
            f"engine worker needs Linux 5.3 or newer, whose pidfd_open says which process is killed; this is "
            f"{platform.system()} {platform.release()}: {error}; write engine: inline, or upgrade"
        ) from error
