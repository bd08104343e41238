"""A wire between a client and a broker that fails on demand: cut, stalled, slow. On 127.0.0.1, in one thread."""

from __future__ import annotations

import contextlib
import select
import socket
import threading


class Proxy:
    """Forwards bytes of every connection to `target`. Methods from any thread; faults hold for all connections."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._flowing = threading.Event()
        self._flowing.set()
        self._lock = threading.Lock()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="proxy")

    def stall(self) -> None:
        """Nothing passes any more, nothing is closed: a cable pulled out somewhere in the middle."""
        self._flowing.clear()

    def flow(self) -> None:
        """What was under way when the cable was pulled is lost; new connections work."""
        self.cut()
        self._flowing.set()

    def cut(self) -> None:
        """Every connection is reset, in the middle of whatever was being said."""
        with self._lock:
            for end in self._pairs:
                with contextlib.suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                end.close()
            self._pairs.clear()

    def _run(self) -> None:
        while not self._stopping:
            if not self._flowing.wait(0.02):
                continue
            with self._lock:
                ends = [self._server, *self._pairs]
                with contextlib.suppress(OSError, ValueError):
                    readable, _, _ = select.select(ends, [], [], 0.005)
                    for end in readable:
                        self._serve(end)

    def _serve(self, end: socket.socket) -> None:
        if end is self._server:
            near, _ = self._server.accept()
            try:
                far = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                near.close()
                return
            self._pairs |= {near: far, far: near}
            return
        other = self._pairs.get(end)
        if other is None:
            return
        try:
            block = end.recv(65_536)
            if block:
                other.sendall(block)
                return
        except OSError:
            pass
        for gone in (end, other):
            self._pairs.pop(gone, None)
            gone.close()

    def __enter__(self) -> Proxy:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopping = True
        self._flowing.set()
        self._thread.join()
        self.cut()
        self._server.close()
