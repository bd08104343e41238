"""The process that workers are forked from: the runtime's modules imported, no thread, nothing of any task.

Forking it is safe and takes milliseconds, where forking the runtime with its threads, buses and pins would not be.
It ends when the runtime ends, whatever that died of, because its control socket does; and every child ends with it,
because the kernel kills a child whose parent ends. Nothing has to run in either for that.

A child is its own process group: what it started and left there is killed when it ends.
"""

from __future__ import annotations

import ctypes
import faulthandler
import gc
import os
import resource
import select
import signal
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path

from edge.runs.worker.child import live
from edge.runs.worker.frames import BORN

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_OOM_SCORE = "500"  # when the machine runs out of memory, a worker goes first, not the runtime
_M_ARENA_MAX = -8  # <malloc.h>
_STACK = 1 << 20  # bytes of a thread's, if it has not said otherwise
_FDS = 3
_STREAMS = (1, 2)  # standard output and error


class ForkServer:
    """Forks a child for each request: three descriptors, its frames' socket, its life socket, and its output's pipe."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._alive: dict[int, tuple[int, socket.socket]] = {}  # by pidfd: a child's pid and its life socket
        self._prctl = ctypes.CDLL(None).prctl
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)

    def serve(self) -> socket.socket:
        """Fork and reap until the control socket ends, and then exit. Returns in each child: its frames' socket."""
        while True:
            for ready, _ in self._poll.poll():
                if ready != self._control.fileno():
                    self._reap(ready)
                elif (talk := self._fork()) is not None:
                    return talk

    def _fork(self) -> socket.socket | None:
        _, received, _, _ = socket.recv_fds(self._control, 1, _FDS, socket.MSG_CMSG_CLOEXEC)
        if len(received) != _FDS:
            self._leave()
        talk, life, output = socket.socket(fileno=received[0]), socket.socket(fileno=received[1]), received[2]
        server = os.getpid()
        try:
            pid = os.fork()
            if pid == 0:
                self._become_child(server, life, output)
                return talk
            pidfd = os.pidfd_open(pid)  # only this process reaps it, so the pid is still its own
        except OSError as error:
            _say(life, f"{error.strerror}".encode())
            life.close()
        else:
            self._alive[pidfd] = pid, life
            self._poll.register(pidfd, select.POLLIN)
            with suppress(BrokenPipeError, ConnectionResetError):
                socket.send_fds(life, [BORN], [pidfd])
        talk.close()
        os.close(output)
        return None

    def _become_child(self, server: int, life: socket.socket, output: int) -> None:
        """In the child: keep nothing of the fork server's but what it is for."""
        self._prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != server:  # it ended before the kernel was told
            os._exit(1)
        os.setpgid(0, 0)
        self._control.close()
        life.close()
        for pidfd, (_, other) in self._alive.items():
            os.close(pidfd)
            other.close()
        for stream in _STREAMS:
            os.dup2(output, stream)
        os.close(output)
        with suppress(OSError):  # not where /proc is read-only
            Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE, encoding="ascii")

    def _reap(self, pidfd: int) -> None:
        pid, life = self._alive.pop(pidfd)
        self._poll.unregister(pidfd)
        _kill_group(pid)  # before it is reaped: until then nobody else has its number
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        _say(life, str(code).encode())
        life.close()
        os.close(pidfd)

    def _leave(self) -> None:
        for pid, _ in self._alive.values():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            _kill_group(pid)
        for pid, _ in self._alive.values():
            os.waitpid(pid, 0)
        sys.exit(0)


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _say(life: socket.socket, word: bytes) -> None:
    with suppress(BrokenPipeError, ConnectionResetError):  # nobody asks any more
        life.send(word)


def _count_fairly() -> None:
    """Address space is what is limited, and a thread takes 72 MB of it before it does anything: less here."""
    threading.stack_size(_STACK)
    with suppress(AttributeError):  # another libc than GNU's, which takes no such reserve
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def main(control: int) -> None:
    """Serve the runtime at the other end of this socket."""
    sys.argv[1:] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        # Whoever stops a service signals all its processes. The runtime alone says when runs end; and a function,
        # unlike SIG_IGN, is not inherited by the programs that a task starts.
        signal.signal(number, lambda *_: None)
    _count_fairly()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler.enable()
    gc.collect()
    gc.freeze()  # children share these pages as long as nobody writes to them
    live(ForkServer(socket.socket(fileno=control)).serve())
