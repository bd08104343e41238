"""The host's hold on one child: every wait has an end, and a kill cannot hit a stranger.

A child has four descriptors here: its frames, its output, its life (the fork server's word that it was born, and how it
ended), and its pidfd, by which it is killed: a number may be somebody else's by then, this cannot.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from edge.clock import Clock
from edge.runs.worker.frames import BORN, Frames, Kind, frame

_CHUNK = 65536
_PRINTS = 4000  # bytes of what a run prints that the log keeps
_TAIL = 300  # bytes in which a library that gives up says why
_WORD = 200  # bytes of the fork server's
_LAST_WORD = 1.0  # seconds in which the fork server says how a child ended
_LOOK = 3600.0  # seconds of one wait at most: the system counts milliseconds in 31 bits
_LEAST = 0.02  # of them, even where the run's time is over


class Late(Exception):
    """The time is over."""


class Died(Exception):
    """The child is gone, and how, for people."""


class Process:
    """One child. Belongs to the thread that holds it; `kill_if` is any thread's."""

    def __init__(self, talk: socket.socket, life: socket.socket, output: int, clock: Clock, *, stays: bool) -> None:
        self.stays = stays
        """Whether its task always has it; the others leave when there is nothing to do."""
        self.since = clock.monotonic()
        self.ready = False
        self.waited = 0.0
        """Seconds that the run before which it became ready waited for it; whoever reports them takes them."""
        self.last = False
        """It said that the run that ends next is its last."""
        self._talk, self._life, self._output = talk, life, output
        self._clock = clock
        self._until = 0.0
        self._frames = Frames(self._more)
        self._prints = self._tail = b""
        self._pidfd = -1
        self._serves: object = None
        self._lock = threading.Lock()  # `_serves` and the pidfd, for who kills
        talk.setblocking(False)
        os.set_blocking(output, False)
        self._poll = select.poll()
        for descriptor in (talk, life, output):
            self._poll.register(descriptor, select.POLLIN)

    # -- frames -------------------------------------------------------------------------------------------------------

    def send(self, kind: Kind, body: bytes, until: float) -> None:
        """To one that is gone it goes nowhere: `next` tells what it said before, and then how it ended.

        Raises `Late` and `Died`.
        """
        self._until = until
        rest = memoryview(frame(kind, body))
        while rest:
            try:
                rest = rest[self._talk.send(rest) :]
            except BlockingIOError:
                self._wait(select.POLLOUT)
            except (BrokenPipeError, ConnectionResetError):
                return

    def next(self, room: Callable[[Kind], int], until: float) -> tuple[Kind, bytes]:
        """Raises `Late`, `Died` and `Garbled`."""
        self._until = until
        return self._frames.next(room)

    def _more(self) -> bytes:
        while True:
            if self._clock.monotonic() >= self._until:  # also where it never stops sending
                raise Late
            try:
                chunk = self._talk.recv(_CHUNK)
            except BlockingIOError:
                self._wait(select.POLLIN)
                continue
            except ConnectionResetError:
                chunk = b""
            if not chunk:
                raise Died(self._last_word())
            return chunk

    def _wait(self, event: int) -> None:
        """Until the frames' socket is ready for `event`; what the child prints meanwhile is taken in."""
        self._poll.modify(self._talk, event)
        while (left := self._until - self._clock.monotonic()) > 0:
            found = dict(self._poll.poll(min(left, _LOOK) * 1000))
            if self._output in found:
                self._drain()
            if self._talk.fileno() in found:
                return
            if self._life.fileno() in found:
                raise Died(self._last_word())
        raise Late

    # -- its birth and its end ---------------------------------------------------------------------------------------

    def born(self, until: float) -> None:
        """Wait for the fork server's word that it lives. Raises `Late` and `Died`."""
        if self._pidfd >= 0:
            return
        if not _readable(self._life, max(0.0, until - self._clock.monotonic())):
            raise Late
        word, received, _, _ = socket.recv_fds(self._life, _WORD, 1, socket.MSG_CMSG_CLOEXEC)
        if word != BORN or not received:
            raise Died(f"the system gave it no process: {word.decode()}" if word else _SERVER_GONE)
        with self._lock:
            self._pidfd = received[0]

    @property
    def silent(self) -> bool:
        """Whether it waits for work: neither gone, nor going, nor saying what nobody asked for."""
        return not _readable(self._talk, 0) and not (self._pidfd >= 0 and _readable(self._life, 0))

    def serve(self, what: object) -> None:
        """From here on it does this, until it is told another thing, or None."""
        with self._lock:
            self._serves = what

    def kill_if(self, serving: object) -> None:
        """Kill it if that is what it does. Any thread; does not wait for its end."""
        with self._lock:
            if self._serves is serving:
                self._kill()

    def _kill(self) -> None:
        if self._pidfd >= 0:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def close(self) -> None:
        """Kill it and give everything back; the fork server reaps it. One not yet born leaves when it finds nobody."""
        with self._lock:
            self._kill()
            pidfd, self._pidfd = self._pidfd, -1
        if pidfd >= 0:
            os.close(pidfd)
        self._talk.close()
        self._life.close()
        os.close(self._output)

    def _last_word(self) -> str:
        """What the fork server says of its end."""
        left = self._until - self._clock.monotonic()
        if self._pidfd >= 0 and not _readable(self._life, min(_LAST_WORD, max(_LEAST, left))):
            return "its process closed the connection to the runtime"
        try:
            word = self._life.recv(_WORD)
        except ConnectionResetError:
            word = b""
        if not word:
            return _SERVER_GONE
        self._drain()
        return _ended(int(word), self._tail.decode(errors="replace"))

    # -- what it prints -----------------------------------------------------------------------------------------------

    def prints(self) -> str:
        """The beginning of what it printed since the last time; the rest is dropped."""
        self._drain()
        text = self._prints.decode(errors="replace")
        self._prints = self._tail = b""
        return text

    def _drain(self) -> None:
        try:
            chunk = os.read(self._output, _CHUNK)
        except BlockingIOError:
            return
        self._prints += chunk[: _PRINTS - len(self._prints)]
        self._tail = (self._tail + chunk)[-_TAIL:]
        if not chunk:  # nobody can print any more
            with suppress(KeyError):
                self._poll.unregister(self._output)


_SERVER_GONE = "the process that workers are forked from was killed, and they with it"


def _ended(code: int, printed: str) -> str:
    if code >= 0:
        said = [line.strip() for line in printed.splitlines() if line.strip()][-1:]
        return f"its process ended with exit code {code}" + (f" (it last printed {said[0]!r})" if said else "")
    name = signal.Signals(-code).name
    why = ": no memory was left on this machine, or somebody killed it" if -code == signal.SIGKILL else ""
    return f"its process was killed by signal {-code} ({name}){why}"


def _readable(readable: socket.socket, seconds: float) -> bool:
    poll = select.poll()
    poll.register(readable, select.POLLIN)
    return bool(poll.poll(min(seconds, _LOOK) * 1000))
